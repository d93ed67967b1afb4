"""A scriptable ``ChatProvider`` on virtual time: it keeps to its timeouts as adapters must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from shared.errors import FirstByteTimeout, ProviderFailure, StreamCut, StreamStalled
from shared.messages import ChatResult, Chunk, JsonObject, Usage
from shared.model import ModelCard
from shared.providers.base import EmbeddingResult, ProviderCall, Timeouts
from shared.providers.collect import Collector


@dataclass(frozen=True)
class Act:
    """What one call does.

    ``delay`` seconds pass before the first sign (inf: silence). Then comes ``failure``, or the
    ``chunks``, ``gap`` seconds apart. After ``break_after`` chunks (None: never) a stream raises
    ``broken`` (None: goes silent). ``deaf``: keeps to no timeout at all.
    """

    delay: float = 0.0
    failure: Callable[[], ProviderFailure] | None = None
    chunks: Sequence[Chunk] = (
        Chunk(text="Hel"),
        Chunk(text="lo"),
        Chunk(finish_reason="stop"),
        Chunk(usage=Usage(7, 3)),
    )
    gap: float = 0.0
    break_after: int | None = None
    broken: Callable[[], ProviderFailure] | None = None
    deaf: bool = False


OK = Act()
SILENT = Act(delay=float("inf"))


def fails(kind: type[ProviderFailure], delay: float = 0.0, **hints: float | str | int) -> Act:
    """A call that fails with ``kind``; ``hints`` are wait_s, window, status or param."""

    def make() -> ProviderFailure:
        failure = kind("scripted failure", provider="fake")
        for name, value in hints.items():
            setattr(failure, name, value)
        return failure

    return Act(delay=delay, failure=make)


def says(*pieces: str, finish: str = "stop", usage: Usage | None = None) -> tuple[Chunk, ...]:
    """The chunks of a text answer."""
    return (
        *(Chunk(text=piece) for piece in pieces),
        Chunk(finish_reason=finish),
        Chunk(usage=usage or Usage(7, 3)),
    )


@dataclass
class Asked:
    """One call that reached the provider. ``ended`` (monotonic s) however it ended."""

    model: str
    at: float
    timeouts: Timeouts
    streamed: bool
    messages: list[JsonObject] | None
    ended: float | None = None
    cancelled: bool = False


@dataclass
class FakeProvider:
    """Answers by ``script(call, nth call to that model)``; ``asked`` keeps every call."""

    name: str
    script: Callable[[ProviderCall, int], Act]
    asked: list[Asked] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  # model ids; may be shared between providers

    def _begin(self, call: ProviderCall, timeouts: Timeouts, streamed: bool) -> tuple[Act, Asked]:
        nth = sum(1 for asked in self.asked if asked.model == call.card.id)
        now = asyncio.get_running_loop().time()
        asked = Asked(call.card.id, now, replace(timeouts), streamed, call.messages)
        self.asked.append(asked)
        self.log.append(call.card.id)
        return self.script(call, nth), asked

    async def _first_sign(self, act: Act, timeouts: Timeouts) -> None:
        patience = min(timeouts.first_byte, timeouts.total)
        if act.deaf:
            await asyncio.sleep(min(act.delay, 1e6))
        elif act.delay > patience:
            await asyncio.sleep(patience)
            raise FirstByteTimeout("no sign in time", provider=self.name)
        elif act.delay:
            await asyncio.sleep(act.delay)
        if act.failure is not None:
            raise act.failure()

    async def complete(self, call: ProviderCall, timeouts: Timeouts) -> ChatResult:
        """A whole answer, as scripted."""
        act, asked = self._begin(call, timeouts, False)
        try:
            await self._first_sign(act, timeouts)
            if act.break_after is not None:
                raise StreamCut("the body broke off", provider=self.name)
            return _joined(act.chunks)
        except asyncio.CancelledError:
            asked.cancelled = True
            raise
        finally:
            asked.ended = asyncio.get_running_loop().time()

    async def stream(
        self, call: ProviderCall, timeouts: Timeouts
    ) -> AsyncGenerator[list[Chunk], None]:
        """The scripted chunks, a batch each."""
        act, asked = self._begin(call, timeouts, True)
        loop = asyncio.get_running_loop()
        end = loop.time() + timeouts.total
        finished = False
        try:
            await self._first_sign(act, timeouts)
            for place, chunk in enumerate(act.chunks):
                if place == act.break_after:
                    await self._break(act, timeouts, end)
                if place and act.gap:
                    await asyncio.sleep(max(0.0, min(act.gap, timeouts.stall, end - loop.time())))
                    if act.gap > timeouts.stall or loop.time() >= end:
                        raise StreamStalled("silence", provider=self.name)
                yield [chunk]
            if act.break_after is not None and act.break_after >= len(act.chunks):
                await self._break(act, timeouts, end)
            finished = True
        finally:
            asked.cancelled = not finished
            asked.ended = loop.time()

    async def _break(self, act: Act, timeouts: Timeouts, end: float) -> None:
        if act.broken is not None:
            raise act.broken()
        left = end - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, min(timeouts.stall, left)))
        raise StreamStalled("silence", provider=self.name)

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        """No vectors."""
        return EmbeddingResult([], 0)

    async def list_models(self, timeouts: Timeouts) -> list[str]:
        """No models."""
        return []


def _joined(chunks: Iterable[Chunk]) -> ChatResult:
    collector = Collector()
    collector.add(chunks)
    result = collector.result()
    return replace(result, usage=replace(result.usage))
