"""Which limits hold: the catalog's, as far as the runtime configuration does not replace them.

Contract, Runtime configuration: a provider's ceiling and each model's own limit both hold, the
tighter wins. An entry of ``limits`` for a provider replaces its ceiling and all its models' own
limits; an entry for a model replaces that model's.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.config import LimitOverride
from shared.model import Limits, ModelCard

NONE = Limits()


class EffectiveLimits:
    """Looks limits up. ``ceilings`` are the catalog's by provider (R14)."""

    __slots__ = ("_ceilings", "_overrides")

    def __init__(
        self, overrides: Mapping[str, LimitOverride], ceilings: Mapping[str, Limits]
    ) -> None:
        self._overrides = {key: _limits(entry) for key, entry in overrides.items()}
        self._ceilings = {**ceilings}

    def of_model(self, card: ModelCard) -> Limits:
        """The model's own limits, beside its provider's ceiling."""
        own = self._overrides.get(card.id)
        if own is not None:
            return own
        return NONE if card.provider in self._overrides else card.limits

    def of_provider(self, provider: str) -> Limits:
        """The ceiling for all models of a provider together."""
        replaced = self._overrides.get(provider)
        return replaced if replaced is not None else self._ceilings.get(provider, NONE)


def _limits(entry: LimitOverride) -> Limits:
    return Limits(entry.rpm, entry.rpd, entry.tpm, entry.tpd, entry.characters_per_month)
