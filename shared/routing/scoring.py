"""The adjusted priority: what the moment adds to or takes from a rule's own order (R4, decision).

A rule's priorities lie in 0-1000. The weights below are steps of a ladder, so that a stronger
reason always outweighs all weaker ones: cannot be asked now < preferred by the user, or softly
avoided < the user's own server < nearly full < speed or quality asked for < failed a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.clock import Clock
from shared.config import Condition
from shared.messages import ChatRequest
from shared.model import ModelCard
from shared.routing.health import HealthBook, Standing
from shared.routing.options import EXPECTED_OUTPUT, LOCAL, Option
from shared.routing.plan import Candidate
from shared.routing.ports import Utilization

# R4.9 and R4.2, decision: from here on a model gives way.
BUSY = 0.8
SHAKEN_MALUS = 200.0
PRIORITIZE_BONUS = 1000.0
BUSY_MALUS = 2500.0
BUSY_SPREAD = 500.0
SHUNNED_MALUS = 20_000.0
PREFERRED_BONUS = 20_000.0
COOLING_MALUS = 100_000.0
HOUR_S = 3600


class Scored(Struct):
    """A candidate at its adjusted priority; ``why`` it was moved, empty where it was not.
    ``ready``: it can be asked now, and the user has nothing against that."""

    candidate: Candidate
    why: str
    ready: bool


class Scorer(Struct):
    """Adjusts priorities for one request after another."""

    health: HealthBook
    utilization: Utilization
    clock: Clock
    enabled: Callable[[str], bool]

    def score(self, option: Option, request: ChatRequest) -> Scored:
        """The option's place for this request now."""
        candidate = option.candidate
        card = candidate.card
        options = request.options
        delta, why, ready = 0.0, "", True
        standing = self.health.standing(card)
        used = self.utilization.utilization(card)
        if standing is Standing.COOLING or self.utilization.closed(card) is not None:
            delta, why, ready = -COOLING_MALUS, "cannot be asked right now", False
        elif used >= BUSY:
            delta = -BUSY_MALUS - BUSY_SPREAD * (used - BUSY) / (1.0 - BUSY)
            why = f"has used {used:.0%} of its limit"
        elif request.input_tokens + (request.max_tokens or EXPECTED_OUTPUT) > option.tpm:
            delta, why = -BUSY_MALUS - BUSY_SPREAD, "takes less than this in one minute"
        elif standing is Standing.SHAKEN:
            delta, why = -SHAKEN_MALUS, "failed a moment ago"
        if options.prioritize is not None:
            delta += self._wish(card, request, options.prioritize)
        if card.provider in options.preferred_providers:
            delta += PREFERRED_BONUS
        elif card.provider in options.shunned_providers:
            delta -= SHUNNED_MALUS
            why, ready = why or "is at a provider you avoid", False
        if delta:
            candidate = Candidate(card, candidate.priority + delta, candidate.status)
        return Scored(candidate, why, ready)

    def expected_ms(self, card: ModelCard, request: ChatRequest) -> int:
        """Milliseconds until it answers (R4.5): of a stream the first token, else all of it.
        Live figures where there are any, else the catalog's typical ones. At least 1."""
        live = self.health.latency_ms(card, first_token=request.stream)
        if live is None:
            live = float(card.latency_ms)
            if not request.stream:
                output = min(request.max_tokens or EXPECTED_OUTPUT, EXPECTED_OUTPUT)
                live += 1000.0 * output / max(1, card.tokens_per_s)
        return max(1, round(live))

    def holds(self, condition: Condition, option: Option, request: ChatRequest, tier: str) -> bool:
        """Whether a rule entry's condition is met (R4, decision on conditions)."""
        match condition.field:
            case "TOKEN_COUNT":
                return _compare(request.input_tokens, condition)
            case "TIME_OF_DAY":
                return _compare(int(self.clock.wall()) // HOUR_S % 24, condition)
            case "USER_TIER":
                return _compare(tier, condition)
            case "PROVIDER_AVAILABLE":
                return self._available(condition, option.card.provider)

    def _wish(self, card: ModelCard, request: ChatRequest, prioritize: str) -> float:
        if prioritize == "quality":
            return PRIORITIZE_BONUS * card.quality / 100.0
        return PRIORITIZE_BONUS * 1000.0 / (1000.0 + self.expected_ms(card, request))

    def _available(self, condition: Condition, own: str) -> bool:
        """A name, or several of which one must be available; true or false: the entry's own."""
        value = condition.value
        if isinstance(value, bool):
            return condition.op == "EQ" and self._reachable(own) is value
        names = value if isinstance(value, list) else [value]
        if condition.op not in ("EQ", "IN"):
            return False
        return any(isinstance(name, str) and self._reachable(name) for name in names)

    def _reachable(self, provider: str) -> bool:
        if not self.enabled(provider) or not self.health.provider_open(provider):
            return False
        return not self.utilization.provider_closed(provider)


def is_local(card: ModelCard) -> bool:
    """Whether it runs on the user's own server, which is last in every text chain."""
    return card.provider == LOCAL


def _compare(actual: int | str, condition: Condition) -> bool:
    value = condition.value
    if isinstance(value, list):
        return condition.op == "IN" and actual in value
    match condition.op:
        case "EQ" | "IN":
            return actual == value
        case "GT":
            return isinstance(actual, int) and isinstance(value, int) and actual > value
        case "LT":
            return isinstance(actual, int) and isinstance(value, int) and actual < value
