"""A running simulator with a client, for contract tests over real sockets."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from local.sim.server import Simulator
from shared.catalog.load import load_catalog
from shared.clock import Clock, SystemClock
from shared.config import RuntimeConfig
from shared.messages import JsonObject, JsonValue
from shared.settings import PROVIDERS

LIMIT = aiohttp.ClientTimeout(total=30)


def at(value: JsonValue, *path: str | int) -> JsonValue:
    """What lies at ``path`` of a JSON value; fails the test where there is nothing."""
    for step in path:
        if isinstance(step, int):
            assert isinstance(value, list), (step, value)
            value = value[step]
        else:
            assert isinstance(value, dict), (step, value)
            value = value[step]
    return value


def items(value: JsonValue) -> list[JsonValue]:
    """The JSON value as a list; fails the test where it is none."""
    assert isinstance(value, list), value
    return value


def fields(value: JsonValue) -> JsonObject:
    """The JSON value as an object; fails the test where it is none."""
    assert isinstance(value, dict), value
    return value


async def eventually(probe: Callable[[], bool], seconds: float = 10.0) -> None:
    """Returns once ``probe`` holds; fails the test when it does not within ``seconds``."""
    for _ in range(int(seconds * 200)):
        if probe():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


@dataclass(slots=True)
class Answer:
    """A whole HTTP answer. Header names are lower case, ``text`` is as it came."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> JsonObject:
        """The body as an object."""
        return fields(json.loads(self.text))

    def events(self, end: str = "\n\n") -> list[str]:
        """The data of each server-sent event."""
        assert self.text.endswith(end)
        return [part.removeprefix("data: ") for part in self.text.split(end) if part]

    def chunks(self) -> list[JsonObject]:
        """The events of an OpenAI stream, which must end in [DONE]."""
        *events, last = self.events()
        assert last == "[DONE]"
        return [json.loads(event) for event in events]


class SimClient:
    """Calls one simulator. Every call carries its provider's kind of key unless told otherwise."""

    def __init__(
        self, sim: Simulator, urls: Mapping[str, str], session: aiohttp.ClientSession
    ) -> None:
        self.sim = sim
        self.urls = urls
        self.session = session

    def headers(self, provider: str, key: str | None = None) -> dict[str, str]:
        """The authentication header of this provider."""
        key = self.sim.key if key is None else key
        if provider == "google":
            return {"x-goog-api-key": key}
        return (
            {"xi-api-key": key} if provider == "elevenlabs" else {"authorization": f"Bearer {key}"}
        )

    async def call(
        self, provider: str, path: str, body: JsonValue = None, *, key: str | None = None
    ) -> Answer:
        """POST ``body``, or GET without one."""
        method = "GET" if body is None else "POST"
        url, headers = self.urls[provider] + path, self.headers(provider, key)
        async with self.session.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, raw.decode("utf-8", "replace"))

    async def chat(
        self, provider: str, model: str, content: JsonValue, **options: JsonValue
    ) -> Answer:
        """A chat completion with one user message."""
        message: JsonObject = {"role": "user", "content": content}
        body: JsonObject = {"model": model, "messages": [message], **options}
        return await self.call(provider, "/chat/completions", body)

    async def generate(
        self, model: str, body: JsonObject, method: str = "generateContent"
    ) -> Answer:
        """A call of Gemini's wire."""
        return await self.call("google", f"/v1beta/models/{model}:{method}", body)


@asynccontextmanager
async def simulation(
    *, clock: Clock | None = None, typical_latency: bool = False
) -> AsyncIterator[SimClient]:
    """All providers simulated, with a client; everything is closed at the end."""
    clock = clock or SystemClock()
    catalog, _ = load_catalog(clock, RuntimeConfig())
    rng = random.Random(7)
    sim = Simulator(PROVIDERS, catalog, clock, rng, typical_latency=typical_latency)
    urls = await sim.start()
    async with aiohttp.ClientSession(timeout=LIMIT) as session:
        try:
            yield SimClient(sim, urls, session)
        finally:
            await sim.stop()
