"""Replaces personal data by marks such as ``[EMAIL]``, in whole texts and in streams (R18.9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet

from shared.safety.own_values import is_own
from shared.safety.personal import in_piece, suspicious
from shared.safety.personal_common import Budget, Finding
from shared.safety.personal_pieces import pieces
from shared.safety.personal_rules import CONTEXT

NOBODY: frozenset[str] = frozenset()
# From here on a held text is looked at again only when it has grown by an eighth, so that a long
# one that comes in small chunks costs no more than a few looks.
_LONG = 256


def redact(text: str, own: AbstractSet[str] = NOBODY) -> str:
    """``text`` with marks in the place of personal data, but for the values in ``own``."""
    if not suspicious(text):
        return text
    redactor = StreamRedactor(own)
    return redactor.push(text) + redactor.finish()


class StreamRedactor:
    """A text that comes in pieces, redacted: what it lets out joins to ``redact`` of the whole.

    Held back is the last piece alone (``personal_pieces.py``): in prose a word, else up to 192
    characters, a token or private key whole. ``counts``: findings so far by kind. ``mask`` False:
    they are counted, the text stays as it is.
    """

    __slots__ = ("_budget", "_held", "_known", "_next_look", "_own", "counts", "mask")

    def __init__(self, own: AbstractSet[str] = NOBODY, *, mask: bool = True) -> None:
        self.counts: Counter[str] = Counter()
        self.mask = mask
        self._own = own
        self._held = ""
        self._known = 0  # how much of ``_held`` has left already and is context only
        self._next_look = 0
        self._budget = Budget()

    @property
    def held(self) -> int:
        """Characters that have come and not yet left."""
        return len(self._held) - self._known

    def push(self, text: str) -> str:
        """Takes more of the text; returns what may leave of all that has come."""
        self._held += text
        if len(self._held) < self._next_look:
            return ""
        return self._release(final=False)

    def finish(self) -> str:
        """The text has ended; returns the rest."""
        return self._release(final=True)

    def _release(self, *, final: bool) -> str:
        held = self._held
        out: list[str] = []
        done = self._known
        for start, end, key in pieces(held, done, final=final):
            self._clean(held, start, end, in_piece(held, start, end, key, self._budget), out)
            done = end
        kept = max(0, done - CONTEXT)
        self._held, self._known = held[kept:], done - kept
        waiting = len(self._held) - self._known
        self._next_look = len(self._held) + waiting // 8 if waiting > _LONG else 0
        return "".join(out)

    def _clean(
        self, text: str, start: int, end: int, findings: list[Finding], out: list[str]
    ) -> None:
        here = start
        for finding in findings:
            if self._own and is_own(text[finding.start : finding.end], finding.kind, self._own):
                continue
            self.counts[finding.kind] += 1
            if self.mask:
                out += (text[here : finding.start], f"[{finding.kind}]")
                here = finding.end
        out.append(text[here:end])
