"""When a caller has become suspicious (R18.12), as figures that grow with incidents and fade.

Pure arithmetic on one caller's record; who keeps it is ``abuse.py``. Times are Unix seconds.
"""

from __future__ import annotations

from enum import StrEnum
from math import floor, pow
from typing import Final

from msgspec import Struct

from shared.storage.values import Data


class Incident(StrEnum):
    """What makes a caller suspicious when it is repeated (R18.12, decision)."""

    LIMIT_HIT = "limit_hit"  # asked on although the caller's own limit was reached
    VIOLATION = "violation"  # input that the guard refused
    INJECTION = "injection"  # an attempt to override the instructions, recognised as such


# A refused request costs the house next to nothing, and well-meant clients make some: the official
# SDKs try a 429 again twice, a page may ask for everything at once. Of these it takes two hundred.
# Nobody writes five unsafe prompts or four injections within minutes by mistake.
WEIGHTS: Final = {Incident.LIMIT_HIT: 0.5, Incident.VIOLATION: 20.0, Incident.INJECTION: 25.0}
THRESHOLD = 100.0
# With 300 s a script that asks at three times its limit of 10 a minute without a pause stays at 72
# for good, and one at five times its limit is blocked after nine minutes.
HALF_LIFE_S = 300.0
# Contract, Identity: a block ends by itself after 15 minutes. R18.12: a token is good for 10.
BLOCK_S = 900.0
CLEARED_S = 600.0


class Standing(Struct, frozen=True):
    """One caller's record. ``score`` is as of ``at``; ``blocked_at`` is when the latest block
    began."""

    score: float = 0.0
    at: float = 0.0
    blocked_at: float = 0.0
    blocked_until: float = 0.0
    cleared_until: float = 0.0

    def score_at(self, now: float) -> float:
        """What is left of the score. A clock that went back lets nothing grow."""
        return faded(self.score, max(0.0, now - self.at))

    def blocked(self, now: float) -> bool:
        """Whether the caller has to show an App Check token."""
        return self.cleared_until <= now < self.blocked_until

    def after(self, weight: float, now: float) -> Standing:
        """The record with incidents of that weight more. At the threshold a block begins, unless
        one is in force."""
        score = self.score_at(now) + weight
        if score < THRESHOLD or self.blocked(now):
            return Standing(score, now, self.blocked_at, self.blocked_until, self.cleared_until)
        return Standing(score, now, now, now + BLOCK_S)

    def cleared(self, now: float) -> Standing:
        """The record once a token was shown: the score begins anew, and what of the block is left
        after ten minutes holds again."""
        return Standing(0.0, now, self.blocked_at, self.blocked_until, now + CLEARED_S)

    def stored(self) -> dict[str, float]:
        """As it is kept."""
        values = (self.score, self.at, self.blocked_at, self.blocked_until, self.cleared_until)
        return dict(zip(_FIELDS, values, strict=True))

    def is_fresh(self, issued: float) -> bool:
        """Whether a token of that second was issued after the block began."""
        return issued >= floor(self.blocked_at)


_FIELDS: Final = ("score", "at", "blocked_at", "blocked_until", "cleared_until")


def faded(score: float, seconds: float) -> float:
    """What is left of a score after that time."""
    return score * pow(0.5, seconds / HALF_LIFE_S)


def standing_of(data: Data) -> Standing:
    """A stored record; what is no number counts as 0."""
    return Standing(*(_number(data, name) for name in _FIELDS))


def _number(data: Data, name: str) -> float:
    value = data.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0
