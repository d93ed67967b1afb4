"""The router: names, money, fields, windows, wishes, conditions, and what it says when it can't."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from shared.config import Condition, Rule, RuleEntry
from shared.errors import (
    AllModelsFailed,
    FeatureDisabled,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    QuotaExceeded,
)
from shared.messages import Need, RequestOptions
from shared.model import Capability, Category, Feature, Lifecycle, Limits, ModelCard
from shared.routing.plan import Plan
from tests.support.routing_world import (
    STANDARD,
    SmallCatalog,
    SmallRules,
    World,
    card,
    request,
    rule,
)
from tests.support.virtual_time import ManualClock

A, B, C = card("alpha-one"), card("beta-one"), card("gamma-one")
MEDIUM = Category.MEDIUM


def world(
    cards: Iterable[ModelCard] = (A, B, C),
    *,
    catalog: SmallCatalog | None = None,
    by: Rule | None = None,
    paying: Iterable[str] = (),
    disabled: Iterable[str] = (),
) -> World:
    paid, off = set(paying), set(disabled)
    chosen = list(cards)
    return World(
        ManualClock(monotonic=500.0),
        chosen,
        catalog=catalog or SmallCatalog(chosen),
        rule=by or rule(*(one.id for one in chosen)),
        pays=lambda name: name in paid,
        enabled=lambda name: name not in off,
    )


def ids(plan: Plan) -> list[str]:
    return [candidate.card.id for candidate in plan.chain]


# ------------------------------------------------------------------------------------- names


def test_auto_follows_the_rule() -> None:
    plan = world().router.plan(request(), MEDIUM)
    assert ids(plan) == ["alpha-one", "beta-one", "gamma-one"]
    assert plan.reason == "MEDIUM: Alpha-One at alpha is the first choice"
    assert not plan.named


@pytest.mark.parametrize("name", ["auto:coding", "AUTO:CODING", "Auto:Coding"])
def test_an_alias_names_the_category(name: str) -> None:
    here = world()
    here.rules.own[Category.CODING] = rule("gamma-one", "alpha-one")
    plan = here.router.plan(request(name), MEDIUM)
    assert plan.category is Category.CODING
    assert ids(plan)[0] == "gamma-one"


@pytest.mark.parametrize("name", ["auto:poetry", "nobody-9", "automatic", "", "auto:\x00"])
def test_an_unknown_name_is_a_404(name: str) -> None:
    with pytest.raises(ModelNotFound) as told:
        world().router.plan(request(name), MEDIUM)
    assert told.value.param == "model"


def test_a_named_model_comes_before_its_twin_and_the_chain() -> None:
    twin = card("delta-g1", own_id="org/gamma-one-instruct")
    plan = world([A, B, C, twin], by=rule("alpha-one", "beta-one")).router.plan(
        request("gamma-one"), MEDIUM
    )
    assert ids(plan) == ["gamma-one", "delta-g1", "alpha-one", "beta-one"]
    assert plan.named
    assert plan.waits_for_head
    assert plan.reason == "Gamma-One at gamma was asked for"
    priorities = [candidate.priority for candidate in plan.chain]
    assert priorities == sorted(priorities, reverse=True)


def test_a_named_model_is_not_blamed_for_what_no_model_takes() -> None:
    here = world([A, card("beta-one", features={*STANDARD, Feature.LOGPROBS})])
    needs = (Need(Feature.LOGPROBS, "logprobs"), Need(Feature.N, "n"))
    with pytest.raises(InvalidRequest, match="the available models cannot honour n") as told:
        here.router.plan(request("alpha-one", needs=needs), MEDIUM)
    assert told.value.param == "n"


def test_a_providers_own_id_means_everybody_who_has_it() -> None:
    one = card("delta-x", own_id="org/x", quality=60)
    two = card("epsilon-x", own_id="org/x", quality=80)
    here = world([A, one, two], by=rule("alpha-one"))
    assert ids(here.router.plan(request("org/x"), MEDIUM)) == ["epsilon-x", "delta-x", "alpha-one"]
    here.health.record_failure(two, QuotaExceeded("", wait_s=60.0), 1.0)
    assert ids(here.router.plan(request("org/x"), MEDIUM))[0] == "delta-x"


def test_a_dead_model_is_replaced_with_a_warning() -> None:
    old = card("alpha-old", replacement="beta-one", free_tier="none")
    catalog = SmallCatalog([old, A, B, C], dead=["alpha-old"])
    here = world([old, A, B, C], catalog=catalog, by=rule("alpha-one", "gamma-one"))
    plan = here.router.plan(request("alpha-old"), MEDIUM)
    assert ids(plan) == ["beta-one", "alpha-one", "gamma-one"]
    assert plan.warnings == ("alpha-old is gone; beta-one replaces it",)
    alone = request("alpha-old", options=RequestOptions(fallback=False))
    assert ids(here.router.plan(alone, MEDIUM)) == ["beta-one"]


@pytest.mark.parametrize("fallback", [True, False])
def test_a_dead_model_without_replacement_leads_to_the_categorys_primary(fallback: bool) -> None:
    old = card("alpha-old")
    catalog = SmallCatalog([old, A, B], dead=["alpha-old"])
    here = world([old, A, B], catalog=catalog, by=rule("beta-one", "alpha-one"))
    asked = request("alpha-old", options=RequestOptions(fallback=fallback))
    plan = here.router.plan(asked, MEDIUM)
    assert ids(plan)[0] == "beta-one"
    assert plan.warnings


def test_dead_entries_of_a_rule_resolve_without_doubles() -> None:
    old = card("alpha-old", replacement="beta-one")
    catalog = SmallCatalog([old, A, B], dead=["alpha-old"])
    plan = world([old, A, B], catalog=catalog, by=rule("alpha-old", "alpha-one", "beta-one"))
    assert ids(plan.router.plan(request(), MEDIUM)) == ["beta-one", "alpha-one"]


@pytest.mark.parametrize(
    ("made", "hint"),
    [
        (Capability.AUDIO_OUT, "/v1/audio/speech"),
        (Capability.EMBEDDING, "/v1/embeddings"),
        (Capability.IMAGE_GEN, "/v1/images/generations"),
    ],
)
def test_a_named_model_that_cannot_chat_says_what_it_is_for(made: Capability, hint: str) -> None:
    other = card("delta-other", capabilities=[made])
    with pytest.raises(InvalidRequest, match=hint) as told:
        world([A, B, other], by=rule("alpha-one")).router.plan(request("delta-other"), MEDIUM)
    assert told.value.param == "model"


def test_auto_never_asks_guards_or_models_for_other_things() -> None:
    guard = card("delta-guard", chat=False, quality=99)
    painter = card("delta-paint", capabilities=[Capability.TEXT, Capability.IMAGE_GEN], quality=99)
    here = world([A, guard, painter], by=rule("alpha-one"))
    assert ids(here.router.plan(request(), MEDIUM)) == ["alpha-one"]
    assert ids(here.router.plan(request("delta-guard"), MEDIUM))[0] == "delta-guard"


# ------------------------------------------------------------------------------------- money


@pytest.mark.parametrize("tier", ["none", "unknown"])
def test_auto_skips_what_has_no_free_tier_unless_its_provider_pays(tier: str) -> None:
    dear = card("alpha-dear", free_tier=tier)
    by = rule("alpha-dear", "beta-one")
    assert ids(world([dear, B], by=by).router.plan(request(), MEDIUM)) == ["beta-one"]
    rich = world([dear, B], by=by, paying=["alpha"])
    assert ids(rich.router.plan(request(), MEDIUM)) == ["alpha-dear", "beta-one"]


def test_a_paid_model_by_name_is_a_403_that_names_the_setting() -> None:
    dear = card("alpha-dear", free_tier="none")
    with pytest.raises(FeatureDisabled, match="PAID_PROVIDERS"):
        world([dear, B], by=rule("beta-one")).router.plan(request("alpha-dear"), MEDIUM)


def test_a_disabled_provider_is_skipped_and_said_by_name() -> None:
    here = world(disabled=["alpha"])
    assert ids(here.router.plan(request(), MEDIUM)) == ["beta-one", "gamma-one"]
    plan = here.router.plan(request("alpha-one"), MEDIUM)
    assert ids(plan) == ["beta-one", "gamma-one"]
    assert "switched off" in plan.warnings[0]
    with pytest.raises(FeatureDisabled, match="ALPHA_API_KEY"):
        here.router.plan(request("alpha-one", options=RequestOptions(fallback=False)), MEDIUM)
    with pytest.raises(AllModelsFailed):
        world(disabled=["alpha", "beta", "gamma"]).router.plan(request(), MEDIUM)


# ------------------------------------------------------------------------- fields and windows


def test_a_field_moves_routing_to_a_model_that_honours_it() -> None:
    logging = card("delta-logs", features=[Feature.LOGPROBS], quality=70)
    lesser = card("epsilon-logs", features=[Feature.LOGPROBS], quality=60)
    here = world([A, B, logging, lesser], by=rule("alpha-one", "beta-one"))
    needs = (Need(Feature.LOGPROBS, "logprobs"),)
    assert ids(here.router.plan(request(needs=needs), MEDIUM)) == ["delta-logs", "epsilon-logs"]
    plan = here.router.plan(request("alpha-one", needs=needs), MEDIUM)
    assert ids(plan)[0] == "delta-logs"
    assert "logprobs" in plan.warnings[0]
    with pytest.raises(InvalidRequest, match="logprobs") as told:
        here.router.plan(
            request("alpha-one", needs=needs, options=RequestOptions(fallback=False)), MEDIUM
        )
    assert told.value.param == "logprobs"


def test_a_field_nobody_honours_is_a_400_that_names_it() -> None:
    with pytest.raises(InvalidRequest, match="logprobs") as told:
        world().router.plan(request(needs=(Need(Feature.LOGPROBS, "logprobs"),)), MEDIUM)
    assert told.value.param == "logprobs"


def test_fields_nobody_honours_together() -> None:
    one = card("alpha-a", features=[Feature.N])
    two = card("beta-b", features=[Feature.SEED])
    needs = (Need(Feature.N, "n"), Need(Feature.SEED, "seed"))
    with pytest.raises(InvalidRequest, match="n, seed together"):
        world([one, two]).router.plan(request(needs=needs), MEDIUM)


def test_reasoning_effort_is_honoured_by_value() -> None:
    low = card("alpha-low", features=[Feature.REASONING_EFFORT], efforts=("low",))
    high = card("beta-high", features=[Feature.REASONING_EFFORT], efforts=("low", "high"))
    here = world([low, high])
    needs = (Need(Feature.REASONING_EFFORT, "reasoning_effort"),)
    assert ids(here.router.plan(request(needs=needs, effort="high"), MEDIUM)) == ["beta-high"]
    assert len(ids(here.router.plan(request(needs=needs, effort="low"), MEDIUM))) == 2
    with pytest.raises(InvalidRequest, match="xhigh"):
        here.router.plan(request(needs=needs, effort="xhigh"), MEDIUM)


def test_windows_hold_prompt_and_answer() -> None:
    small = card("alpha-small", window=1000)
    free = card("beta-free", window=1_000_000, window_free=2000)
    large = card("gamma-large", window=4000)
    cards = [small, free, large]
    here = world(cards)
    assert ids(here.router.plan(request(tokens=300), MEDIUM))[0] == "alpha-small"
    assert ids(here.router.plan(request(tokens=900), MEDIUM))[0] == "beta-free"
    assert ids(here.router.plan(request(tokens=900, max_tokens=3000), MEDIUM)) == ["gamma-large"]
    rich = world(cards, paying=["beta"])
    assert ids(rich.router.plan(request(tokens=500_000), MEDIUM)) == ["beta-free"]
    with pytest.raises(InvalidRequest) as told:
        here.router.plan(request(tokens=500_000), MEDIUM)
    assert told.value.param == "messages"
    with pytest.raises(InvalidRequest) as told:
        here.router.plan(request(tokens=2000, max_tokens=3000), MEDIUM)
    assert told.value.param == "max_tokens"


def test_a_named_model_with_too_small_a_window_gives_way_with_a_warning() -> None:
    small = card("alpha-small", window=1000)
    plan = world([small, B]).router.plan(request("alpha-small", tokens=5000), MEDIUM)
    assert ids(plan) == ["beta-one"]
    assert "window" in plan.warnings[0]


def test_one_request_over_the_limit_of_a_minute_comes_later() -> None:
    tight = card("alpha-tight", limits=Limits(tpm=6000))
    here = world([tight, B])
    assert ids(here.router.plan(request(tokens=8000), MEDIUM)) == ["beta-one", "alpha-tight"]
    assert ids(here.router.plan(request(tokens=800), MEDIUM))[0] == "alpha-tight"


# ------------------------------------------------------------------------------------ wishes


def test_preferred_providers_join_best_first() -> None:
    best, good = card("delta-best", quality=90), card("delta-good", quality=70)
    here = world([A, B, good, best], by=rule("alpha-one", "beta-one"))
    asked = request(options=RequestOptions(preferred_providers=("delta",)))
    plan = here.router.plan(asked, MEDIUM)
    assert ids(plan) == ["delta-best", "delta-good", "alpha-one", "beta-one"]
    assert "preferred" in plan.reason


def test_avoided_providers_are_out() -> None:
    here = world()
    asked = request(options=RequestOptions(avoid_providers=frozenset({"alpha"})))
    assert ids(here.router.plan(asked, MEDIUM)) == ["beta-one", "gamma-one"]
    assert ids(here.router.plan(request(), MEDIUM))[0] == "alpha-one"
    everybody = frozenset({"alpha", "beta", "gamma"})
    for model in ("auto", "alpha-one"):
        with pytest.raises(AllModelsFailed, match="avoid_providers"):
            here.router.plan(
                request(model, options=RequestOptions(avoid_providers=everybody)), MEDIUM
            )


def test_speed_and_quality_come_first_when_asked_for() -> None:
    fast = card("alpha-fast", latency_ms=100, quality=10)
    good = card("beta-good", latency_ms=3000, quality=95)
    here = world([card("gamma-mid", latency_ms=900), fast, good])

    def head(wish: str) -> str:
        return ids(here.router.plan(request(options=RequestOptions(prioritize=wish)), MEDIUM))[0]

    assert head("speed") == "alpha-fast"
    assert head("quality") == "beta-good"
    assert ids(here.router.plan(request(), MEDIUM))[0] == "gamma-mid"
    for _ in range(30):
        here.health.record_success(fast, 60_000.0)
    assert head("speed") != "alpha-fast"


def test_the_users_own_server_is_last() -> None:
    own = card("local-llama", quality=99, window=None)
    here = world([own, A, B], by=rule("alpha-one", "beta-one"))
    assert ids(here.router.plan(request(), MEDIUM)) == ["alpha-one", "beta-one", "local-llama"]
    here.meter.record(A)
    alone = world([own, A], by=rule("alpha-one"), disabled=["alpha"])
    assert ids(alone.router.plan(request(tokens=50_000), MEDIUM)) == ["local-llama"]


# ------------------------------------------------------------------------------ the moment


def test_health_and_use_move_models() -> None:
    tight = card("alpha-one", limits=Limits(rpm=10))
    here = world([tight, B, C])
    for _ in range(7):
        here.meter.record(tight)
    assert ids(here.router.plan(request(), MEDIUM))[0] == "alpha-one"
    here.meter.record(tight)
    plan = here.router.plan(request(), MEDIUM)
    assert ids(plan) == ["beta-one", "gamma-one", "alpha-one"]
    assert "80%" in plan.reason
    here.health.record_failure(B, Overloaded(""), 1.0)
    assert ids(here.router.plan(request(), MEDIUM)) == ["gamma-one", "beta-one", "alpha-one"]
    here.health.record_failure(C, QuotaExceeded(""), 1.0)
    assert ids(here.router.plan(request(), MEDIUM)) == ["beta-one", "alpha-one", "gamma-one"]


def test_others_join_when_too_few_can_be_asked_now() -> None:
    spare = card("delta-spare", quality=40)
    here = world([A, B, spare], by=rule("alpha-one", "beta-one"))
    assert "delta-spare" not in ids(here.router.plan(request(), MEDIUM))
    here.health.record_failure(A, QuotaExceeded(""), 1.0)
    here.health.record_failure(B, QuotaExceeded(""), 1.0)
    assert ids(here.router.plan(request(), MEDIUM))[0] == "delta-spare"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(field="TOKEN_COUNT", op="GT", value=50), True),
        (Condition(field="TOKEN_COUNT", op="LT", value=50), False),
        (Condition(field="TOKEN_COUNT", op="EQ", value=100), True),
        (Condition(field="TOKEN_COUNT", op="IN", value=[1, 100]), True),
        (Condition(field="TIME_OF_DAY", op="EQ", value=12), True),
        (Condition(field="TIME_OF_DAY", op="GT", value=12), False),
        (Condition(field="TIME_OF_DAY", op="IN", value=[11, 12]), True),
        (Condition(field="USER_TIER", op="EQ", value="gold"), True),
        (Condition(field="USER_TIER", op="IN", value=["free"]), False),
        (Condition(field="USER_TIER", op="GT", value="free"), False),
        (Condition(field="PROVIDER_AVAILABLE", op="EQ", value="beta"), True),
        (Condition(field="PROVIDER_AVAILABLE", op="EQ", value="gamma"), False),
        (Condition(field="PROVIDER_AVAILABLE", op="IN", value=["gamma", "beta"]), True),
        (Condition(field="PROVIDER_AVAILABLE", op="EQ", value=True), True),
        (Condition(field="PROVIDER_AVAILABLE", op="EQ", value=False), False),
        (Condition(field="PROVIDER_AVAILABLE", op="GT", value="beta"), False),
    ],
)
def test_conditions(condition: Condition, holds: bool) -> None:
    by = Rule(
        entries=(
            RuleEntry(model="alpha-one", priority=100, conditions=(condition,)),
            RuleEntry(model="beta-one", priority=50),
            RuleEntry(model="alpha-one", priority=10),
        )
    )
    plan = world([A, B], by=by, disabled=["gamma"]).router.plan(request(), MEDIUM, tier="gold")
    assert ids(plan) == (["alpha-one", "beta-one"] if holds else ["beta-one", "alpha-one"])


def test_a_provider_another_instance_closed_is_not_available() -> None:
    condition = Condition(field="PROVIDER_AVAILABLE", op="EQ", value="beta")
    by = Rule(
        entries=(
            RuleEntry(model="alpha-one", priority=100, conditions=(condition,)),
            RuleEntry(model="gamma-one", priority=50),
        )
    )
    here = world([A, B, C], by=by)
    assert ids(here.router.plan(request(), MEDIUM))[0] == "alpha-one"
    here.meter.closed_providers.add("beta")
    assert ids(here.router.plan(request(), MEDIUM))[0] == "gamma-one"


# -------------------------------------------------------------------------------- what is kept


def test_a_kept_plan_gives_way_to_every_change() -> None:
    here = world()
    first = here.router.plan(request(), MEDIUM)
    again = here.router.plan(request(), MEDIUM)
    assert again is not first
    assert again.chain is first.chain
    here.health.record_failure(A, QuotaExceeded(""), 1.0)
    assert ids(here.router.plan(request(), MEDIUM))[0] == "beta-one"
    fresh = world()
    fresh.router.plan(request(), MEDIUM)
    fresh.rules.default = rule("gamma-one", "beta-one")
    assert ids(fresh.router.plan(request(), MEDIUM)) == ["gamma-one", "beta-one"]
    fresh.router.replace(SmallCatalog([A, B]), SmallRules(rule("beta-one", "alpha-one")))
    assert ids(fresh.router.plan(request(), MEDIUM)) == ["beta-one", "alpha-one"]


def test_the_turn_of_the_day_is_noticed() -> None:
    old = card("alpha-old", replacement="gamma-one")
    catalog = SmallCatalog([old, B, C])
    here = world([old, B, C], catalog=catalog, by=rule("alpha-old", "beta-one"))
    assert ids(here.router.plan(request(), MEDIUM)) == ["alpha-old", "beta-one"]
    catalog.dead.add("alpha-old")
    assert isinstance(here.clock, ManualClock)
    here.clock.advance(86_400)
    assert ids(here.router.plan(request(), MEDIUM)) == ["gamma-one", "beta-one"]


def test_media_categories_have_a_plan_too() -> None:
    painter = card("alpha-paint", capabilities=[Capability.IMAGE_GEN])
    here = world([painter, B], by=rule("beta-one"))
    here.rules.own[Category.IMAGE_GEN] = rule("alpha-paint")
    plan = here.router.plan(request(), Category.IMAGE_GEN)
    assert ids(plan) == ["alpha-paint"]
    assert plan.estimated_latency_ms > 0
    assert plan.chain[0].status is Lifecycle.ACTIVE
    assert ids(here.router.plan(request("beta-one"), Category.IMAGE_GEN)) == ["beta-one"]
