"""Events of an OpenAI stream, for tests that script one."""

from __future__ import annotations

import asyncio

from shared.errors import ProviderFailure
from shared.messages import Chunk, Usage
from shared.model import ModelCard
from shared.providers.base import Timeouts
from shared.providers.http import HttpPool
from tests.support.provider_calls import PATIENT, adapter, card, chat_call, until_failure
from tests.support.wire_server import Reply, WireServer, data

USAGE = {"prompt_tokens": 9, "completion_tokens": 3}
DONE = data("[DONE]")
SHORT = Timeouts(first_byte=4.0, stall=6.0, total=50.0)


def event(
    delta: object = None, finish_reason: object = None, index: object = 0, **extra: object
) -> bytes:
    """One chunk event of one choice."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish_reason}
    return data({"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **extra})


ROLE = event({"role": "assistant", "content": ""})
HELLO = event({"content": "Hello"})
WORLD = event({"content": " wörld"})
STOP = event(finish_reason="stop")
USAGE_EVENT = data({"id": "c1", "choices": [], "usage": USAGE})
WHOLE = ROLE + HELLO + WORLD + STOP + USAGE_EVENT + DONE


async def stream(
    reply: Reply,
    provider: str = "groq",
    model: ModelCard | None = None,
    timeouts: Timeouts = PATIENT,
    n: int = 1,
) -> tuple[list[Chunk], ProviderFailure | None, float]:
    """What came, how it failed, and the loop's seconds until then."""
    async with WireServer([reply]) as server:
        pool = HttpPool()
        call = chat_call(model=model or card(provider), n=n)
        start = asyncio.get_running_loop().time()
        chunks, failure = await until_failure(
            adapter(provider, server.url, pool).stream(call, timeouts)
        )
        passed = asyncio.get_running_loop().time() - start
        await pool.close()
        return chunks, failure, passed


async def whole(reply: Reply, provider: str = "groq", n: int = 1) -> list[Chunk]:
    chunks, failure, _ = await stream(reply, provider, n=n)
    assert failure is None, failure
    return chunks


EXPECTED = [
    Chunk(text="Hello"),
    Chunk(text=" wörld"),
    Chunk(finish_reason="stop"),
    Chunk(usage=Usage(9, 3)),
]
