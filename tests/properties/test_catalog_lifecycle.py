"""Lifecycle and replacement over generated catalogs (P1-P4, P58-P62)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.lifecycle import NOTICE_DAYS, SECONDS_PER_DAY, parse_day
from shared.catalog.registry import Catalog
from shared.catalog.rules import RuleBook
from shared.config import ModelOverride, Rule, RuleEntry
from shared.model import Capability, Category, Lifecycle, ModelCard
from tests.support.catalog_cards import card, card_lists, days, moments
from tests.support.virtual_time import ManualClock


def at(cards: list[ModelCard], wall: float, **overrides: ModelOverride) -> Catalog:
    return Catalog(cards, ManualClock(wall=wall), overrides)


@given(card_lists(cycles=True), moments)
def test_p1_every_model_has_a_lifecycle_status(cards: list[ModelCard], wall: float) -> None:
    catalog = at(cards, wall)
    counted = [one for status in Lifecycle for one in catalog.by_status(status)]
    assert sorted(one.id for one in counted) == sorted(one.id for one in cards)
    assert all(catalog.describe(one).status is catalog.status(one) for one in cards)


@given(days, st.floats(0, 10_000 * SECONDS_PER_DAY))
def test_p2_past_deprecation_date_means_dead(day: str, after: float) -> None:
    wall = parse_day(day) * SECONDS_PER_DAY + after
    for ended in (card("a", shutdown_date=day), card("a", last_seen=day)):
        assert at([ended], wall).status(ended) is Lifecycle.DEAD
    early = card("a", shutdown_date=day)
    just_before = parse_day(day) * SECONDS_PER_DAY - 1
    assert at([early], just_before).status(early) is not Lifecycle.DEAD


def test_p2_what_never_existed_is_dead_without_a_date() -> None:
    ghost = card("a", never_existed=True)
    assert at([ghost], parse_day("2025-01-01") * SECONDS_PER_DAY).status(ghost) is Lifecycle.DEAD


@given(card_lists(), moments)
def test_p3_dead_model_names_its_replacement(cards: list[ModelCard], wall: float) -> None:
    catalog = at(cards, wall)
    for dead in catalog.by_status(Lifecycle.DEAD):
        info = catalog.describe(dead)
        assert info.replacement == dead.replacement
        if info.dead_since is not None:
            assert parse_day(info.dead_since) * SECONDS_PER_DAY <= wall
        assert info.warning


@given(card_lists(), moments, st.sampled_from(list(Capability)))
def test_p4_capability_query_is_exact(
    cards: list[ModelCard], wall: float, capability: Capability
) -> None:
    found = {one.id for one in at(cards, wall).with_capability(capability)}
    assert found == {one.id for one in cards if capability in one.capabilities}


@given(card_lists(), moments)
def test_p58_dead_model_is_served_by_its_replacement(cards: list[ModelCard], wall: float) -> None:
    catalog = at(cards, wall)
    for asked in cards:
        found = catalog.resolve(asked)
        path = [asked, *(catalog.get(hop) for hop in found.hops)]
        for here, there in pairwise(path):
            assert here is not None
            assert there is not None
            assert there.id in (here.replacement, here.serves)
        if found.card is not None:
            assert path[-1] == found.card
        if catalog.status(asked) is Lifecycle.DEAD:
            assert found.card != asked
            assert found.warnings


@given(days, st.integers(1, NOTICE_DAYS * SECONDS_PER_DAY))
def test_p59_dying_model_warns(day: str, before: int) -> None:
    ending = card("old", shutdown_date=day, replacement="new")
    catalog = at([ending, card("new")], parse_day(day) * SECONDS_PER_DAY - before)
    assert catalog.status(ending) is Lifecycle.DYING
    warning = catalog.describe(ending).warning
    assert warning is not None
    assert day in warning
    assert "new" in warning
    assert warning in catalog.resolve(ending).warnings


@given(card_lists(cycles=True), moments)
def test_p60_dying_model_gives_the_time_left(cards: list[ModelCard], wall: float) -> None:
    catalog = at(cards, wall)
    for one in cards:
        info = catalog.describe(one)
        if info.status is Lifecycle.DYING:
            assert info.warning
            assert info.seconds_left is not None
            assert info.days_left is not None
            assert 0 < info.seconds_left <= (NOTICE_DAYS + 1) * SECONDS_PER_DAY
            assert 0 < info.days_left <= NOTICE_DAYS
            later = at(cards, wall + info.seconds_left + 1)
            assert later.status(one) is Lifecycle.DEAD
        else:
            assert info.seconds_left is None
            assert info.days_left is None


@given(
    card_lists(cycles=True),
    moments,
    st.dictionaries(
        st.sampled_from([f"m{number}" for number in range(8)]),
        st.builds(ModelOverride, enabled=st.booleans(), dead=st.booleans()),
    ),
)
def test_p61_no_request_reaches_a_dead_model(
    cards: list[ModelCard], wall: float, overrides: dict[str, ModelOverride]
) -> None:
    catalog = at(cards, wall, **overrides)
    for asked in cards:
        served = catalog.resolve(asked).card
        if served is not None:
            assert catalog.status(served) is not Lifecycle.DEAD
            assert catalog.enabled(served)
            assert not overrides.get(served.id, ModelOverride()).dead


@given(days, st.floats(0, 1_000 * SECONDS_PER_DAY), st.sampled_from(list(Category)))
def test_p62_dead_without_replacement_goes_to_the_primary(
    day: str, after: float, category: Category
) -> None:
    ended = card("ended", shutdown_date=day)
    able = card("able", capabilities=frozenset(Capability), context_window=200_000)
    rule = Rule(
        entries=(RuleEntry(model="ended", priority=90), RuleEntry(model="able", priority=9))
    )
    rules = RuleBook(dict.fromkeys(Category, rule))
    catalog = at([ended, able], parse_day(day) * SECONDS_PER_DAY + after)
    assert catalog.resolve(ended).card is None
    found = rules.serving(ended, category, catalog)
    assert found.card == able
    assert found.hops == ("able",)
    assert any("ended" in warning for warning in found.warnings)


@given(card_lists(cycles=True), moments, st.floats(0, 900 * SECONDS_PER_DAY))
def test_transitions_lead_from_the_first_status_to_the_last(
    cards: list[ModelCard], since: float, span: float
) -> None:
    seen = {one.id: at(cards, since).status(one) for one in cards}
    moved = at(cards, since).transitions(since, since + span)
    assert [one.at for one in moved] == sorted(one.at for one in moved)
    for step in moved:
        assert since < step.at <= since + span
        assert seen[step.model] is step.before
        assert step.before is not step.after
        seen[step.model] = step.after
    assert seen == {one.id: at(cards, since + span).status(one) for one in cards}


@given(card_lists(cycles=True), moments, st.lists(st.floats(0, 90 * SECONDS_PER_DAY), max_size=6))
def test_what_is_remembered_for_a_day_is_what_would_be_found_anew(
    cards: list[ModelCard], wall: float, steps: list[float]
) -> None:
    clock = ManualClock(wall=wall)
    lasting = Catalog(cards, clock)
    for step in steps:
        clock.advance(step)
        fresh = Catalog(cards, clock)
        for one in cards:
            assert lasting.status(one) is fresh.status(one)
            assert lasting.resolve(one) == fresh.resolve(one)
