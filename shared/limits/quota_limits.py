"""The limits a card is held to: its provider's ceiling and its own, with the turn of their days."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from shared.limits.effective import EffectiveLimits
from shared.limits.quota_time import ROLLING
from shared.model import Limits, ModelCard


class ScopeLimits(Struct, frozen=True):
    """Limits of a provider or of one model; None: none in that dimension (R6.1-6.3, R14).

    ``day_reset``: an IANA zone, at whose midnight the day's count starts again, or ``rolling``.
    Months are calendar months, UTC.
    """

    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    characters_per_month: int | None = None
    day_reset: str = ROLLING

    @classmethod
    def of(cls, limits: Limits, day_reset: str) -> ScopeLimits:
        """The catalog's limits with the turn of the day."""
        return cls(
            limits.rpm,
            limits.rpd,
            limits.tpm,
            limits.tpd,
            limits.characters_per_month,
            day_reset,
        )

    def of_dimension(self, dimension: str) -> int | None:
        """The limit by its name."""
        found: int | None = getattr(self, dimension)
        return found

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return (
            self.rpm is None
            and self.rpd is None
            and self.tpm is None
            and self.tpd is None
            and self.characters_per_month is None
        )


class CardLimits(Struct, frozen=True):
    """Both hold; the tighter wins (R14, decision)."""

    provider: ScopeLimits
    model: ScopeLimits
    unlimited: bool


class QuotaLimits:
    """Limits by card. The same object comes back for a card as long as the limits are the same,
    so that who holds on to one notices by identity when the configuration has changed."""

    __slots__ = ("_cards", "_day_resets", "_effective", "_providers")

    def __init__(self, effective: EffectiveLimits, day_resets: Mapping[str, str]) -> None:
        """``day_resets`` by provider (catalog, ``ProviderTerms.day_reset``)."""
        self._effective = effective
        self._day_resets = day_resets
        self._cards: dict[str, CardLimits] = {}
        self._providers: dict[str, ScopeLimits] = {}

    def of(self, card: ModelCard) -> CardLimits:
        """The limits that bind ``card``."""
        found = self._cards.get(card.id)
        if found is None:
            found = self._cards[card.id] = self._join(card)
        return found

    def _join(self, card: ModelCard) -> CardLimits:
        provider = self._providers.get(card.provider)
        if provider is None:
            reset = self._day_resets.get(card.provider, ROLLING)
            provider = ScopeLimits.of(self._effective.of_provider(card.provider), reset)
            self._providers[card.provider] = provider
        model = ScopeLimits.of(self._effective.of_model(card), card.day_reset)
        return CardLimits(provider, model, provider.unlimited and model.unlimited)
