"""A plain HTTP client of a running system: answers as they came, whatever their status."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.messages import JsonObject, JsonValue
from tests.support.simulation import fields, items

TIMEOUT_S = 60.0
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0]

    def json(self) -> JsonObject:
        """The body as a JSON object."""
        return fields(json.loads(self.body))

    def error(self) -> JsonObject:
        """The error object of a failed call."""
        return fields(self.json()["error"])

    def events(self) -> list[str]:
        """The data of each server-sent event; comments are left out."""
        assert self.media_type == EVENT_STREAM, self.body
        frames = self.body.decode("utf-8").split("\n\n")
        assert frames.pop() == "", "the stream ends inside an event"
        return [frame.removeprefix("data: ") for frame in frames if not frame.startswith(":")]

    def chunks(self) -> list[JsonObject]:
        """The chunks of a stream, which must have come to its end."""
        *events, last = self.events()
        assert last == "[DONE]", last
        return [fields(json.loads(event)) for event in events]

    def text(self) -> str:
        """The text of the first choice, whole or joined from the chunks."""
        if self.media_type != EVENT_STREAM:
            return str(fields(_first_choice(self.json())["message"])["content"])
        choices = [_first_choice(chunk) for chunk in self.chunks() if chunk["choices"]]
        return "".join(str(fields(one["delta"]).get("content") or "") for one in choices)

    def receipt(self) -> JsonObject:
        """The ``codeex`` object of a chat's answer."""
        whole = self.json() if self.media_type != EVENT_STREAM else self.chunks()[-1]
        return fields(whole["codeex"])

    def attempts(self) -> list[tuple[str, str]]:
        """Provider and outcome of each attempt of the receipt."""
        lines = items(fields(self.receipt()["routing"])["attempts"])
        return [(str(fields(line)["provider"]), str(fields(line)["outcome"])) for line in lines]


def _first_choice(whole: JsonObject) -> JsonObject:
    return fields(items(whole["choices"])[0])


class RouterClient:
    """Calls the system at ``url`` with ``token`` (None: without one)."""

    def __init__(self, url: str, token: str | None = "dev-alice") -> None:
        self.url = url
        self._host = urlsplit(url).netloc
        self._token = token

    def signed_in_as(self, token: str | None) -> RouterClient:
        """Somebody else at the same address."""
        return RouterClient(self.url, token)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own, with ``more`` headers."""
        headers = {"content-type": "application/json"} if body is not None else {}
        headers |= more or {}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """GET."""
        return self.call("GET", path)

    def post(self, path: str, body: JsonValue, more: Mapping[str, str] | None = None) -> Answer:
        """POST of a JSON body."""
        return self.call("POST", path, json.dumps(body).encode(), more)

    def patch(self, path: str, body: JsonValue) -> Answer:
        """PATCH with a JSON body."""
        return self.call("PATCH", path, json.dumps(body).encode())

    def chat(self, prompt: str = "Hello!", **more: JsonValue) -> Answer:
        """A chat of one user message; ``model`` is auto where ``more`` names none."""
        messages: JsonValue = [{"role": "user", "content": prompt}]
        return self.post("/v1/chat/completions", {"model": "auto", "messages": messages, **more})

    def fault(self, provider: str, kind: str, **more: JsonValue) -> None:
        """Set a fault of a simulated provider."""
        answer = self.post("/sim/faults", {"provider": provider, "kind": kind, **more})
        assert answer.status == 201, answer.body

    def heal(self) -> None:
        """Clear all faults."""
        assert self.call("DELETE", "/sim/faults").status == 200

    def received(self, provider: str) -> list[JsonObject]:
        """What the provider was asked so far, oldest first."""
        listed = self.get(f"/sim/requests?provider={provider}").json()["requests"]
        return [fields(call) for call in items(listed)]
