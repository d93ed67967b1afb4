"""Quotas that limit nothing: for measuring what the executor itself costs, and for tests."""

from __future__ import annotations

from shared.clock import Deadline
from shared.model import ModelCard
from shared.permits import Permit, Refusal
from shared.providers.base import LimitSignal


class OpenQuotas:
    """Every request gets its permit at once; nothing is counted, closed or told to anybody."""

    __slots__ = ()

    def take(
        self, card: ModelCard, tokens: int, *, characters: int = 0, bulk: bool = False
    ) -> Permit | Refusal | None:
        """A permit."""
        return Permit(card.provider, card.id, tokens, characters)

    async def acquire(
        self,
        card: ModelCard,
        tokens: int,
        deadline: Deadline,
        *,
        characters: int = 0,
        bulk: bool = False,
    ) -> Permit | Refusal:
        """A permit."""
        return Permit(card.provider, card.id, tokens, characters)

    def settle(self, permit: Permit, tokens_used: int) -> None:
        """Nothing is counted."""

    def refund(self, permit: Permit) -> None:
        """Nothing was counted."""

    def close_provider(self, provider: str, reason: str, seconds: float) -> None:
        """Nobody is told."""

    def close_model(self, card: ModelCard, reason: str, seconds: float) -> None:
        """Nobody is told."""

    def reopen(self, card: ModelCard) -> None:
        """Nothing was closed."""

    def tighten(self, card: ModelCard, signal: LimitSignal) -> None:
        """There is no limit to lower."""

    def provider_closed(self, provider: str) -> bool:
        """Never."""
        return False

    def closed(self, card: ModelCard) -> Refusal | None:
        """Never."""
        return None

    def utilization(self, card: ModelCard) -> float:
        """Nothing of no limit."""
        return 0.0
