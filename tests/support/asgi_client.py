"""Calls an ASGI application without a server."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
from starlette.types import ASGIApp, Message

from shared.messages import JsonObject


@dataclass(slots=True)
class AsgiAnswer:
    """What the application sent. Header names are lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> JsonObject:
        """The body as a JSON object."""
        parsed = orjson.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


async def call(
    app: ASGIApp,
    path: str,
    method: str = "GET",
    *,
    query: str = "",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> AsgiAnswer:
    """One request; returns when the application has returned."""
    answer = AsgiAnswer()
    sent = [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "query_string": query.encode(),
        "headers": sent,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer
