"""Which limits hold beside and in place of each other."""

from __future__ import annotations

from shared.config import LimitOverride
from shared.limits.effective import EffectiveLimits
from shared.model import Capability, Limits, ModelCard

CARD = ModelCard(
    id="groq-a",
    name="A",
    provider="groq",
    provider_model_id="a",
    capabilities=frozenset({Capability.TEXT}),
    source="test",
    free_tier="quota",
    limits=Limits(rpm=30, tpm=8000),
)
CEILINGS = {"groq": Limits(rpm=30, rpd=14_400)}


def test_without_overrides_both_hold() -> None:
    limits = EffectiveLimits({}, CEILINGS)
    assert limits.of_model(CARD) == Limits(rpm=30, tpm=8000)
    assert limits.of_provider("groq") == Limits(rpm=30, rpd=14_400)
    assert limits.of_provider("nobody") == Limits()


def test_a_providers_entry_replaces_ceiling_and_models_own() -> None:
    limits = EffectiveLimits({"groq": LimitOverride(rpm=20)}, CEILINGS)
    assert limits.of_provider("groq") == Limits(rpm=20)
    assert limits.of_model(CARD) == Limits()


def test_a_models_entry_replaces_only_that_models() -> None:
    limits = EffectiveLimits({"groq-a": LimitOverride(rpd=5)}, CEILINGS)
    assert limits.of_model(CARD) == Limits(rpd=5)
    assert limits.of_provider("groq") == Limits(rpm=30, rpd=14_400)


def test_both_entries_hold_beside_each_other() -> None:
    limits = EffectiveLimits(
        {"groq": LimitOverride(rpm=20), "groq-a": LimitOverride(rpm=3)}, CEILINGS
    )
    assert limits.of_model(CARD) == Limits(rpm=3)
    assert limits.of_provider("groq") == Limits(rpm=20)
