"""Facts the data must hold: the specification's models, limits, chains and provider truths."""

from __future__ import annotations

import re

import pytest

from shared.catalog.load import provider_terms
from shared.catalog.rules import TEXT_CATEGORIES
from shared.model import Capability, Category, Feature, Lifecycle, Limits, ModelCard
from shared.settings import PROVIDERS
from tests.support.catalog_cards import DATA_DAY, real

CATALOG, RULES = real(DATA_DAY)

# R15, the chains of the specification in their order.
CHAINS = {
    Category.SIMPLE: "cerebras-llama-4-scout-17b cerebras-llama-3.3-70b "
    "groq-llama-3.2-3b-preview google-gemini-2.5-flash",
    Category.MEDIUM: "cerebras-llama-3.3-70b cerebras-gpt-oss-120b google-gemini-2.5-flash "
    "groq-mistral-saba-24b",
    Category.COMPLEX: "cerebras-gpt-oss-120b google-gemini-2.5-pro cerebras-llama-3.3-70b "
    "google-gemini-3-pro-preview",
    Category.CODING: "cerebras-deepseek-v3-0324 cerebras-gpt-oss-120b google-gemini-2.5-pro "
    "cerebras-llama-3.3-70b",
    Category.REASONING: "cerebras-gpt-oss-120b google-gemini-2.5-pro google-gemini-3-pro-preview "
    "cerebras-llama-3.3-70b",
    Category.VISION_IN: "google-gemini-3-pro-preview google-gemini-2.5-pro google-gemini-2.5-flash",
    Category.IMAGE_GEN: "google-imagen-4.0 google-gemini-3-pro-image-preview",
    Category.VIDEO_GEN: "google-veo-3.1",
    Category.MULTILINGUAL: "groq-mistral-saba-24b google-gemini-2.5-pro cerebras-llama-3.3-70b "
    "google-gemini-3-pro-preview",
    Category.AGENTIC: "google-gemini-3-pro-preview google-gemini-2.5-pro cerebras-gpt-oss-120b",
    Category.LONG_CONTEXT: "google-gemini-2.5-flash google-gemini-2.5-pro "
    "google-gemini-3-pro-preview",
}
# Named elsewhere in the specification: guard, classifier, media, embeddings, V3.2 (R2-R9, R26).
NAMED = (
    "groq-llama-guard-4-12b",
    "groq-llama-3.2-3b-preview",
    "groq-whisper-large-v3-turbo",
    "groq-playai-tts",
    "google-gemini-2.5-flash-native-audio-12-2025",
    "elevenlabs-multilingual-v2",
    "google-imagen-4.0-ultra",
    "google-imagen-4.0-fast",
    "google-veo-3.1-fast",
    "google-veo-3.1-lite",
    "google-gemini-embedding-001",
    "google-gemini-1.5-flash",
    "google-gemini-1.5-pro",
)


@pytest.mark.parametrize("category", list(Category))
def test_each_rule_begins_with_the_chain_of_the_specification(category: Category) -> None:
    chain = CHAINS[category].split()
    entries = RULES.rule(category).entries
    assert [one.model for one in entries[: len(chain)]] == chain
    ranks = [one.priority for one in entries]
    assert len(set(ranks)) == len(ranks)


def test_every_model_the_specification_names_is_kept() -> None:
    assert [one for one in NAMED if CATALOG.get(one) is None] == []


def test_ceilings_are_those_of_the_specification() -> None:
    ceilings = {name: terms.ceiling for name, terms in provider_terms().items()}
    assert ceilings == {
        "groq": Limits(rpm=30, rpd=14_400),
        "google": Limits(rpm=15, rpd=1_500),
        "cerebras": Limits(rpm=100, rpd=50_000),
        "huggingface": Limits(rpm=60, rpd=10_000),
        "elevenlabs": Limits(rpm=10, rpd=1_000, characters_per_month=10_000),
        "local": Limits(),
    }
    veo = CATALOG.get("google-veo-3.1")
    assert veo is not None
    assert veo.limits == Limits(rpm=5, rpd=100)


def test_each_card_says_when_its_day_turns() -> None:
    for card in CATALOG.all():
        assert card.day_reset == provider_terms()[card.provider].day_reset
        assert card.day_reset == "rolling" or re.fullmatch(r"UTC|\w+/\w+", card.day_reset)


def test_v32_ids_lead_through_their_first_hop_to_a_living_model() -> None:
    for old, first in (("gemini-1.5-flash", "2.5-flash"), ("gemini-1.5-pro", "2.5-pro")):
        (card,) = CATALOG.find(old)
        assert CATALOG.status(card) is Lifecycle.DEAD
        assert CATALOG.resolve(card).hops[0] == f"google-gemini-{first}"
    catalog, _ = real(DATA_DAY + 8)
    for old, last in (("gemini-1.5-flash", "3.5-flash-lite"), ("gemini-1.5-pro", "3.8-flash")):
        served = catalog.resolve(catalog.find(old)[0]).card
        assert served is not None
        assert served.id == f"google-gemini-{last}"


def test_every_dead_model_names_a_replacement() -> None:
    assert [c.id for c in CATALOG.by_status(Lifecycle.DEAD) if not c.replacement] == []


def test_what_groq_refuses_is_not_promised() -> None:
    never = {Feature.LOGPROBS, Feature.PENALTIES, Feature.N, Feature.SCHEMA_WITH_TOOLS}
    for card in CATALOG.by_provider("groq"):
        assert not card.features & never
    oss, qwen = CATALOG.get("groq-gpt-oss-120b"), CATALOG.get("groq-qwen3.8-27b")
    assert oss is not None
    assert qwen is not None
    assert oss.reasoning_efforts == ("low", "medium", "high")
    assert qwen.reasoning_efforts == ("none", "default", "low", "medium", "high")


def test_cerebras_takes_images_as_data_only() -> None:
    seeing = [c for c in CATALOG.by_provider("cerebras") if Capability.VISION in c.capabilities]
    assert seeing
    assert not any(Feature.IMAGE_URL in card.features for card in seeing)


@pytest.mark.parametrize("card", CATALOG.all(), ids=lambda card: card.id)
def test_each_card_is_consistent(card: ModelCard) -> None:
    assert card.provider in PROVIDERS
    assert 0 <= card.quality <= 100
    assert card.latency_ms > 0
    assert card.tokens_per_s > 0
    assert card.source
    assert (Feature.REASONING_EFFORT in card.features) == bool(card.reasoning_efforts)
    if Feature.IMAGE_URL in card.features:
        assert Capability.VISION in card.capabilities
    if Feature.SCHEMA_WITH_TOOLS in card.features:
        assert {Feature.TOOLS, Feature.JSON_SCHEMA} <= card.features


def test_the_same_model_at_several_providers_is_found_by_name() -> None:
    oss = CATALOG.get("groq-gpt-oss-120b")
    assert oss is not None
    assert {c.id for c in CATALOG.elsewhere(oss)} == {"cerebras-gpt-oss-120b", "hf-gpt-oss-120b"}
    assert [c.id for c in CATALOG.find("openai/gpt-oss-120b")] == [
        "groq-gpt-oss-120b",
        "hf-gpt-oss-120b",
    ]


def test_guards_are_in_no_rule() -> None:
    for category in TEXT_CATEGORIES:
        for entry in RULES.rule(category).entries:
            card = CATALOG.get(entry.model)
            assert card is not None
            assert card.chat
