"""What a provider gives and when its day turns (R14), one entry of ``providers.json`` each."""

from __future__ import annotations

from msgspec import Struct

from shared.model import Feature, Limits


class ChatDefaults(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider's chat models have in common; a card's own values replace them.

    ``latency_ms`` is to the first token, ``tokens_per_s`` after it.
    """

    features: frozenset[Feature]
    latency_ms: int
    tokens_per_s: int


class ProviderTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """One provider. ``ceiling`` are the defaults of R14 for all its models together; a model's own
    limits hold beside it and the tighter wins. ``day_reset`` is an IANA time zone, at whose
    midnight the day's count starts again, or ``rolling`` (the last 24 hours count)."""

    name: str
    ceiling: Limits
    day_reset: str
    free_tier: str
    sources: tuple[str, ...]
    chat: ChatDefaults
