"""One choice of a streamed answer: its channels, its tool calls and its end, in their order."""

from __future__ import annotations

from shared.messages import Chunk, JsonObject, JsonValue
from shared.safety.stream_calls import calls_text, joined_calls
from shared.safety.stream_channel import HOLD, Channel

REASONING, CONTENT, REFUSAL = "reasoning", "text", "refusal"


class Choice:
    """What of one choice has come and not left yet.

    ``ended``: its finish reason has come, or the whole stream has ended.
    """

    __slots__ = (
        "_calls",
        "_channels",
        "_cut_calls",
        "_finish",
        "_free_calls",
        "_since_reasoning",
        "ended",
        "index",
    )

    def __init__(self, index: int, before: str = "") -> None:
        self.index = index
        self.ended = False
        # In the order in which a client is told them.
        self._channels = {REASONING: Channel(), CONTENT: Channel(before), REFUSAL: Channel()}
        self._since_reasoning = 0  # characters of other channels since the last of reasoning
        self._calls: list[JsonObject] = []  # deltas that nobody has judged
        self._cut_calls: list[JsonObject] = []  # joined, under judgement
        self._free_calls: list[JsonObject] = []  # joined, may leave
        self._finish: str | None = None

    def add(self, kind: str, text: str, logprobs: JsonValue) -> None:
        """Text has come."""
        channel, reasoning = self._channels[kind], self._channels[REASONING]
        channel.add(text, logprobs)
        channel.closed = self.ended
        if channel is reasoning:
            self._since_reasoning = 0
        elif not reasoning.closed:
            # Reasoning ends before its choice does: once so much else has come that nothing held
            # of it can go on. Its end would else be told after the whole answer.
            self._since_reasoning += len(text)
            reasoning.closed = self._since_reasoning >= HOLD

    def add_calls(self, deltas: list[JsonObject]) -> None:
        """Pieces of tool calls have come."""
        self._calls += deltas

    def end(self, reason: str | None) -> None:
        """Its end has come; None: the stream's, without a reason."""
        self.ended = True
        self._finish = reason or self._finish
        for channel in self._channels.values():
            channel.closed = True

    @property
    def unjudged(self) -> bool:
        """Whether something has come that no verdict covers."""
        return bool(self._calls) or any(
            channel.end > channel.passed for channel in self._channels.values()
        )

    @property
    def waiting(self) -> bool:
        """Whether something is still to leave."""
        return (
            self.unjudged
            or self._finish is not None
            or bool(self._cut_calls or self._free_calls)
            or self.held() > 0
        )

    def held(self) -> int:
        """How many characters have not left."""
        return sum(channel.end - channel.sent for channel in self._channels.values())

    def gain(self) -> int:
        """About how many characters could leave if all that has come passed now."""
        return sum(
            max(0, channel.end - channel.sent - (0 if channel.closed else HOLD))
            for channel in self._channels.values()
        )

    def cut(self, *, sentence: bool) -> list[str]:
        """The texts to be judged next."""
        texts: list[str] = []
        for channel in self._channels.values():
            text = channel.cut(sentence=sentence)
            if text:
                texts.append(text)
        if self.ended and self._calls:
            self._cut_calls = joined_calls(self._calls)
            self._calls = []
            texts.append(calls_text(self._cut_calls))
        return texts

    def passes(self) -> None:
        """What was cut may leave."""
        for channel in self._channels.values():
            channel.passes()
        self._free_calls += self._cut_calls
        self._cut_calls = []

    def ready(self) -> int:
        """How many characters may leave now."""
        return sum(
            channel.limit() - channel.sent
            for channel in self._channels.values()
            if channel.passed > channel.sent
        )

    def take(self, most: int | None, *, must: bool) -> tuple[list[Chunk], int]:
        """What leaves now, and how many characters it has; ``most``: about so many, None: all
        that may. Tool calls and the end leave after all text."""
        out: list[Chunk] = []
        taken = 0
        for name, channel in self._channels.items():
            if channel.passed <= channel.sent:
                continue
            limit = channel.limit()
            upto = limit if most is None else channel.piece(most - taken, must=must and not out)
            if upto > channel.sent:
                taken += upto - channel.sent
                text, logprobs = channel.take(upto)
                out.append(_chunk(self.index, name, text, logprobs))
            if upto < limit or (most is not None and taken >= most):
                return out, taken
        if self.ended and not self.unjudged and not self._cut_calls:
            if self._free_calls:
                out.append(Chunk(self.index, tool_calls=self._free_calls))
                self._free_calls = []
            if self._finish is not None:
                out.append(Chunk(self.index, finish_reason=self._finish))
                self._finish = None
        return out, taken

    def tail(self) -> str:
        """The last characters of content that have left."""
        return self._channels[CONTENT].tail()


def _chunk(index: int, name: str, text: str, logprobs: JsonValue) -> Chunk:
    if name == REASONING:
        return Chunk(index, reasoning=text, logprobs=logprobs)
    if name == REFUSAL:
        return Chunk(index, refusal=text, logprobs=logprobs)
    return Chunk(index, text, logprobs=logprobs)
