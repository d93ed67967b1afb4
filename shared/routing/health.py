"""The health record of this instance: what live results tell of each model and provider (R20).

Every attempt is reported here and nothing else is asked of anybody: live traffic is the health
check (R20, decision). From the record follow a model's health, whether it may be asked now
(cooldowns, breaker, one call on trial afterwards) and how fast it answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum

from msgspec import Struct, field

from shared.clock import Clock
from shared.errors import (
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    Scope,
)
from shared.messages import JsonObject, JsonValue
from shared.model import Health, ModelCard
from shared.routing.cooldown import (
    BREAKER_THRESHOLD,
    HINT_CAP_S,
    KEY_REJECTED_S,
    MODEL_GONE_S,
    PAYMENT_S,
    Gate,
    breaker_wait_s,
    limit_wait_s,
)

# Weight of the newest latency: about the last ten calls decide.
EWMA_WEIGHT = 0.2
# How long one failure lets a model stand back behind others; then live traffic tries it again.
SHAKEN_S = 10.0
# Breakers open up to this share shorter than computed, so that instances do not probe in step.
JITTER = 0.1


class Standing(Enum):
    """What the router has to know of a model now."""

    READY = "ready"
    SHAKEN = "shaken"  # failed within the last ``SHAKEN_S`` seconds
    COOLING = "cooling"  # may not be asked now


class _Record(Struct):
    """One model or provider. ``opened_at`` (monotonic s) while its breaker is not closed."""

    gate: Gate = field(default_factory=Gate)
    consecutive: int = 0
    successes: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    first_token_ms: float | None = None
    whole_ms: float | None = None
    last_used: float = 0.0  # Unix s
    last_failure_at: float = 0.0  # monotonic s
    last_outcome: str = ""
    opened_at: float | None = None
    level: int = 0
    gone: bool = False

    @property
    def health(self) -> Health:
        """R20.2-20.4."""
        if self.gone or self.consecutive >= BREAKER_THRESHOLD:
            return Health.UNAVAILABLE
        return Health.DEGRADED if self.consecutive else Health.HEALTHY


class HealthBook:
    """Records of models and providers, by live results. Times by the injected clock."""

    __slots__ = ("_clock", "_models", "_now", "_providers", "_rng", "version")

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._now: Callable[[], float] = clock.monotonic
        self._rng = rng
        self._models: dict[str, tuple[ModelCard, _Record]] = {}
        self._providers: dict[str, _Record] = {}
        # Counts changes of standing; whoever caches an order of models compares it.
        self.version = 0

    # ------------------------------------------------------------------------------ reports

    def record_first_token(self, card: ModelCard, latency_ms: float) -> None:
        """A stream has begun after ``latency_ms``: the trial is over, others may ask too.

        No pass yet: a model that begins and never ends must not look healthy.
        """
        now = self._now()
        model, provider = self._records(card)
        model.first_token_ms = _smooth(model.first_token_ms, latency_ms)
        for record, lift in ((model, True), (provider, False)):
            if record.gate.trial:
                self.version += 1
                record.gate.passed(now, lift=lift)

    def record_success(self, card: ModelCard, latency_ms: float | None) -> None:
        """A whole answer came, after ``latency_ms`` (None: a stream, told by its first token)."""
        now = self._now()
        model, provider = self._records(card)
        for record, lift in ((model, True), (provider, False)):
            record.successes += 1
            record.last_used = self._clock.wall()
            record.last_outcome = "ok"
            if record.consecutive or record.gate.trial:
                self.version += 1
                record.consecutive = 0
                record.gate.passed(now, lift=lift)
        model.opened_at = None
        model.level = 0
        model.gone = False
        if latency_ms is not None:
            model.whole_ms = _smooth(model.whole_ms, latency_ms)

    def record_failure(self, card: ModelCard, failure: ProviderFailure, latency_ms: float) -> None:
        """An attempt failed ``latency_ms`` after it began."""
        now = self._now()
        began = now - latency_ms / 1000.0
        model, provider = self._records(card)
        for record in (model, provider):
            record.failures[failure.outcome] = record.failures.get(failure.outcome, 0) + 1
            record.last_used = self._clock.wall()
            record.last_outcome = failure.outcome
            record.gate.leave(began)
        if failure.scope is Scope.REQUEST:
            return
        self.version += 1
        if failure.counts:
            provider.consecutive += 1
            model.consecutive += 1
            model.last_failure_at = now
            model.gone = model.gone or isinstance(failure, ModelGone)
            if model.consecutive >= BREAKER_THRESHOLD:
                self._open_breaker(model, now, began)
        self._close(model.gate, provider.gate, failure, now)

    def release(self, card: ModelCard) -> None:
        """An acquired call ended without a result (the client left): its trial is free again."""
        model, provider = self._models.get(card.id), self._providers.get(card.provider)
        now = self._now()
        if model is not None:
            model[1].gate.leave(now)
        if provider is not None:
            provider.gate.leave(now)

    # ---------------------------------------------------------------------------- questions

    def try_acquire(self, card: ModelCard) -> bool:
        """Whether a call may start now. After a cooldown only one at a time may, until one
        succeeds; who was let through reports back by ``record_*`` or ``release``."""
        model, provider = self._models.get(card.id), self._providers.get(card.provider)
        model_gate = model[1].gate if model is not None else None
        provider_gate = provider.gate if provider is not None else None
        if (model_gate is None or not model_gate.trial) and (
            provider_gate is None or not provider_gate.trial
        ):
            return True
        now = self._now()
        if model_gate is not None and model_gate.available_at(now) > now:
            return False
        if provider_gate is not None and not provider_gate.enter(now):
            return False
        return model_gate is None or model_gate.enter(now)

    def available_at(self, card: ModelCard) -> float:
        """The monotonic second from which it may be asked; not later than now: it may."""
        now = self._now()
        model, provider = self._models.get(card.id), self._providers.get(card.provider)
        at = model[1].gate.available_at(now) if model is not None else 0.0
        return max(at, provider.gate.available_at(now)) if provider is not None else at

    def limited(self, card: ModelCard) -> bool:
        """Whether it is a limit (429) that keeps the model from being asked."""
        model = self._models.get(card.id)
        if model is None or not model[1].gate.trial:
            return False
        gate = model[1].gate
        return gate.limited_until >= gate.until and gate.until > 0.0

    def standing(self, card: ModelCard) -> Standing:
        """What the router has to know of it, in one look."""
        model, provider = self._models.get(card.id), self._providers.get(card.provider)
        closed = provider is not None and provider.gate.trial
        if model is None:
            if not closed:
                return Standing.READY
        elif not closed and not model[1].gate.trial and not model[1].consecutive:
            return Standing.READY
        now = self._now()
        if self.available_at(card) > now:
            return Standing.COOLING
        if model is None or model[1].gate.trial or not model[1].consecutive:
            return Standing.READY
        return Standing.SHAKEN if now - model[1].last_failure_at < SHAKEN_S else Standing.READY

    def health(self, card: ModelCard) -> Health:
        """HEALTHY, DEGRADED after one failure, UNAVAILABLE after three in a row (R20.2-20.6).

        A provider that may not be asked (key rejected, no credit) makes all its models
        UNAVAILABLE (R5.5).
        """
        provider = self._providers.get(card.provider)
        if provider is not None and provider.gate.until > self._now():
            return Health.UNAVAILABLE
        model = self._models.get(card.id)
        return model[1].health if model is not None else Health.HEALTHY

    def latency_ms(self, card: ModelCard, *, first_token: bool) -> float | None:
        """Smoothed live latency: to the first token of streams, or of whole answers."""
        model = self._models.get(card.id)
        if model is None:
            return None
        return model[1].first_token_ms if first_token else model[1].whole_ms

    def provider_open(self, provider: str) -> bool:
        """Whether nothing keeps the whole provider from being asked."""
        record = self._providers.get(provider)
        return record is None or record.gate.until <= self._now()

    def snapshot(self) -> list[JsonObject]:
        """Every record, models first, as JSON. Times in Unix seconds, waits in seconds."""
        now = self._now()
        rows = [
            _row(record, now, card.provider, card.id, self.health(card))
            for card, record in self._models.values()
        ]
        for name, record in self._providers.items():
            closed = record.gate.until > now
            health = Health.UNAVAILABLE if closed else Health.HEALTHY
            rows.append(_row(record, now, name, None, health))
        return rows

    # ------------------------------------------------------------------------------- inside

    def _records(self, card: ModelCard) -> tuple[_Record, _Record]:
        model = self._models.get(card.id)
        if model is None:
            model = self._models[card.id] = (card, _Record())
        provider = self._providers.get(card.provider)
        if provider is None:
            provider = self._providers[card.provider] = _Record()
        return model[1], provider

    def _close(self, model: Gate, provider: Gate, failure: ProviderFailure, now: float) -> None:
        """Cooldowns that follow from one failure alone."""
        match failure:
            case QuotaExceeded():
                model.close(now + limit_wait_s(failure), limit=True)
            case KeyRejected():
                provider.close(now + KEY_REJECTED_S)
            case PaymentRequired():
                provider.close(now + PAYMENT_S)
            case ModelGone() | NotOnThisKey():
                model.close(now + MODEL_GONE_S)
            case _ if failure.counts and failure.wait_s is not None and failure.wait_s > 0:
                model.close(now + min(HINT_CAP_S, failure.wait_s))

    def _open_breaker(self, model: _Record, now: float, began: float) -> None:
        """Open at the third failure in a row; double only when a call on trial failed.

        Calls that were in flight when the breaker opened say nothing new: a burst of fifty
        failures is one opening.
        """
        if model.opened_at is not None:
            if began < model.opened_at or now < model.gate.until:
                return
            model.level += 1
        model.opened_at = now
        spread = 1.0 - JITTER * self._rng.random() if self._rng is not None else 1.0
        model.gate.close(now + breaker_wait_s(model.level) * spread)


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + EWMA_WEIGHT * (new - old)


def _row(
    record: _Record, now: float, provider: str, model: str | None, health: Health
) -> JsonObject:
    failures: dict[str, JsonValue] = dict(record.failures)
    failed = sum(record.failures.values())
    requests = record.successes + failed
    return {
        "model": model,
        "provider": provider,
        "health": health.value,
        "consecutive_failures": record.consecutive,
        "requests": requests,
        "successes": record.successes,
        "failures": failures,
        "success_rate": round(record.successes / requests, 4) if requests else None,
        "first_token_ms": _rounded(record.first_token_ms),
        "latency_ms": _rounded(record.whole_ms),
        "last_used": record.last_used or None,
        "last_outcome": record.last_outcome or None,
        "cooldown_s": round(max(0.0, record.gate.until - now), 1),
        "on_trial": record.gate.trial and record.gate.until <= now,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
