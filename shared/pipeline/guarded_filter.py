"""What is taken out of text that the guard has passed, just before it leaves (R18.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from shared.messages import Chunk, JsonObject, JsonValue
from shared.safety.stream_calls import rewritten


class TextFilter(Protocol):
    """Rewrites one text that comes in pieces, of any cut. Either method may raise
    ``SafetyViolation``."""

    def push(self, text: str, /) -> str:
        """What of the text so far may leave now."""
        ...

    def finish(self) -> str:
        """The rest: the text has ended."""
        ...


# A filter for one text.
MakeFilter = Callable[[], TextFilter]


class _Channel(Struct):
    """One text on its way through its filter. ``held``: what went in and has not come out,
    ``told``: the log probabilities of it; ``altered``: something else came out than went in."""

    filter: TextFilter
    held: str = ""
    told: list[JsonValue] = field(default_factory=list)
    altered: bool = False

    def push(self, text: str) -> str:
        return self._compared(text, self.filter.push(text))

    def finish(self) -> str:
        return self._compared("", self.filter.finish())

    def _compared(self, text: str, out: str) -> str:
        whole = self.held + text
        if not whole.startswith(out):
            self.altered = True
        self.held = whole[len(out) :]
        return out

    def probabilities(self, told: JsonValue) -> JsonValue:
        """What may be told of the tokens: nothing from the first word on that was taken out, and
        of what is held nothing yet."""
        if told is not None:
            self.told.append(told)
        if self.altered or self.held or not self.told:
            return None
        joined, self.told = _joined(self.told), []
        return joined


class Filters:
    """The filters of one answer's stream, one for each channel of each choice."""

    __slots__ = ("_channels", "_make")

    def __init__(self, make: MakeFilter) -> None:
        self._make = make
        self._channels: dict[tuple[int, str], _Channel] = {}

    def batch(self, chunks: list[Chunk], *, last: bool) -> list[Chunk]:
        """The chunks as they leave. ``last``: nothing comes after them."""
        out: list[Chunk] = []
        for chunk in chunks:
            index = chunk.index
            if chunk.reasoning:
                out += self._pushed(chunk, "reasoning", chunk.reasoning)
            if chunk.text or chunk.refusal:
                out += self._finished(index, "reasoning")
            if chunk.text:
                out += self._pushed(chunk, "text", chunk.text)
            if chunk.refusal:
                out += self._pushed(chunk, "refusal", chunk.refusal)
            if chunk.tool_calls:
                out += self._ended(index)
                calls = filtered_calls(chunk.tool_calls, self._make)
                out.append(Chunk(index, tool_calls=calls))
            if chunk.finish_reason is not None:
                out += self._ended(index)
            if chunk.finish_reason is not None or chunk.usage is not None:
                out.append(Chunk(index, finish_reason=chunk.finish_reason, usage=chunk.usage))
        if last:
            for index in dict.fromkeys(index for index, _ in self._channels):
                out += self._ended(index)
        return out

    def _pushed(self, chunk: Chunk, kind: str, text: str) -> Iterable[Chunk]:
        key = (chunk.index, kind)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(self._make())
        out = channel.push(text)
        told = channel.probabilities(chunk.logprobs)
        return (_piece(chunk.index, kind, out, told),) if out else ()

    def _finished(self, index: int, kind: str) -> Iterable[Chunk]:
        channel = self._channels.pop((index, kind), None)
        if channel is None:
            return ()
        out = channel.finish()
        return (_piece(index, kind, out, channel.probabilities(None)),) if out else ()

    def _ended(self, index: int) -> list[Chunk]:
        out: list[Chunk] = []
        for kind in ("reasoning", "text", "refusal"):
            out += self._finished(index, kind)
        return out


def filtered(text: str, make: MakeFilter) -> str:
    """A whole text as it leaves."""
    one = make()
    begun = one.push(text)
    return begun + one.finish()


def filtered_calls(calls: Iterable[JsonObject], make: MakeFilter) -> list[JsonObject]:
    """Whole tool calls, with every string of their arguments as it leaves."""
    out: list[JsonObject] = []
    for call in calls:
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if isinstance(function, dict) and isinstance(arguments, str):
            new = rewritten(arguments, lambda text: filtered(text, make))
            call = {**call, "function": {**function, "arguments": new}}
        out.append(call)
    return out


def _piece(index: int, kind: str, text: str, logprobs: JsonValue) -> Chunk:
    chunk = Chunk(index, logprobs=logprobs)
    if kind == "reasoning":
        return replace(chunk, reasoning=text)
    if kind == "refusal":
        return replace(chunk, refusal=text)
    return replace(chunk, text=text)


def _joined(told: list[JsonValue]) -> JsonValue:
    joined: dict[str, list[JsonValue]] = {}
    for one in told:
        for key, values in one.items() if isinstance(one, dict) else ():
            if isinstance(values, list):
                joined.setdefault(key, []).extend(values)
    whole: JsonObject = {}
    whole.update(joined)
    return whole
