"""The window in which a streamed answer waits for its verdicts (R2.5, R23; P8).

Pure: provider's chunks go in, texts to be judged and chunks that may leave come out. It knows
neither guard nor time.

1. What comes is added to the channels of its choice (``add``).
2. When enough of it is new (``due``), a text to be judged is cut (``cut``).
3. Safe: all of it but the last 200 characters may leave (``passes``, ``take``); those are judged
   again with what follows. At the end of a choice everything is judged and leaves.
"""

from __future__ import annotations

from shared.messages import Chunk, Usage
from shared.safety.stream_choice import CONTENT, REASONING, REFUSAL, Choice
from shared.tokens import estimate_tokens

# The first verdict is asked for when it would free so many characters: with the 200 that stay
# held that is about the 70th token, so that text leaves by the 80th (issue 7).
FIRST_GAIN = 80
# Where tokens are short: after so many, if there is anything to gain.
FIRST_TOKENS, FIRST_GAIN_SHORT = 68, 24
# New tokens from one verdict to the next, growing: guard calls are scarce. With the first and the
# last one counted in, an answer of 600 tokens takes 4 calls, longer ones fewer than 1 per 150.
STEPS = (160, 260, 320)
CHARS_PER_TOKEN = 4.0
# Providers send a token a piece, mostly; longer pieces hold several.
LONGEST_TOKEN = 12


class StreamWindow:
    """What of one request's answer has come and not left; for ``choices`` choices.

    ``usage``: the last that a provider told of the stream under way. ``fresh``: tokens that have
    come since the last cut, estimated. ``held``: characters that have come and not left.
    """

    __slots__ = (
        "_any_ended",
        "_chars",
        "_choices",
        "_cuts",
        "_heard",
        "_left",
        "_number",
        "_pieces",
        "_quiet",
        "_usage_due",
        "held",
        "over",
        "usage",
    )

    def __init__(self, choices: int) -> None:
        self._number = choices
        self._choices: dict[int, Choice] = {}
        self._left = False
        self._cuts = 0
        self.begin(quiet=False)

    def begin(self, *, quiet: bool) -> None:
        """Another model's stream begins; what was held of the last one is forgotten. ``quiet``:
        its reasoning is dropped, the client has had another's."""
        first = self._choices.get(0)
        self._choices = {}
        if self._left and first is not None:
            self._choices[0] = Choice(0, first.tail())
        if not self._left:
            self._cuts = 0
        self._quiet = quiet
        self._heard: list[str] = []
        self._chars = self._pieces = 0
        self._usage_due = self._any_ended = False
        self.held = 0
        self.usage: Usage | None = None
        self.over = False

    def add(self, batch: list[Chunk]) -> None:
        """What a provider sent."""
        for chunk in batch:
            index = chunk.index
            if chunk.text:
                self._add(index, CONTENT, chunk.text, chunk)
            if chunk.reasoning and self._quiet:
                self._heard.append(chunk.reasoning)
            elif chunk.reasoning:
                self._add(index, REASONING, chunk.reasoning, chunk)
            if chunk.refusal:
                self._add(index, REFUSAL, chunk.refusal, chunk)
            if chunk.tool_calls:
                self._choice(index).add_calls(chunk.tool_calls)
            if chunk.finish_reason:
                self._choice(index).end(chunk.finish_reason)
                self._any_ended = True
            if chunk.usage is not None:
                self.usage = chunk.usage
                self._usage_due = True

    def close(self) -> None:
        """The provider's stream has ended."""
        self.over = self._any_ended = True
        for choice in self._choices.values():
            choice.end(None)

    @property
    def complete(self) -> bool:
        """Whether every choice has had its end."""
        ended = sum(1 for choice in self._choices.values() if choice.ended)
        return ended >= self._number

    @property
    def fresh(self) -> float:
        """Tokens that have come since the last cut."""
        tokens = self._chars / CHARS_PER_TOKEN
        return min(tokens, self._pieces) if self._chars <= LONGEST_TOKEN * self._pieces else tokens

    @property
    def step(self) -> float:
        """New tokens after which the next verdict is due."""
        return STEPS[min(max(0, self._cuts - 1), len(STEPS) - 1)]

    @property
    def due(self) -> bool:
        """Whether a text is to be judged now."""
        if self._cuts:
            if self.fresh >= self.step:
                return True
        elif self._pieces:
            gain = sum(choice.gain() for choice in self._choices.values())
            if gain >= FIRST_GAIN or (gain >= FIRST_GAIN_SHORT and self._pieces >= FIRST_TOKENS):
                return True
        return self._any_ended and any(
            choice.ended and choice.unjudged for choice in self._choices.values()
        )

    def cut(self) -> str:
        """All that is to be judged now, as one text; blank where it says nothing."""
        texts: list[str] = []
        for choice in self._choices.values():
            texts += choice.cut(sentence=self._cuts > 0)
        self._cuts += 1
        self._chars = self._pieces = 0
        return "\n\n".join(texts)

    def passes(self) -> None:
        """What was cut last is safe."""
        for choice in self._choices.values():
            choice.passes()

    @property
    def ready(self) -> int:
        """How many characters may leave now."""
        return sum(choice.ready() for choice in self._choices.values())

    def take(self, most: int | None = None, *, must: bool = False) -> list[Chunk]:
        """What leaves now: all that may, or pieces of about ``most`` characters, cut between
        words. ``must``: something has to leave, if need be half a word."""
        out: list[Chunk] = []
        for choice in self._choices.values():
            chunks, taken = choice.take(most, must=must and not out)
            out += chunks
            self.held -= taken
            if most is not None:
                most -= taken
                if most <= 0:
                    break
        if self.over and self._usage_due and not self.waiting:
            self._usage_due = False
            out.append(Chunk(usage=self.usage))
        self._left = self._left or bool(out)
        return out

    @property
    def waiting(self) -> bool:
        """Whether something is still to be judged or to leave."""
        return any(choice.waiting for choice in self._choices.values())

    @property
    def ending(self) -> bool:
        """Whether a choice has ended that has not left whole."""
        return self._any_ended and any(
            choice.ended and choice.waiting for choice in self._choices.values()
        )

    def own_tokens(self) -> int:
        """Estimated tokens of all text that has come of the stream under way; 0 if none has."""
        heard = "".join(self._heard)
        return estimate_tokens(heard) if heard else 0

    def _add(self, index: int, kind: str, text: str, chunk: Chunk) -> None:
        rides = kind == CONTENT or not chunk.text
        self._choice(index).add(kind, text, chunk.logprobs if rides else None)
        self._heard.append(text)
        self._chars += len(text)
        self.held += len(text)
        self._pieces += 1

    def _choice(self, index: int) -> Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index)
        return choice
