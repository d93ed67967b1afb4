"""Counters per model, provider and category, gathered in the instance (R5.7, R17).

Everything that is stored later adds up: ``drain`` hands over increments, once each, and
``snapshot`` goes on showing the instance's totals. Rates and means are derived when shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from shared.clock import Clock
from shared.messages import Attempt, JsonObject, Usage

# Neither a success nor a fault of the model: a refusal is an answer, a client that left is not one.
NEUTRAL_OUTCOMES: Final = frozenset({"content_filter", "cancelled"})
# Weight of the newest latency; about the last ten calls decide.
EWMA_WEIGHT = 0.2


class Tally(Struct):
    """Counts of attempts at one model or provider. All fields add up but ``last_used``.

    ``latency_ms`` is the sum over successes. ``last_used`` is Unix seconds, 0 for never.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    latency_ms: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    last_used: float = 0.0

    @property
    def requests(self) -> int:
        """Attempts of any outcome."""
        return sum(self.outcomes.values())

    @property
    def successes(self) -> int:
        """Attempts that answered."""
        return self.outcomes.get("ok", 0)

    @property
    def errors(self) -> int:
        """Attempts that failed; refusals and cancellations are not failures."""
        neutral = sum(self.outcomes.get(name, 0) for name in NEUTRAL_OUTCOMES)
        return self.requests - self.successes - neutral

    def add(self, other: Tally) -> None:
        """Add the counts of ``other``."""
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count
        self.latency_ms += other.latency_ms
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.last_used = max(self.last_used, other.last_used)

    def to_json(self) -> JsonObject:
        """Counts and the rates that follow from them; None where nothing happened yet."""
        successes, errors = self.successes, self.errors
        judged = successes + errors
        return {
            "requests": self.requests,
            "successes": successes,
            "errors": errors,
            "outcomes": {**self.outcomes},
            "success_rate": round(successes / judged, 4) if judged else None,
            "mean_latency_ms": round(self.latency_ms / successes) if successes else None,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "last_used": self.last_used or None,
        }


class CategoryTally(Struct):
    """Counts of requests of one category.

    ``fallbacks``: requests with more than one attempt. ``depth``: sum of the attempts beyond the
    first (R17.11). ``primary_successes``: answered by the head of the chain (R5.7).
    """

    requests: int = 0
    answered: int = 0
    fallbacks: int = 0
    depth: int = 0
    primary_successes: int = 0

    def add(self, other: CategoryTally) -> None:
        """Add the counts of ``other``."""
        self.requests += other.requests
        self.answered += other.answered
        self.fallbacks += other.fallbacks
        self.depth += other.depth
        self.primary_successes += other.primary_successes

    def to_json(self) -> JsonObject:
        """Counts and the rates that follow from them (a tally exists from its first request)."""
        requests = self.requests or 1
        return {
            "requests": self.requests,
            "answered": self.answered,
            "fallbacks": self.fallbacks,
            "depth": self.depth,
            "primary_successes": self.primary_successes,
            "fallback_rate": round(self.fallbacks / requests, 4),
            "mean_depth": round(self.depth / requests, 4),
            "primary_success_rate": round(self.primary_successes / requests, 4),
        }


class Tallies(Struct):
    """All counts of some span of time; two of them add up.

    ``incidents``: what happened to callers before anything was asked of a model, by its name
    (``blocked``, ``captcha_cleared``, ``app_check_missing``).
    """

    models: dict[str, Tally] = field(default_factory=dict)
    providers: dict[str, Tally] = field(default_factory=dict)
    categories: dict[str, CategoryTally] = field(default_factory=dict)
    incidents: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.models or self.providers or self.categories or self.incidents)

    def add(self, other: Tallies) -> None:
        """Add the counts of ``other``, which is left as it is."""
        for name, tally in other.models.items():
            self.models.setdefault(name, Tally()).add(tally)
        for name, tally in other.providers.items():
            self.providers.setdefault(name, Tally()).add(tally)
        for name, category in other.categories.items():
            self.categories.setdefault(name, CategoryTally()).add(category)
        for name, count in other.incidents.items():
            self.incidents[name] = self.incidents.get(name, 0) + count

    def to_json(self) -> JsonObject:
        """The tables."""
        return {
            "models": {name: tally.to_json() for name, tally in self.models.items()},
            "providers": {name: tally.to_json() for name, tally in self.providers.items()},
            "categories": {name: tally.to_json() for name, tally in self.categories.items()},
            "incidents": {**self.incidents},
        }


