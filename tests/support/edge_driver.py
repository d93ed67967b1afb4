"""The whole house without sockets: real edge, pipeline and routing over scripted providers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson
from starlette.types import Message

from shared.app import Services, build_services
from shared.edge.identity import Authenticator, Identity, bearer_token, rejected
from shared.messages import JsonObject
from shared.providers.base import ChatProvider, ProviderCall
from shared.settings import Settings, load_settings
from shared.storage.documents import DocumentStore
from tests.support.fake_provider import OK, Act, FakeProvider, says
from tests.support.open_limits import opened
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock

GROQ = "groq-gpt-oss-120b"
CEREBRAS = "cerebras-gpt-oss-120b"
TOKEN = {"authorization": "Bearer tester"}
NAMES = ("groq", "cerebras", "google", "huggingface")
KEYS = {f"{name.upper()}_API_KEY": "k-" + name * 3 for name in NAMES}
GUARD_OFF = {"ENABLE_SAFETY_GUARD": "false"}
Script = Callable[[ProviderCall, int], Act]


class Anybody:
    """Takes every token for its user's name."""

    async def authenticate(self, authorization: str | None) -> Identity:
        """The user the token names."""
        return Identity(bearer_token(authorization))


class OneUser:
    """Takes the token ``tester`` and nothing else."""

    async def authenticate(self, authorization: str | None) -> Identity:
        """User ``tester``, or ``Unauthenticated``."""
        if bearer_token(authorization) != "tester":
            raise rejected()
        return Identity("tester")


@dataclass
class Lines:
    """Keeps what was logged."""

    data: bytes = b""

    def write(self, data: bytes) -> int:
        """Take a line."""
        self.data += data
        return len(data)

    def json(self) -> list[JsonObject]:
        """Every line."""
        return [orjson.loads(line) for line in self.data.splitlines()]


@dataclass
class Sent:
    """What came back, with the virtual second of each piece."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(piece for _, piece in self.pieces)

    def json(self) -> JsonObject:
        """The body as a JSON object."""
        loaded = orjson.loads(self.body)
        assert isinstance(loaded, dict)
        return loaded

    def error(self) -> JsonObject:
        """The error object."""
        error = self.json()["error"]
        assert isinstance(error, dict)
        return error

    def events(self) -> list[JsonObject]:
        """The JSON of each ``data:`` line but ``[DONE]``."""
        lines = [line for line in self.body.split(b"\n\n") if line.startswith(b"data: ")]
        return [orjson.loads(line[6:]) for line in lines if line != b"data: [DONE]"]


def _judging(script: Script) -> Script:
    """The script, for a model that finds everything safe and simple when it is asked."""

    def act(call: ProviderCall, nth: int) -> Act:
        rules = call.request.messages[0].get("content")
        if isinstance(rules, str) and "content safety classifier" in rules[:200]:
            return Act(chunks=says('{"violation": 0, "confidence": "high"}'))
        if isinstance(rules, str) and "what kind of work" in rules[:200]:
            return Act(chunks=says('{"category": "SIMPLE", "confidence": 0.9, "reason": "short"}'))
        return script(call, nth)

    return act


class House:
    """Services over fake providers, on the running (virtual) loop; ``env`` beside their keys.

    The guard is off unless ``env`` or ``settings`` have it on; then every provider's models judge
    everything safe and simple. Nobody's limit holds, unless there are ``settings``, taken as they
    are, or ``limited``, which keeps the environment's. ``authenticator``: who is let in beside API
    keys (None: ``OneUser``). ``documents``: the store it shares with others, whose ``seed``
    differs. ``own_guards``: the scripts answer as guards too.
    """

    def __init__(
        self,
        scripts: Mapping[str, Script] | None = None,
        authenticator: Authenticator | None = None,
        *,
        settings: Settings | None = None,
        limited: bool = False,
        documents: DocumentStore | None = None,
        seed: int = 7,
        own_guards: bool = False,
        **env: str,
    ) -> None:
        scripts = scripts or {}
        if settings is None:
            settings = load_settings({**KEYS, "PAID_PROVIDERS": "all", **GUARD_OFF, **env})
            settings = settings if limited else opened(settings)
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.lines = Lines()
        self.services: Services = build_services(
            settings,
            authenticator=authenticator or OneUser(),
            clock=self.clock,
            rng=random.Random(seed),
            log_stream=self.lines,
            documents=documents or memory_store(self.clock),
        )
        self.fakes = {
            name: FakeProvider(name, script if own_guards else _judging(script))
            for name in NAMES
            for script in [scripts.get(name, lambda _card, _nth: OK)]
        }
        made: dict[str, ChatProvider] = dict(self.fakes)
        self.services.providers.providers.update(made)

    async def call(
        self,
        path: str,
        body: JsonObject | bytes | None = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] = TOKEN,
        leave_after: float | None = None,
        pieces: int = 1,
        function: str = "chat",
    ) -> Sent:
        """One request; ``leave_after`` (virtual s) is when the client goes away."""
        data = orjson.dumps(body) if isinstance(body, dict) else body or b""
        sent = Sent()
        loop = asyncio.get_running_loop()
        size = max(1, -(-len(data) // pieces))
        parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        gone, begun = asyncio.Event(), loop.time()

        async def receive() -> Message:
            if parts:
                part = parts.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(parts)}
            if leave_after is not None:
                await asyncio.sleep(max(0.0, begun + leave_after - loop.time()))
            else:
                await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.status = message["status"]
                sent.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
            else:
                sent.pieces.append((loop.time(), message.get("body", b"")))
                sent.ended = not message.get("more_body", False)

        scope = {
            "type": "http",
            "method": method or ("GET" if body is None else "POST"),
            "path": path.partition("?")[0],
            "query_string": path.partition("?")[2].encode(),
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers.items()],
        }
        await self.services.app(function)(scope, receive, send)
        return sent

    async def chat(self, text: str = "Hello!", **fields: object) -> Sent:
        """A chat completion; ``fields`` beside model and messages."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return await self.call("/v1/chat/completions", orjson.loads(orjson.dumps(body)))
