"""The personal data screen of one answer, in the mode the configuration names (R18.9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Literal

from shared.safety.redaction import NOBODY, StreamRedactor

Mode = Literal["off", "flag", "redact", "block"]


class PersonalScreen:
    """Screens whole texts and streams of one answer. ``counts``: what was found, by kind.

    ``off`` looks at nothing, ``flag`` counts, ``redact`` puts marks in their place, ``block`` lets
    out what is clean and sets ``blocked`` at the first finding: whoever asked answers
    ``safety_violation`` with the category ``PERSONAL_DATA``, and nothing from the finding on has
    left. ``own`` are the ``own_values`` of the user's texts.
    """

    __slots__ = ("_mode", "_own", "counts")

    def __init__(self, mode: Mode, own: AbstractSet[str] = NOBODY) -> None:
        self.counts: Counter[str] = Counter()
        self._mode = mode
        self._own = own

    @property
    def blocked(self) -> bool:
        """Whether the answer must not be given."""
        return self._mode == "block" and bool(self.counts)

    def whole(self, text: str) -> str:
        """A whole text as it may leave; "" where it is blocked."""
        stream = self.stream()
        passed = stream.push(text) + stream.finish()
        return "" if self.blocked else passed

    def stream(self) -> ScreenedStream:
        """For one channel of a streamed answer (text, reasoning, a tool call's arguments)."""
        return ScreenedStream(self, self._mode, self._own)


class ScreenedStream:
    """One channel: ``push`` returns what may leave now, ``finish`` what was still held.

    In ``block`` mode both return "" from the first finding on; ask the screen's ``blocked``.
    """

    __slots__ = ("_mode", "_redactor", "_screen")

    def __init__(self, screen: PersonalScreen, mode: Mode, own: AbstractSet[str]) -> None:
        self._screen = screen
        self._mode = mode
        self._redactor = StreamRedactor(own, mask=mode != "flag")
        self._redactor.counts = screen.counts

    @property
    def held(self) -> int:
        """Characters that have come and not yet left."""
        return self._redactor.held

    def push(self, text: str) -> str:
        """Takes more of the text; returns what may leave."""
        if self._mode == "off":
            return text
        return self._allowed(self._redactor.push(text))

    def finish(self) -> str:
        """The text has ended; returns the rest."""
        if self._mode == "off":
            return ""
        return self._allowed(self._redactor.finish())

    def _allowed(self, text: str) -> str:
        return "" if self._screen.blocked else text
