"""Queries, overrides and the local models of the registry."""

from __future__ import annotations

import pytest

from shared.catalog.lifecycle import SECONDS_PER_DAY, parse_day
from shared.catalog.registry import Catalog, local_card
from shared.catalog.rules import RuleBook
from shared.config import ModelOverride, Rule, RuleEntry
from shared.model import Capability, Category, Feature, Lifecycle
from tests.support.catalog_cards import card
from tests.support.virtual_time import ManualClock

NOON = parse_day("2026-11-23") * SECONDS_PER_DAY + SECONDS_PER_DAY // 2


def catalog(*cards: object, **overrides: ModelOverride) -> Catalog:
    return Catalog(cards, ManualClock(wall=NOON), overrides)  # type: ignore[arg-type]


def test_find_takes_a_catalog_id_then_every_provider_of_an_id() -> None:
    plain = card("x", provider_model_id="vendor/one")
    better = card("b", provider="huggingface", provider_model_id="vendor/one", quality=80)
    equal = card("a", provider="cerebras", provider_model_id="vendor/one")
    named_like_it = card("vendor/two", provider_model_id="other")
    shadowed = card("y", provider_model_id="vendor/two")
    found = catalog(plain, better, equal, named_like_it, shadowed)
    assert [one.id for one in found.find("vendor/one")] == ["b", "a", "x"]
    assert found.find("x") == (plain,)
    assert found.find("vendor/two") == (named_like_it,)
    assert found.find("nothing") == ()
    assert found.get("vendor/one") is None


def test_elsewhere_is_the_same_model_at_other_providers() -> None:
    here = card("x", name="GPT")
    there = card("y", name="GPT", provider="huggingface")
    sibling = card("z", name="GPT")
    assert catalog(here, there, sibling, card("other")).elsewhere(here) == (there,)


def test_queries_by_provider_and_status() -> None:
    dead = card("dead", shutdown_date="2026-01-01")
    dying = card("dying", shutdown_date="2026-12-23")
    living = card("living", provider="google", shutdown_date="2026-12-24")
    found = catalog(dead, dying, living)
    assert found.by_status(Lifecycle.DEAD) == (dead,)
    assert found.by_status(Lifecycle.DYING) == (dying,)
    assert found.by_status(Lifecycle.ACTIVE) == (living,)
    assert found.by_provider("google") == (living,)
    assert found.all() == (dead, dying, living)


def test_a_rerouted_id_works_until_its_day_and_is_its_target_from_then_on() -> None:
    old = card("old", serves="new", serves_from="2026-11-25", provider="google")
    new = card("new", shutdown_date="2027-01-10", replacement="newest")
    clock = ManualClock(wall=NOON)
    found = Catalog([old, new, card("newest")], clock)
    assert found.resolve(old).card == old
    assert found.resolve(old).warnings == ("From 2026-11-25 on, google answers old with new.",)
    assert found.describe(old).served_by is None

    clock.advance(2 * SECONDS_PER_DAY)
    assert found.status(old) is Lifecycle.ACTIVE
    assert found.describe(old).served_by == "new"
    assert found.resolve(old).card == new
    assert found.resolve(old).hops == ("new",)
    assert found.resolve(old).warnings == ("google answers old with new since 2026-11-25.",)

    clock.advance(20 * SECONDS_PER_DAY)
    assert found.status(old) is Lifecycle.DYING
    assert found.describe(old).days_left == 26
    assert found.resolve(old).warnings[-1].startswith("new ends on 2027-01-10, in 26 days")

    clock.advance(28 * SECONDS_PER_DAY)
    assert found.status(old) is Lifecycle.DEAD
    assert found.resolve(old).hops == ("new", "newest")


def test_overrides_win() -> None:
    a, b, c = card("a", replacement="b"), card("b"), card("c")
    marked = catalog(a, b, c, a=ModelOverride(dead=True, replacement="c"))
    assert marked.status(a) is Lifecycle.DEAD
    assert marked.resolve(a).card == c
    assert "administrator" in marked.resolve(a).warnings[0]
    assert marked.describe(marked.all()[0]).replacement == "c"

    vision = frozenset({Capability.VISION})
    able = catalog(a, b, c, a=ModelOverride(capabilities=vision))
    assert [one.id for one in able.with_capability(Capability.VISION)] == ["a"]
    assert "a" not in [one.id for one in able.with_capability(Capability.TEXT)]


def test_a_disabled_model_is_passed_over() -> None:
    a, b = card("a", replacement="b"), card("b")
    found = catalog(a, b, a=ModelOverride(enabled=False))
    assert not found.enabled(a)
    assert found.enabled(b)
    assert found.status(a) is Lifecycle.ACTIVE
    assert found.resolve(a).card == b
    assert found.resolve(a).warnings == (
        "a is switched off by the administrator; b is used instead.",
    )
    assert catalog(b, b=ModelOverride(enabled=False)).resolve(b).card is None


