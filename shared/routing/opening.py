"""One attempt as a call: fetched whole, or opened as a stream up to its first meaningful event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from msgspec import Struct

from shared.errors import StreamCut
from shared.messages import ChatResult, Chunk
from shared.providers.collect import as_stream, collect
from shared.routing.running import Running


class Opened(Struct):
    """A stream that a model surely answers. ``source`` is None where all of it is ``first``."""

    running: Running
    first: list[Chunk]
    source: AsyncIterator[list[Chunk]] | None


async def fetch(running: Running) -> ChatResult:
    """A whole answer, by whichever way notices silence earlier. Raises ``ProviderFailure``."""
    if running.streams:
        return await collect(running.provider.stream(running.call, running.timeouts))
    return await running.provider.complete(running.call, running.timeouts)


async def open_stream(running: Running) -> Opened:
    """A stream whose first meaningful event has come.

    Raises the ``ProviderFailure`` it ends in before that; the provider's stream is closed then.
    """
    if not running.streams:
        result = await running.provider.complete(running.call, running.timeouts)
        return Opened(running, as_stream(result), None)
    source = running.provider.stream(running.call, running.timeouts)
    held: list[Chunk] = []
    answering = False
    try:
        async for batch in source:
            held = held + batch if held else batch
            answering = any(chunk.meaningful for chunk in batch)
            if answering:
                return Opened(running, held, source)
            for chunk in batch:
                running.usage = chunk.usage or running.usage
        raise StreamCut(
            f"{running.card.provider} ended its stream without an answer",
            provider=running.card.provider,
        )
    finally:
        if not answering:
            await close(source)


async def close(source: AsyncIterator[list[Chunk]] | None) -> None:
    """Abort a provider's stream now (R23.8)."""
    if isinstance(source, AsyncGenerator):
        await source.aclose()
