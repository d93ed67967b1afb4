"""How much of its limits each model has used, by this instance's own counters (R4.9, R6.9).

Exact counts in one-second buckets: a request counts until the second it fell into lies 60 s back,
so the sliding minute is never undercounted. Days are UTC days.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.clock import Clock
from shared.messages import JsonObject
from shared.model import Limits, ModelCard

WINDOW_S = 60
DAY_S = 86_400


@dataclass(slots=True)
class _Counter:
    """Requests and tokens of one model or provider. ``buckets`` hold [second, requests, tokens]."""

    buckets: deque[list[int]] = field(default_factory=deque)
    minute_requests: int = 0
    minute_tokens: int = 0
    day: int = -1
    day_requests: int = 0
    day_tokens: int = 0

    def turn(self, second: int, day: int) -> None:
        """Let go of what has left the minute and the day."""
        buckets = self.buckets
        while buckets and buckets[0][0] <= second - WINDOW_S - 1:
            _, requests, tokens = buckets.popleft()
            self.minute_requests -= requests
            self.minute_tokens -= tokens
        if day != self.day:
            self.day, self.day_requests, self.day_tokens = day, 0, 0

    def add(self, second: int, requests: int, tokens: int) -> None:
        """Count into the current second."""
        if not self.buckets or self.buckets[-1][0] != second:
            self.buckets.append([second, 0, 0])
        bucket = self.buckets[-1]
        bucket[1] += requests
        bucket[2] += tokens
        self.minute_requests += requests
        self.minute_tokens += tokens
        self.day_requests += requests
        self.day_tokens += tokens

    def share(self, limits: Limits) -> float:
        """The largest used share over the dimensions that are limited, in [0, 1]."""
        worst = 0.0
        for used, limit in (
            (self.minute_requests, limits.rpm),
            (self.day_requests, limits.rpd),
            (self.minute_tokens, limits.tpm),
            (self.day_tokens, limits.tpd),
        ):
            if limit is not None:
                part = used / limit if limit > 0 else 1.0
                if part > worst:
                    worst = part
        return min(1.0, worst)


@dataclass(frozen=True, slots=True)
class Used:
    """Counts of one model or provider: the last 60 s and the UTC day."""

    minute_requests: int
    minute_tokens: int
    day_requests: int
    day_tokens: int

    def to_json(self) -> JsonObject:
        """The dashboard's form."""
        return {
            "minute": {"requests": self.minute_requests, "tokens": self.minute_tokens},
            "day": {"requests": self.day_requests, "tokens": self.day_tokens},
        }


class UsageMeter:
    """Counts what was sent and sets it against the limits.

    ``limits_of`` gives a model's own limits, ``ceiling_of`` its provider's; both hold, the fuller
    one decides (R1.10, R14).
    """

    __slots__ = ("_ceiling_of", "_clock", "_limits_of", "_models", "_providers")

    def __init__(
        self,
        clock: Clock,
        limits_of: Callable[[ModelCard], Limits],
        ceiling_of: Callable[[str], Limits] | None = None,
    ) -> None:
        self._clock = clock
        self._limits_of = limits_of
        self._ceiling_of = ceiling_of
        self._models: dict[str, _Counter] = {}
        self._providers: dict[str, _Counter] = {}

    def record(self, card: ModelCard, tokens: int) -> None:
        """One request sent to ``card``, with the tokens it is charged (R6.1-6.3)."""
        self._add(card, 1, tokens)

    def correct(self, card: ModelCard, tokens: int) -> None:
        """Tokens that a recorded request took beyond (negative: below) what was recorded."""
        if tokens:
            self._add(card, 0, tokens)

    def utilization(self, card: ModelCard) -> float:
        """Used share of the tightest limit that binds ``card``, in [0, 1] (P34)."""
        second, day = int(self._clock.monotonic()), int(self._clock.wall() // DAY_S)
        counter = self._models.get(card.id)
        limits = self._limits_of(card)
        if counter is None:
            worst = 1.0 if 0 in (limits.rpm, limits.rpd, limits.tpm, limits.tpd) else 0.0
        else:
            counter.turn(second, day)
            worst = counter.share(limits)
        if self._ceiling_of is not None:
            provider = self._providers.get(card.provider)
            if provider is not None:
                provider.turn(second, day)
                worst = max(worst, provider.share(self._ceiling_of(card.provider)))
        return worst

    def used(self, card: ModelCard) -> Used:
        """Exact counts of a model (P28, P29)."""
        return self._used(self._models.get(card.id))

    def used_by_provider(self, provider: str) -> Used:
        """Exact counts of a provider."""
        return self._used(self._providers.get(provider))

    def _used(self, counter: _Counter | None) -> Used:
        if counter is None:
            return Used(0, 0, 0, 0)
        counter.turn(int(self._clock.monotonic()), int(self._clock.wall() // DAY_S))
        return Used(
            counter.minute_requests,
            max(0, counter.minute_tokens),
            counter.day_requests,
            max(0, counter.day_tokens),
        )

    def _add(self, card: ModelCard, requests: int, tokens: int) -> None:
        second, day = int(self._clock.monotonic()), int(self._clock.wall() // DAY_S)
        model = self._models.get(card.id)
        if model is None:
            model = self._models[card.id] = _Counter()
        provider = self._providers.get(card.provider)
        if provider is None:
            provider = self._providers[card.provider] = _Counter()
        model.turn(second, day)
        provider.turn(second, day)
        model.add(second, requests, tokens)
        provider.add(second, requests, tokens)
