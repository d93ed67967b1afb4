"""What a provider gives and when its day turns (R14), one entry of ``providers.json`` each."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from shared.model import Feature, Limits

_STRICT = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ChatDefaults:
    """What a provider's chat models have in common; a card's own values replace them.

    ``latency_ms`` is to the first token, ``tokens_per_s`` after it.
    """

    __pydantic_config__ = _STRICT

    features: frozenset[Feature]
    latency_ms: int
    tokens_per_s: int


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """One provider. ``ceiling`` are the defaults of R14 for all its models together; a model's own
    limits hold beside it and the tighter wins. ``day_reset`` is an IANA time zone, at whose
    midnight the day's count starts again, or ``rolling`` (the last 24 hours count)."""

    __pydantic_config__ = _STRICT

    name: str
    ceiling: Limits
    day_reset: str
    free_tier: str
    sources: tuple[str, ...]
    chat: ChatDefaults
