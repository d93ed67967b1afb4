"""What an instance remembers of one model: how often it is asked, and that it is full."""

from __future__ import annotations

import math

from msgspec import Struct, field

from shared.limits.quota_grant import Waiting
from shared.limits.quota_limits import CardLimits
from shared.limits.quota_state import NOTHING, Amount
from shared.permits import NONE_ALLOWED, TOO_LARGE, Refusal

# Seconds over which the rate of requests is smoothed: about one lease.
SMOOTHING_S = 10.0
# Requests expected of a model that is asked in pairs: two, the second of which may be longer.
PAIR = 2.5
# Rates over less than this (seconds) mean nothing.
SHORTEST_S = 0.2


class _Wall(Struct):
    """Requests of at least so many tokens and characters are refused until the refusal's end."""

    tokens: int
    characters: int
    refusal: Refusal


class ModelDesk(Struct):
    """One model at one instance. Times are monotonic seconds."""

    limits: CardLimits
    asked: int = 0
    asked_tokens: int = 0
    asked_characters: int = 0
    rate: float = 0.0  # requests a second
    mean_tokens: float = 0.0
    mean_characters: float = 0.0
    closed: Refusal | None = None
    used_share: float = 0.0
    share_until: float = -math.inf
    told: dict[str, float] = field(default_factory=dict)  # dimension -> when last compared
    _most: Amount = NOTHING
    _most_for_bulk: Amount = NOTHING
    _full: _Wall | None = None
    _full_for_bulk: _Wall | None = None

    def relimit(self, limits: CardLimits, most: Amount, most_for_bulk: Amount) -> None:
        """These limits hold, under which one request may cost so much."""
        self.limits = limits
        self._most, self._most_for_bulk = most, most_for_bulk
        self._full = self._full_for_bulk = None
        self.share_until = -math.inf

    def refusal(self, now: float, tokens: int, characters: int, bulk: bool) -> Refusal | None:
        """The refusal that is known without asking the store."""
        if self.closed is not None and now < self.closed.until:
            return self.closed
        most = self._most_for_bulk if bulk else self._most
        if most.requests < 1 or most.tokens < 1 <= tokens or most.characters < 1 <= characters:
            return NONE_ALLOWED
        if tokens > most.tokens or characters > most.characters:
            return TOO_LARGE
        wall = self._full_for_bulk if bulk else self._full
        if (
            wall is not None
            and now < wall.refusal.until
            and tokens >= wall.tokens
            and characters >= wall.characters
        ):
            return wall.refusal
        return None

    def remember(self, refusal: Refusal, waiting: Waiting) -> None:
        """Refuse what costs as much or more without looking, until then."""
        wall = _Wall(waiting.cost.tokens, waiting.cost.characters, refusal)
        if waiting.bulk:
            self._full_for_bulk = wall
        else:
            self._full = wall

    def ahead(self, seconds: float, *, in_pairs: bool) -> float:
        """Requests expected in so many seconds."""
        expected = float(round(self.rate * seconds))
        return max(PAIR, expected) if in_pairs else expected

    def measure(self, elapsed: float) -> None:
        """Take in what was asked over ``elapsed`` seconds, at least ``SHORTEST_S``."""
        weight = elapsed / (elapsed + SMOOTHING_S)
        self.rate += weight * (self.asked / elapsed - self.rate)
        if self.asked:
            self.mean_tokens = _smooth(self.mean_tokens, self.asked_tokens / self.asked)
            self.mean_characters = _smooth(self.mean_characters, self.asked_characters / self.asked)
        self.asked = self.asked_tokens = self.asked_characters = 0


def _smooth(old: float, new: float) -> float:
    """The newest costs tell most: a lease is for the requests of the next seconds."""
    return 0.5 * (old + new) if old else new
