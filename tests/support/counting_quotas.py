"""Permits without limits that remember everything, and a use that tests set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shared.clock import Deadline
from shared.limits.open_quotas import OpenQuotas
from shared.model import ModelCard
from shared.permits import Permit, Refusal
from shared.providers.base import LimitSignal


@dataclass
class Kept:
    """One permit: for whom, and everything it was settled with."""

    card: ModelCard
    tokens: int
    settled: list[int] = field(default_factory=list)


class CountingQuotas(OpenQuotas):
    """Gives every permit. ``used`` counts requests by model, also those a test ``record``s; the
    utilization is their share of the model's own requests a minute."""

    def __init__(self) -> None:
        self.kept: dict[int, Kept] = {}
        self.used: Counter[str] = Counter()
        self.told: list[tuple[str, str, float]] = []
        self.signals: list[tuple[str, LimitSignal]] = []
        self.refusals: dict[str, Refusal] = {}
        self.closed_providers: set[str] = set()

    def record(self, card: ModelCard, times: int = 1) -> None:
        """So many requests were sent by somebody."""
        self.used[card.id] += times

    def take(
        self, card: ModelCard, tokens: int, *, characters: int = 0, bulk: bool = False
    ) -> Permit | Refusal | None:
        refusal = self.refusals.get(card.id)
        if refusal is not None:
            return refusal
        permit = Permit(card.provider, card.id, tokens, stamp=len(self.kept))
        self.kept[permit.stamp] = Kept(card, tokens)
        self.used[card.id] += 1
        return permit

    async def acquire(
        self,
        card: ModelCard,
        tokens: int,
        deadline: Deadline,
        *,
        characters: int = 0,
        bulk: bool = False,
    ) -> Permit | Refusal:
        raise AssertionError("everything is known at once")

    def settle(self, permit: Permit, tokens_used: int) -> None:
        self.kept[permit.stamp].settled.append(tokens_used)

    def close_provider(self, provider: str, reason: str, seconds: float) -> None:
        self.told.append((provider, reason, seconds))

    def close_model(self, card: ModelCard, reason: str, seconds: float) -> None:
        self.told.append((card.id, reason, seconds))

    def reopen(self, card: ModelCard) -> None:
        self.told.append((card.id, "reopen", 0.0))

    def tighten(self, card: ModelCard, signal: LimitSignal) -> None:
        self.signals.append((card.id, signal))

    def provider_closed(self, provider: str) -> bool:
        return provider in self.closed_providers

    def closed(self, card: ModelCard) -> Refusal | None:
        refusal = self.refusals.get(card.id)
        return refusal if refusal is not None and not refusal.of_capacity else None

    def utilization(self, card: ModelCard) -> float:
        rpm = card.limits.rpm
        return min(1.0, self.used[card.id] / rpm) if rpm else 0.0

    def settlements(self) -> list[list[int]]:
        """What each permit was settled with, in the order they were taken."""
        return [kept.settled for kept in self.kept.values()]
