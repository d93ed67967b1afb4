"""The package's own catalog and rules, on every day they must hold (P2, P58, P61, P69)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog.lifecycle import SECONDS_PER_DAY
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.registry import Catalog
from shared.catalog.rules import LONG_CONTEXT_WINDOW, TEXT_CATEGORIES, RuleBook, can_serve
from shared.clock import Clock
from shared.config import ModelOverride, Rule, RuleEntry, RuntimeConfig
from shared.model import Capability, Category, Feature, Lifecycle, ModelCard
from tests.support.catalog_cards import DATA_DAY, HOLDS_UNTIL, real
from tests.support.virtual_time import ManualClock

FREE = {"quota", "credit"}
EVERY_DAY = range(DATA_DAY, HOLDS_UNTIL + 1)
MODEL_IDS = [one.id for one in real(DATA_DAY)[0].all()]


def living(catalog: Catalog, rules: RuleBook, category: Category) -> dict[str, ModelCard]:
    found = {}
    for entry in rules.rule(category).entries:
        listed = catalog.get(entry.model)
        assert listed is not None
        served = catalog.resolve(listed).card
        assert served is not None, f"{entry.model} of {category} leads nowhere"
        assert catalog.status(served) is not Lifecycle.DEAD
        assert can_serve(served, category)
        found[served.id] = served
    return found


@pytest.mark.parametrize("category", TEXT_CATEGORIES)
def test_every_day_three_living_models_of_two_providers(category: Category) -> None:
    for day in EVERY_DAY:
        catalog, rules = real(day)
        served = living(catalog, rules, category)
        assert len(served) >= 3
        assert len({one.provider for one in served.values()}) >= 2
        free = [one for one in served.values() if one.free_tier in FREE]
        assert len(free) >= 3
        assert len({one.provider for one in free}) >= 2
        if category is Category.LONG_CONTEXT:
            assert all((one.context_window or 0) > LONG_CONTEXT_WINDOW for one in free)
        if category is Category.AGENTIC:
            assert all(Feature.TOOLS in one.features for one in served.values())


@pytest.mark.parametrize("category", [Category.IMAGE_GEN, Category.VIDEO_GEN])
def test_every_day_media_rules_resolve(category: Category) -> None:
    for day in EVERY_DAY:
        catalog, rules = real(day)
        served = living(catalog, rules, category)
        assert len({one.provider for one in served.values()}) >= 2


def test_p58_every_dead_model_is_served_on_every_day() -> None:
    for day in EVERY_DAY:
        catalog, _ = real(day)
        for asked in catalog.all():
            served = catalog.resolve(asked).card
            assert served is not None, asked.id
            assert catalog.status(served) is not Lifecycle.DEAD
            if catalog.status(asked) is Lifecycle.DEAD:
                assert served != asked


@pytest.mark.parametrize("category", list(Category))
def test_notes_say_truly_which_entries_a_free_key_serves(category: Category) -> None:
    def named(heading: str, note: str) -> set[str]:
        found = re.search(rf"{re.escape(heading)}: (.*?)\.(?: |$)", note)
        return set(found.group(1).split(", ")) if found else set()

    tiers: dict[str, set[str]] = {}
    for day in EVERY_DAY:
        catalog, rules = real(day)
        for entry in rules.rule(category).entries:
            served = catalog.resolve(catalog.get(entry.model) or catalog.all()[0]).card
            assert served is not None
            tiers.setdefault(entry.model, set()).add(served.free_tier)
    note = real(DATA_DAY)[1].rule(category).note
    assert named("Free key, daily quota", note) == {m for m, t in tiers.items() if t == {"quota"}}
    assert named("The same from 2026-12-01", note) == {
        m for m, t in tiers.items() if t == {"none", "quota"}
    }
    assert named("Free key, credit", note) == {m for m, t in tiers.items() if t == {"credit"}}
    assert named("Billed key only", note) == {
        m for m, t in tiers.items() if not t & {"quota", "credit"}
    }


overrides = st.dictionaries(
    st.sampled_from(MODEL_IDS),
    st.builds(
        ModelOverride,
        dead=st.booleans(),
        replacement=st.none() | st.sampled_from(MODEL_IDS),
        capabilities=st.none() | st.frozensets(st.sampled_from(list(Capability)), min_size=1),
    ),
    max_size=4,
)
rule_overrides = st.dictionaries(
    st.sampled_from(list(Category)),
    st.lists(st.sampled_from(MODEL_IDS), min_size=1, max_size=3, unique=True).map(
        lambda ids: Rule(entries=tuple(RuleEntry(model=one, priority=5) for one in ids))
    ),
    max_size=2,
)


@settings(max_examples=200)
@given(overrides, rule_overrides, st.integers(DATA_DAY, HOLDS_UNTIL))
def test_p69_what_loads_can_serve_its_rules(
    models: dict[str, ModelOverride], rules: dict[Category, Rule], day: int
) -> None:
    clock: Clock = ManualClock(wall=day * SECONDS_PER_DAY)
    config = RuntimeConfig(models=models, rules=rules)
    problems: list[str] = []
    try:
        catalog, book = load_catalog(clock, config)
    except CatalogError as error:
        problems = error.problems
    if problems:
        assert all(problem.startswith(("models", "rules")) for problem in problems)
        return
    for category in Category:
        for entry in book.rule(category).entries:
            listed = catalog.get(entry.model)
            assert listed is not None
            served = catalog.resolve(listed).card
            assert served is None or can_serve(served, category)
            stand_in = book.serving(listed, category, catalog).card
            assert stand_in is None or can_serve(stand_in, category)


@given(st.sampled_from(list(Category)), st.sets(st.sampled_from(MODEL_IDS), max_size=6))
def test_p61_marked_dead_at_runtime_is_never_served(category: Category, dead: set[str]) -> None:
    config = RuntimeConfig(models={one: ModelOverride(dead=True) for one in dead})
    catalog, rules = real(DATA_DAY, config)
    for asked in catalog.all():
        served = rules.serving(asked, category, catalog).card
        assert served is None or served.id not in dead
