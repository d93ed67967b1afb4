"""The gate of a stream that no guard judges but the personal data screen looks at (R18.9)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from msgspec.structs import replace

from shared.messages import Chunk, JsonObject, Usage
from shared.pipeline.guarded_filter import Filters, MakeFilter
from shared.routing.opening import close
from shared.safety.stream_calls import joined_calls
from shared.tokens import estimate_tokens


class ScreeningGate:
    """The gate of one request's stream (``routing.ports.Gate``): text leaves as it comes, through
    its filter. Tool calls wait whole for the end of their choice, as filters take them whole."""

    __slots__ = ("_calls", "_filters", "_heard", "_usage")

    def __init__(self, make_filter: MakeFilter) -> None:
        self._filters = Filters(make_filter)
        self._calls: dict[int, list[JsonObject]] = {}
        self._heard: list[str] = []
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage | None:
        """See ``Gate.usage``."""
        return self._usage

    def own_tokens(self) -> int:
        """See ``Gate.own_tokens``."""
        heard = "".join(self._heard)
        return estimate_tokens(heard) if heard else 0

    async def through(
        self, first: list[Chunk], source: AsyncIterator[list[Chunk]] | None, *, quiet: bool
    ) -> AsyncGenerator[list[Chunk], None]:
        """See ``Gate.through``; reasoning that is not to be told is dropped by the executor."""
        self._calls.clear()
        self._heard.clear()
        self._usage = None
        try:
            yield self._whole_calls(first)
            if source is not None:
                async for batch in source:
                    yield self._whole_calls(batch)
            yield [joined for index in list(self._calls) for joined in self._joined(index)]
        finally:
            await close(source)

    def filtered(self, batch: list[Chunk], *, last: bool = False) -> list[Chunk]:
        """See ``Gate.filtered``."""
        return self._filters.batch(batch, last=last)

    def _whole_calls(self, batch: list[Chunk]) -> list[Chunk]:
        out: list[Chunk] = []
        for chunk in batch:
            if chunk.text:
                self._heard.append(chunk.text)
            self._usage = chunk.usage or self._usage
            if chunk.tool_calls:
                self._calls.setdefault(chunk.index, []).extend(chunk.tool_calls)
                chunk = replace(chunk, tool_calls=None)
            if chunk.finish_reason is not None:
                out += self._joined(chunk.index)
            if chunk.meaningful or chunk.usage is not None:
                out.append(chunk)
        return out

    def _joined(self, index: int) -> list[Chunk]:
        deltas = self._calls.pop(index, None)
        return [Chunk(index, tool_calls=joined_calls(deltas))] if deltas else []
