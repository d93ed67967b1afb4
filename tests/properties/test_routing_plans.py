"""P17-P22: what holds of every plan, whatever the state of the world."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config import Rule, RuleEntry
from shared.errors import (
    AllModelsFailed,
    FeatureDisabled,
    InvalidRequest,
    KeyRejected,
    ModelGone,
    Overloaded,
    ProviderFailure,
    QuotaExceeded,
)
from shared.messages import ChatRequest, Need, RequestOptions
from shared.model import Category, Feature, Lifecycle, Limits, ModelCard
from shared.routing.health import Standing
from shared.routing.options import EXPECTED_OUTPUT
from shared.routing.plan import Plan
from tests.support.routing_world import SmallCatalog, World, card, request
from tests.support.virtual_time import ManualClock

PROVIDERS = ("alpha", "beta", "gamma", "local")
FEATURES = (Feature.STREAMING, Feature.TOOLS, Feature.LOGPROBS, Feature.SEED)
FAILURES: tuple[type[ProviderFailure], ...] = (Overloaded, QuotaExceeded, KeyRejected, ModelGone)

cards_st = st.builds(
    lambda provider, number, features, window, tier, quality, rpm, latency: card(
        f"{provider}-m{number}",
        features=features,
        window=window,
        free_tier=tier,
        quality=quality,
        limits=Limits(rpm=rpm),
        latency_ms=latency,
    ),
    st.sampled_from(PROVIDERS),
    st.integers(0, 3),
    st.sets(st.sampled_from(FEATURES)),
    st.sampled_from([None, 500, 8192, 100_000]),
    st.sampled_from(["quota", "credit", "none", "unknown"]),
    st.integers(0, 100),
    st.sampled_from([None, 0, 1, 5, 50]),
    st.integers(1, 5000),
)


@dataclass
class Scene:
    """A world in some state, and a request to it."""

    world: World
    request: ChatRequest
    category: Category


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    cards = draw(st.lists(cards_st, min_size=1, max_size=9, unique_by=lambda one: one.id))
    listed = draw(st.lists(st.sampled_from(cards), min_size=1, max_size=7))
    entries = tuple(RuleEntry(model=one.id, priority=draw(st.integers(0, 1000))) for one in listed)
    pays = draw(st.sets(st.sampled_from(PROVIDERS)))
    off = draw(st.sets(st.sampled_from(PROVIDERS), max_size=2))
    dead = draw(st.sets(st.sampled_from([one.id for one in cards]), max_size=2))
    world = World(
        ManualClock(monotonic=1000.0),
        cards,
        catalog=SmallCatalog(cards, dead),
        rule=Rule(entries=entries),
        pays=lambda name: name in pays,
        enabled=lambda name: name not in off,
    )
    for one, kind, times in draw(
        st.lists(
            st.tuples(st.sampled_from(cards), st.sampled_from(FAILURES), st.integers(1, 4)),
            max_size=4,
        )
    ):
        for _ in range(times):
            world.health.record_failure(one, kind("scripted"), 10.0)
    for one, uses in draw(
        st.lists(st.tuples(st.sampled_from(cards), st.integers(1, 60)), max_size=4)
    ):
        for _ in range(uses):
            world.meter.record(one)
    preferred = tuple(draw(st.sets(st.sampled_from(PROVIDERS), max_size=2)))
    shunned = draw(st.one_of(st.just(set()), st.sets(st.sampled_from(PROVIDERS), max_size=3)))
    options = RequestOptions(
        preferred_providers=preferred,
        shunned_providers=frozenset(shunned).difference(preferred),
        avoid_providers=frozenset(draw(st.sets(st.sampled_from(PROVIDERS), max_size=2))),
        prioritize=draw(st.sampled_from([None, None, "speed", "quality"])),
        fallback=draw(st.sampled_from([True, True, False])),
    )
    names = ["auto", *(one.id for one in cards)]
    asked = request(
        draw(st.sampled_from(names)),
        tokens=draw(st.sampled_from([1, 400, 7000, 90_000, 10**6])),
        max_tokens=draw(st.sampled_from([None, 1, 2000])),
        stream=draw(st.booleans()),
        needs=tuple(Need(f, f.value) for f in sorted(draw(st.sets(st.sampled_from(FEATURES[1:]))))),
        options=options,
    )
    return Scene(world, asked, draw(st.sampled_from([Category.MEDIUM, Category.CODING])))


def plan_of(scene: Scene) -> Plan | None:
    """The plan, or None where the router says clearly that there is none."""
    try:
        return scene.world.router.plan(scene.request, scene.category)
    except (InvalidRequest, AllModelsFailed, FeatureDisabled):
        return None


def could_serve(scene: Scene, one: ModelCard) -> bool:
    """Whether it can take the request at all, wishes and the moment aside."""
    world, asked = scene.world, scene.request
    assert world.catalog is not None
    window = one.context_window
    if window is None:
        window = 10**9 if one.provider == "local" else 8192
    return (
        world.enabled(one.provider)
        and one.id not in world.catalog.dead
        and (
            one.provider == "local"
            or one.free_tier in ("quota", "credit")
            or world.pays(one.provider)
        )
        and all(need.feature in one.features for need in asked.needs)
        and asked.input_tokens + (asked.max_tokens or EXPECTED_OUTPUT) <= window
    )


@settings(deadline=None)
@given(scenes())
def test_p17_usable_primary_is_selected(scene: Scene) -> None:
    scene.request.model = "auto"
    scene.request.options = RequestOptions()
    entries = sorted(scene.world.rules.default.entries, key=lambda entry: -entry.priority)
    primary = next(one for one in scene.world.cards if one.id == entries[0].model)
    usable = (
        could_serve(scene, primary)
        and scene.world.health.standing(primary) is Standing.READY
        and scene.world.meter.utilization(primary) < 0.8
    )
    if usable:
        for _ in range(2):  # the second time out of what the router kept
            plan = plan_of(scene)
            assert plan is not None
            assert plan.chain[0].card is primary


@settings(deadline=None)
@given(scenes())
def test_p18_fallback_chain_ordering(scene: Scene) -> None:
    for _ in range(2):
        plan = plan_of(scene)
        if plan is not None:
            priorities = [candidate.priority for candidate in plan.chain]
            assert priorities == sorted(priorities, reverse=True)
            ids = [candidate.card.id for candidate in plan.chain]
            assert len(ids) == len(set(ids))


@settings(deadline=None)
@given(scenes())
def test_p19_unavailable_primary_is_skipped(scene: Scene) -> None:
    scene.request.model = "auto"
    plan = plan_of(scene)
    if plan is not None:
        standings = [scene.world.health.standing(one.card) for one in plan.chain]
        if Standing.COOLING in standings:
            first = standings.index(Standing.COOLING)
            assert all(standing is Standing.COOLING for standing in standings[first:])


@settings(deadline=None)
@given(scenes())
def test_p20_reason_is_not_empty(scene: Scene) -> None:
    plan = plan_of(scene)
    if plan is not None:
        assert plan.reason.strip()


@settings(deadline=None)
@given(scenes())
def test_p21_latency_estimate_is_positive(scene: Scene) -> None:
    for one in scene.world.cards[:2]:
        scene.world.health.record_success(one, 0.0)
        scene.world.health.record_first_token(one, 0.0)
    plan = plan_of(scene)
    if plan is not None:
        assert plan.estimated_latency_ms > 0


@settings(deadline=None)
@given(scenes())
def test_p22_preferred_provider_is_selected_when_it_can_serve(scene: Scene) -> None:
    scene.request.model = "auto"
    options = scene.request.options
    able = [
        one
        for one in scene.world.cards
        if one.provider in options.preferred_providers
        and one.provider not in options.avoid_providers
        and could_serve(scene, one)
        and scene.world.health.standing(one) is not Standing.COOLING
    ]
    if able:
        plan = plan_of(scene)
        assert plan is not None
        assert plan.chain[0].card.provider in options.preferred_providers


@settings(deadline=None)
@given(scenes())
def test_a_provider_avoided_softly_comes_first_only_where_nobody_else_can_serve(
    scene: Scene,
) -> None:
    """The contract, Chat: avoided in the stored preferences is soft."""
    scene.request.model = "auto"
    options = scene.request.options
    others = [
        one
        for one in scene.world.cards
        if one.provider not in options.shunned_providers
        and one.provider not in options.avoid_providers
        and could_serve(scene, one)
        and scene.world.health.standing(one) is not Standing.COOLING
    ]
    plan = plan_of(scene)
    if others:
        assert plan is not None
        assert plan.chain[0].card.provider not in options.shunned_providers
    elif plan is not None and plan.chain[0].card.provider in options.shunned_providers:
        assert "a provider you avoid" in plan.reason


@settings(deadline=None)
@given(scenes())
def test_every_plan_holds_only_who_can_serve(scene: Scene) -> None:
    """P61, the contract's Money and avoid_providers."""
    plan = plan_of(scene)
    if plan is None:
        return
    for candidate in plan.chain:
        one = candidate.card
        by_name = one.id == scene.request.model
        assert candidate.status is not Lifecycle.DEAD
        assert one.provider not in scene.request.options.avoid_providers
        if not by_name:
            assert could_serve(scene, one)
        else:
            assert all(need.feature in one.features for need in scene.request.needs)
            paying = one.provider == "local" or scene.world.pays(one.provider)
            assert one.free_tier != "none" or paying
    if not scene.request.options.fallback:
        assert len(plan.chain) == 1


@settings(deadline=None)
@given(scenes())
def test_auto_fails_only_where_nobody_can_serve(scene: Scene) -> None:
    scene.request.model = "auto"
    avoided = scene.request.options.avoid_providers
    able = [
        one for one in scene.world.cards if could_serve(scene, one) and one.provider not in avoided
    ]
    plan = plan_of(scene)
    assert (plan is None) is (not able)
