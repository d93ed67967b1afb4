"""One channel of a streamed answer, whose text leaves only when it has been judged (R2.5, P8).

All offsets are characters from the channel's beginning, so that nothing depends on how the
provider cut its stream: ``sent`` <= ``passed`` <= ``mark`` <= ``end``.
"""

from __future__ import annotations

from shared.messages import JsonObject, JsonValue

# Issue 7, point 2: so many of the last characters that passed stay held until the next verdict or
# the end. What is no longer than this and lies across a verdict is seen whole by the next one
# before any of it has left.
HOLD = 200
# So many characters before the held ones are judged again with them: what a sentence refers to.
CONTEXT = 200
# How far back a border between words is looked for; a longer run without one is cut where it is.
WORD_REACH = 64
# A judged text ends with a sentence where one ends this close.
SENTENCE_REACH = 80
SENTENCE_ENDS = frozenset(".!?…\n。！？")
# From here on (CJK radicals) scripts are written without blanks: every character is a border.
UNSPACED = "\u2e80"


class Channel:
    """Reasoning, content or refusal of one choice, as far as it has not left yet.

    ``closed``: nothing more is expected, so that all of it may leave once all of it has passed.
    """

    __slots__ = (
        "_base",
        "_free",
        "_logprobs",
        "_parts",
        "_text",
        "closed",
        "end",
        "mark",
        "passed",
        "sent",
    )

    def __init__(self, before: str = "") -> None:
        # ``before``: the end of what has left already, written by another model.
        self._text = before
        self._base = 0
        self._parts: list[str] = []
        self._logprobs: list[tuple[int, JsonValue]] = []
        self.sent = self.passed = self.mark = self.end = self._free = len(before)
        self.closed = False

    def add(self, text: str, logprobs: JsonValue = None) -> None:
        """More of it has come; ``logprobs`` is OpenAI's object of that text."""
        self._parts.append(text)
        self.end += len(text)
        if logprobs is not None:
            self._logprobs.append((self.end, logprobs))

    def cut(self, *, sentence: bool) -> str:
        """The text to be judged next, with what comes before it; "" where nothing is new.

        Of a closed channel all of it, else up to a border between words or, where ``sentence`` is
        set and one is near, between sentences.
        """
        text = self._all()
        mark = self.end
        if not self.closed:
            least = max(self.passed, self.end - SENTENCE_REACH)
            mark = self._sentence_end(least) if sentence else 0
            mark = mark or self._border(self.passed, self.end) or self.end
        self.mark = mark
        if mark <= self.passed:
            return ""
        start = max(self._base, self.passed - HOLD - CONTEXT)
        return text[start - self._base : mark - self._base]

    def passes(self) -> None:
        """What was cut may leave, but for the characters that are held."""
        self.passed = self.mark
        most = self.passed - HOLD
        if most > self._free:
            unbroken = most - self._free >= WORD_REACH
            self._free = self._border(self._free, most) or (most if unbroken else self._free)

    def limit(self) -> int:
        """The offset up to which text may leave now."""
        if self.closed and self.passed == self.end:
            return self.end
        return max(self.sent, self._free)

    def piece(self, most: int, *, must: bool) -> int:
        """An offset between words, at most about ``most`` characters on; ``sent`` where the next
        border is farther off. ``must``: there has to be a piece, if need be of half a word."""
        limit = self.limit()
        target = self.sent + max(1, most)
        if target >= limit:
            return limit
        at = self._border(self.sent, target)
        if at or not must:
            return at or self.sent
        return self._border(target, min(limit, target + most)) or target

    def take(self, upto: int) -> tuple[str, JsonValue]:
        """The text up to an offset, which leaves now, with the log probabilities of the provider's
        pieces that have left whole by that."""
        text = self._all()
        out = text[self.sent - self._base : upto - self._base]
        self.sent = upto
        kept = max(self._base, upto - HOLD - CONTEXT)
        self._text, self._base = text[kept - self._base :], kept
        return out, self._told(upto)

    def tail(self) -> str:
        """The last characters that have left, for whoever goes on after them."""
        text = self._all()[: self.sent - self._base]
        return text[-(HOLD + CONTEXT) :]

    def _told(self, upto: int) -> JsonValue:
        if not self._logprobs or self._logprobs[0][0] > upto:
            return None
        joined: dict[str, list[JsonValue]] = {}
        while self._logprobs and self._logprobs[0][0] <= upto:
            _, told = self._logprobs.pop(0)
            for key, values in told.items() if isinstance(told, dict) else ():
                if isinstance(values, list):
                    joined.setdefault(key, []).extend(values)
        whole: JsonObject = {}
        whole.update(joined)
        return whole or None

    def _all(self) -> str:
        if self._parts:
            self._text += "".join(self._parts)
            self._parts.clear()
        return self._text

    def _border(self, after: int, upto: int) -> int:
        """The last border between words in (after, upto]; 0 where there is none near."""
        text, base = self._all(), self._base
        for at in range(upto - base, max(after, upto - WORD_REACH) - base, -1):
            before = text[at - 1]
            if before.isspace() or before >= UNSPACED:
                return at + base
        return 0

    def _sentence_end(self, after: int) -> int:
        """The end of the last sentence that ends after an offset; 0 where none does."""
        text, base = self._all(), self._base
        for at in range(len(text), after - base, -1):
            mark, then = text[at - 1], text[at : at + 1]
            if mark in SENTENCE_ENDS and (mark >= UNSPACED or mark == "\n" or then.isspace()):
                return at + base
        return 0