class Counters:
    """This instance's counters. Not for use from several threads."""

    __slots__ = ("_clock", "_ewma", "_pending", "_returned", "_settled", "_since")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settled = Tallies()  # drained: counted in totals, not to be drained again
        self._pending = Tallies()  # neither
        self._returned = Tallies()  # drained and given back: in totals once, to be drained again
        self._ewma: dict[str, float] = {}
        self._since: float | None = None

    @property
    def waiting_since(self) -> float | None:
        """Unix seconds of the first figure that was not drained yet; None: there is none."""
        return self._since

    def record(
        self,
        category: str,
        attempts: Sequence[Attempt],
        *,
        primary: str = "",
        usage: Usage | None = None,
    ) -> None:
        """Count one finished request, answered or not.

        ``category`` is empty where nothing was classified. ``primary`` is the model id at the
        chain's head. ``usage`` is what the whole request spent; what no attempt carries of it is
        counted for the last attempt. Times are milliseconds.
        """
        now = self._clock.wall()
        for attempt in attempts:
            self._attempt(attempt, now)
        if usage is not None and attempts:
            self._rest(attempts, usage)
        if category:
            self._category(category, attempts, primary)
        if self._since is None and self._pending:
            self._since = now

    def note(self, incident: str, times: int = 1) -> None:
        """Count something that happened to a caller, or was done for one."""
        incidents = self._pending.incidents
        incidents[incident] = incidents.get(incident, 0) + times
        if self._since is None:
            self._since = self._clock.wall()

    def ewma_ms(self, model: str) -> float | None:
        """Smoothed latency of the model's recent successes in milliseconds; None without any."""
        return self._ewma.get(model)

    def snapshot(self) -> JsonObject:
        """Totals since the instance started, with rates, means and smoothed latencies."""
        total = Tallies()
        total.add(self._settled)
        total.add(self._pending)
        shown = total.to_json()
        shown["latency_ewma_ms"] = {name: round(value, 1) for name, value in self._ewma.items()}
        return shown

    def drain(self) -> Tallies:
        """The increments since the last drain. The caller stores them, or gives them back."""
        taken = self._pending
        self._settled.add(taken)
        self._pending = Tallies()
        if self._returned:
            taken.add(self._returned)
            self._returned = Tallies()
        self._since = None
        return taken

    def give_back(self, tallies: Tallies, since: float) -> None:
        """Return drained increments that could not be stored; the next drain has them again.

        ``since``: what ``waiting_since`` was before they were drained.
        """
        self._returned.add(tallies)
        if tallies:
            self._since = since if self._since is None else min(since, self._since)

    def _attempt(self, attempt: Attempt, now: float) -> None:
        for tally in self._both(attempt):
            tally.outcomes[attempt.outcome] = tally.outcomes.get(attempt.outcome, 0) + 1
            tally.last_used = now
            if attempt.outcome == "ok":
                tally.latency_ms += attempt.latency_ms
            if attempt.usage is not None:
                tally.prompt_tokens += attempt.usage.prompt_tokens
                tally.completion_tokens += attempt.usage.completion_tokens
        if attempt.outcome == "ok":
            before = self._ewma.get(attempt.model, float(attempt.latency_ms))
            self._ewma[attempt.model] = before + EWMA_WEIGHT * (attempt.latency_ms - before)

    def _rest(self, attempts: Sequence[Attempt], usage: Usage) -> None:
        carried = Usage()
        for part in _usages(attempts):
            carried.add(part)
        for tally in self._both(attempts[-1]):
            tally.prompt_tokens += max(0, usage.prompt_tokens - carried.prompt_tokens)
            tally.completion_tokens += max(0, usage.completion_tokens - carried.completion_tokens)

    def _both(self, attempt: Attempt) -> tuple[Tally, Tally]:
        models, providers = self._pending.models, self._pending.providers
        if (model := models.get(attempt.model)) is None:
            model = models[attempt.model] = Tally()
        if (provider := providers.get(attempt.provider)) is None:
            provider = providers[attempt.provider] = Tally()
        return model, provider

    def _category(self, category: str, attempts: Sequence[Attempt], primary: str) -> None:
        tally = self._pending.categories.setdefault(category, CategoryTally())
        tally.requests += 1
        depth = max(0, len(attempts) - 1)
        tally.depth += depth
        tally.fallbacks += depth > 0
        if attempts and attempts[-1].outcome == "ok":
            tally.answered += 1
            tally.primary_successes += bool(primary) and attempts[-1].model == primary


def _usages(attempts: Iterable[Attempt]) -> Iterable[Usage]:
    return (attempt.usage for attempt in attempts if attempt.usage is not None)
