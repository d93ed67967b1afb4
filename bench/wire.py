"""CPU of the OpenAI wire alone: ``python -m bench.wire [--calls N]``.

A provider of no latency (``bench.upstream``) answers in a process of its own; here the adapter and,
beside it, bare aiohttp make the same calls on one loop, and the CPU time of this process is read.
What the two differ by is what the wire costs: writing the request, clocks, reading, checking.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson
import uvloop

from shared.messages import ChatRequest, JsonObject
from shared.model import Capability, Feature, ModelCard
from shared.providers.base import ProviderCall, Timeouts
from shared.providers.groq import groq
from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_stream import ChatStreamDecoder
from shared.settings import ProviderSettings

AT_ONCE = 16
TOKENS = 64
LONG = 1024
TIMEOUTS = Timeouts(first_byte=4.0, stall=6.0, total=50.0)
CARD = ModelCard(
    id="bench",
    name="Bench",
    provider="groq",
    provider_model_id="openai/gpt-oss-120b",
    capabilities=frozenset({Capability.TEXT}),
    source="bench",
    free_tier="quota",
    features=frozenset(Feature),
)
MESSAGES: list[JsonObject] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Write sixty-four words about the sea. " * 5},
]

Call = Callable[[], Awaitable[None]]


def provider_call(tokens: int) -> ProviderCall:
    """A call that asks for ``tokens`` words."""
    body: JsonObject = {"model": "bench", "messages": list(MESSAGES), "temperature": 0.2}
    return ProviderCall(CARD, ChatRequest(body, "bench", MESSAGES, 60, max_tokens=tokens))


async def wait_for(port: int) -> None:
    """Until the upstream listens."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise SystemExit("the upstream did not start")


async def cpu_us(call: Call, calls: int) -> float:
    """CPU microseconds of this process per call, ``AT_ONCE`` at a time; the best of three."""

    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    async def round_of(count: int) -> None:
        await asyncio.gather(*(worker(count // AT_ONCE) for _ in range(AT_ONCE)))

    await round_of(AT_ONCE * 10)
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        await round_of(calls)
        best = min(best, (time.process_time() - start) / (calls // AT_ONCE * AT_ONCE) * 1e6)
    return best


def decoder_us(profile: OpenAIProfile, events: int) -> float:
    """CPU microseconds per event of the stream decoder alone, one event a read."""
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "openai/gpt-oss-120b",
        "choices": [{"index": 0, "delta": {"content": "token "}, "finish_reason": None}],
    }
    data = b"data: " + orjson.dumps(chunk) + b"\n\n"
    decoder = ChatStreamDecoder(profile, provider_call(TOKENS), {})
    start = time.process_time()
    for _ in range(events):
        decoder.feed(data)
    return (time.process_time() - start) / events * 1e6


async def measure(calls: int, port: int) -> None:
    """Print the figures of calls to the upstream on ``port``."""
    settings = ProviderSettings("groq", f"http://127.0.0.1:{port}/v1", "gsk_bench", "live")
    pool, bare_pool = HttpPool(), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    own = groq(settings, pool, time.time)
    url = f"http://127.0.0.1:{port}/v1/chat/completions"

    async def plain() -> None:
        await own.complete(provider_call(TOKENS), TIMEOUTS)

    async def bare() -> None:
        body = orjson.dumps({"model": "bench", "messages": MESSAGES, "max_tokens": TOKENS})
        async with bare_pool.post(url, data=body) as response:
            await response.read()

    def stream(tokens: int) -> Call:
        async def run() -> None:
            async for _ in own.stream(provider_call(tokens), TIMEOUTS):
                pass

        return run

    def bare_stream(tokens: int) -> Call:
        async def run() -> None:
            body = orjson.dumps({"messages": MESSAGES, "max_tokens": tokens, "stream": True})
            async with bare_pool.post(url, data=body) as response:
                async for _ in response.content.iter_any():
                    pass

        return run

    try:
        await wait_for(port)
        plain_us, bare_us = await cpu_us(plain, calls), await cpu_us(bare, calls)
        short_us, long_us = (
            await cpu_us(stream(TOKENS), calls),
            await cpu_us(stream(LONG), calls // 8),
        )
        bare_short_us = await cpu_us(bare_stream(TOKENS), calls)
        decode_us = decoder_us(OpenAIProfile(settings, time.time), calls * 20)
    finally:
        await pool.close()
        await bare_pool.close()
    print(f"plain call, wire                {plain_us:7.1f} us CPU")
    print(f"plain call, bare aiohttp        {bare_us:7.1f} us CPU")
    print(f"stream of {TOKENS} tokens, wire        {short_us:7.1f} us CPU")
    print(f"stream of {TOKENS} tokens, bare        {bare_short_us:7.1f} us CPU")
    print(f"each further token, wire        {(long_us - short_us) / (LONG - TOKENS):7.2f} us CPU")
    print(f"an event alone, decoder         {decode_us:7.2f} us CPU")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4000, help="calls per measurement")
    calls: int = parser.parse_args().calls
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    upstream = subprocess.Popen([sys.executable, "-m", "bench.upstream", str(port)])
    try:
        uvloop.run(measure(calls, port))
    finally:
        upstream.terminate()
        upstream.wait()


if __name__ == "__main__":
    main()