def test_replace_keeps_what_is_not_given() -> None:
    found = catalog(card("a"))
    local = local_card("llama3:8b")
    with_local = found.replace(extra_cards=[local])
    assert with_local.get("local-llama3:8b") == local
    assert found.get("local-llama3:8b") is None
    marked = with_local.replace(overrides={"a": ModelOverride(dead=True)})
    assert marked.get("local-llama3:8b") == local
    assert marked.status(card("a")) is Lifecycle.DEAD
    assert marked.replace(extra_cards=[]).status(card("a")) is Lifecycle.DEAD


def test_local_models_are_text_and_streaming_unless_told_otherwise() -> None:
    plain = local_card("llama3:8b")
    assert plain.id == "local-llama3:8b"
    assert plain.provider == "local"
    assert plain.provider_model_id == "llama3:8b"
    assert plain.capabilities == {Capability.TEXT}
    assert plain.features == {Feature.STREAMING}
    seeing = frozenset({Capability.TEXT, Capability.VISION})
    override = ModelOverride(capabilities=seeing)
    assert local_card("llava", override).capabilities == seeing
    found = catalog().replace(
        extra_cards=[local_card("llava")], overrides={"local-llava": override}
    )
    assert found.with_capability(Capability.VISION)[0].id == "local-llava"


def test_a_server_that_lists_a_model_twice_is_no_error() -> None:
    found = catalog().replace(extra_cards=[local_card(name) for name in ("b", "a", "b")])
    assert sorted(one.id for one in found.all()) == ["local-a", "local-b"]


def test_a_card_that_left_the_catalog_is_judged_by_its_own_dates() -> None:
    found = catalog(card("a"))
    gone = card("gone", shutdown_date="2026-01-01")
    assert found.status(card("left")) is Lifecycle.ACTIVE
    assert found.resolve(card("left")).card == card("left")
    assert found.status(gone) is Lifecycle.DEAD
    assert found.resolve(gone).card is None
    assert found.describe(gone).dead_since == "2026-01-01"


def test_what_cannot_be_a_catalog_is_an_error() -> None:
    with pytest.raises(ValueError, match="given twice"):
        catalog(card("a"), card("a"))
    with pytest.raises(ValueError, match="is not a day"):
        catalog(card("a", shutdown_date="2026-1-1"))


def test_transitions_have_their_midnight() -> None:
    found = catalog(card("a", shutdown_date="2026-12-31"), card("b", last_seen="2026-12-01"))
    steps = found.transitions(NOON, NOON + 60 * SECONDS_PER_DAY)
    assert [(one.model, one.before, one.after) for one in steps] == [
        ("a", Lifecycle.ACTIVE, Lifecycle.DYING),
        ("b", Lifecycle.ACTIVE, Lifecycle.DEAD),
        ("a", Lifecycle.DYING, Lifecycle.DEAD),
    ]
    assert [one.at / SECONDS_PER_DAY for one in steps] == [
        parse_day("2026-12-01"),
        parse_day("2026-12-01"),
        parse_day("2026-12-31"),
    ]
    assert found.transitions(NOON, NOON + 3600) == []


def rule(*entries: tuple[str, int]) -> Rule:
    return Rule(entries=tuple(RuleEntry(model=name, priority=rank) for name, rank in entries))


def test_rules_are_sorted_and_replaced_whole() -> None:
    defaults = dict.fromkeys(Category, rule(("b", 1), ("a", 9), ("c", 1)))
    book = RuleBook(defaults)
    assert [one.model for one in book.rule(Category.CODING).entries] == ["a", "b", "c"]
    changed = book.replace({Category.CODING: rule(("z", 3))})
    assert [one.model for one in changed.rule(Category.CODING).entries] == ["z"]
    assert changed.rule(Category.SIMPLE) == book.rule(Category.SIMPLE)
    with pytest.raises(ValueError, match="no rule for"):
        RuleBook({Category.CODING: rule(("a", 1))})


def test_the_stand_in_is_the_first_entry_that_still_leads_somewhere() -> None:
    ended = card("ended", shutdown_date="2026-01-01")
    book = RuleBook(dict.fromkeys(Category, rule(("missing", 9), ("ended", 8), ("alive", 7))))
    found = catalog(ended, card("alive"))
    assert book.stand_in(Category.SIMPLE, found).card == card("alive")
    assert book.stand_in(Category.VISION_IN, found).card is None
    assert book.serving(ended, Category.VISION_IN, found).card is None
    assert book.serving(card("alive"), Category.SIMPLE, found).hops == ()
