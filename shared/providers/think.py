"""Telling a model's thoughts from its text where a server mixes the two.

Some servers leave the thoughts in the text, between ``<think>`` and ``</think>`` at its very
beginning. Marks anywhere else are text: a model may well be asked about them.
"""

from __future__ import annotations

from typing import NamedTuple

_OPEN = "<think>"
_CLOSE = "</think>"


class Split(NamedTuple):
    """What one piece added."""

    reasoning: str
    text: str


class ThinkSplitter:
    """Feed it the text of one choice piece by piece; the marks may be split between pieces."""

    __slots__ = ("_held", "_state", "settled")

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""
        # True once everything that follows is text: there is no need to ask again.
        self.settled = False

    def feed(self, piece: str) -> Split:
        """What is known to be thought and text after ``piece``."""
        if self.settled:
            return Split("", piece)
        held = self._held + piece
        reasoning = ""
        if self._state == "start":
            begun = held.lstrip()
            if len(begun) < len(_OPEN) and _OPEN.startswith(begun):
                self._held = held
                return Split("", "")
            if not begun.startswith(_OPEN):
                self._settle()
                return Split("", held)
            self._state = "thinking"
            held = begun[len(_OPEN) :].lstrip("\n")
        if self._state == "thinking":
            reasoning, closed, held = self._thoughts(held)
            if not closed:
                return Split(reasoning, "")
            self._state = "after"
        # The blank lines between thoughts and answer belong to neither.
        text = held.lstrip()
        self._held = ""
        if text:
            self._settle()
        return Split(reasoning, text)

    def end(self) -> Split:
        """What was held back in case a mark would follow."""
        held, state = self._held, self._state
        self._settle()
        return Split(held, "") if state == "thinking" else Split("", held)

    def _thoughts(self, held: str) -> tuple[str, bool, str]:
        """Thoughts, whether they ended, and what comes behind; a possible half mark is held."""
        reasoning, closed, rest = held.partition(_CLOSE)
        if closed:
            return reasoning.rstrip("\n"), True, rest
        keep = next(
            (size for size in range(len(_CLOSE) - 1, 0, -1) if held.endswith(_CLOSE[:size])), 0
        )
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False, ""

    def _settle(self) -> None:
        self._state = "text"
        self._held = ""
        self.settled = True


def split_whole(text: str) -> Split:
    """Thoughts and text of a whole answer."""
    if not text.lstrip().startswith(_OPEN):
        return Split("", text)
    splitter = ThinkSplitter()
    first, last = splitter.feed(text), splitter.end()
    return Split(first.reasoning + last.reasoning, first.text + last.text)
