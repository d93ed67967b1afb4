"""Sizes of leases, alerts, the document as text, bounds of the store's time, limits joined."""

from __future__ import annotations

import pytest

from shared.config import LimitOverride
from shared.errors import StoreUnavailable
from shared.limits.effective import EffectiveLimits
from shared.limits.quota_alerts import crossing
from shared.limits.quota_grant import Demand, Waiting, size_lease
from shared.limits.quota_limits import QuotaLimits, ScopeLimits
from shared.limits.quota_rules import (
    NEVER,
    UNBOUNDED,
    earliest,
    gauges,
    settle,
    share,
)
from shared.limits.quota_state import PROVIDER, Amount, Grant, QuotaState
from shared.limits.quota_text import read_state, write_state
from shared.limits.quota_time import (
    ROLLING,
    StoreClock,
)
from shared.model import Limits
from tests.support.catalog_cards import card

NOW = 1_795_435_200_000  # 2026-11-23T12:00:00Z
PACIFIC = "America/Los_Angeles"


def used(*stamps: int, tokens: int = 100) -> QuotaState:
    """One request of the model ``m`` at each of these moments."""
    state = QuotaState()
    for stamp in stamps:
        settle(state, "i", {"m": {0: [stamp, 1, tokens, 0]}}, Amount(), {})
    return state


# ------------------------------------------------------------------------------------ lease sizes


def one(cost: Amount = Amount(1, 100), bulk: bool = False) -> list[Waiting]:  # noqa: B008
    return [Waiting(cost, bulk)]


def test_an_instance_alone_takes_what_waits_and_half_of_what_it_expects() -> None:
    state, ceiling = QuotaState(), ScopeLimits(rpm=30)
    demand = Demand(ScopeLimits(), one(), ahead=100.0, mean_tokens=100.0)
    size = size_lease(state, NOW, "i", ceiling, {"m": demand}, 0.2)
    assert size is not None
    assert size.whole.amount.requests == 15
    assert size.models["m"].amount.requests == 15
    assert size.whole.amount.tokens == UNBOUNDED
    waiting = Demand(ScopeLimits(), one() * 40)
    size = size_lease(state, NOW, "i", ceiling, {"m": waiting}, 0.2)
    assert size is not None
    assert size.whole.amount.requests == 30


def test_of_three_each_takes_a_third_and_at_least_what_one_request_needs() -> None:
    state, ceiling = QuotaState(), ScopeLimits(rpm=30)
    for holder in ("a", "b"):
        state.held[holder] = Grant(1, NOW + 5000, Amount(0))
    demand = Demand(ScopeLimits(), one() * 40, ahead=100.0)
    size = size_lease(state, NOW, "i", ceiling, {"m": demand}, 0.2)
    assert size is not None
    assert size.whole.amount.requests == 10
    state.held["a"].whole = Amount(29)
    size = size_lease(state, NOW, "i", ceiling, {"m": demand}, 0.2)
    assert size is not None
    assert size.whole.amount.requests == 1


def test_a_lease_holds_no_more_requests_than_its_tokens_will_do_for() -> None:
    limits = ScopeLimits(rpm=30, tpm=8000)
    demand = Demand(limits, one(Amount(1, 2000)), ahead=20.0, mean_tokens=2000.0)
    size = size_lease(QuotaState(), NOW, "i", ScopeLimits(rpm=30), {"m": demand}, 0.0)
    assert size is not None
    assert size.models["m"].amount == Amount(2, 4000, UNBOUNDED)
    assert size.whole.amount.requests == 2


def test_nothing_is_granted_where_nothing_that_waits_fits() -> None:
    limits = ScopeLimits(tpm=1000)
    demand = Demand(limits, one(Amount(1, 1001)))
    assert size_lease(QuotaState(), NOW, "i", ScopeLimits(), {"m": demand}, 0.0) is None
    both = {"m": demand, "n": Demand(ScopeLimits(rpm=1), one())}
    size = size_lease(QuotaState(), NOW, "i", ScopeLimits(), both, 0.0)
    assert size is not None
    assert size.models["n"].amount.requests == 1


def test_bulk_work_leaves_the_floor_untouched() -> None:
    ceiling = ScopeLimits(rpm=10)
    demand = Demand(ScopeLimits(), one(bulk=True) * 20)
    size = size_lease(QuotaState(), NOW, "i", ceiling, {"m": demand}, 0.2)
    assert size is not None
    assert size.whole.amount.requests - size.whole.kept.requests == 8
    state = used(*[NOW] * 8)
    assert size_lease(state, NOW, "i", ceiling, {"m": demand}, 0.2) is None
    assert size_lease(state, NOW, "i", ceiling, {"m": Demand(ScopeLimits(), one())}, 0.2)
    assert earliest(state, PROVIDER, ceiling, NOW, Amount(1), floor=0.2) == NOW + 60_000


# ------------------------------------------------------------------------------- shares and alerts


def test_a_limit_of_zero_is_full() -> None:
    rows = gauges(QuotaState(), "m", ScopeLimits(rpm=0), NOW)
    assert share(rows) == (1.0, "rpm")
    assert earliest(QuotaState(), "m", ScopeLimits(rpm=0), NOW, Amount(1)) == NEVER


def test_an_alert_is_told_once_a_crossing() -> None:
    limits = ScopeLimits(rpm=10)
    state = used(*[NOW] * 8)
    assert crossing(state, "groq", "m", limits, NOW) is None  # 80 % is not above 80 %
    state = used(*[NOW] * 9)
    alert = crossing(state, "groq", "m", limits, NOW)
    assert alert is not None
    assert (alert.provider, alert.model, alert.dimension, alert.used_share) == (
        "groq", "m", "rpm", 0.9,
    )  # fmt: skip
    assert crossing(state, "groq", "m", limits, NOW) is None
    kept = read_state(write_state(state), 0)
    assert crossing(kept, "groq", "m", limits, NOW) is None
    assert crossing(kept, "groq", "m", limits, NOW + 60_000) is None  # empty: armed again
    settle(kept, "i", {"m": {0: [NOW + 60_000, 9, 0, 0]}}, Amount(), {})
    assert crossing(kept, "groq", "m", limits, NOW + 60_001) is not None


# -------------------------------------------------------------------------------------- documents


def busy_state(models: int) -> QuotaState:
    """A provider at 300 requests a minute over many models, all day."""
    state = QuotaState(writer="instance-0")
    for model in range(models):
        name = f"huggingface-some-rather-long-model-name-{model}"
        state.scope(name, PACIFIC if model % 2 else ROLLING)
        for hour in range(24):
            state.scope(name).add_day(NOW // 3_600_000 - hour, 18_000, 18_000_000)
        for tick in range(30):
            uses = {name: {0: [NOW + tick * 2000, 10, 12_345, 17]}}
            settle(state, "instance-0", uses, Amount(), {})
        state.scope(name).caps["tpm"] = (3, NOW)
        state.scope(name).phantoms["rpd"] = (4, NOW)
        state.scope(name).close("key", NOW)
    for number in range(20):
        parts = {name: Amount(3, 4000, 0) for name in list(state.scopes)[:5]}
        grant = Grant(number, NOW + number, Amount(9, 9, 9), parts, number % 2 == 1)
        state.held[f"instance-{number}"] = grant
    return state


def test_a_document_comes_back_as_it_was_with_the_newest_end_after_its_commit() -> None:
    state = busy_state(3)
    state.held["instance-0"].expires = 16_016
    found = read_state(write_state(state), NOW)
    state.held["instance-0"].expires = NOW + 16_016
    assert found == state


def test_a_busy_document_of_thirty_models_stays_below_50_kib() -> None:
    assert len(write_state(busy_state(30))) < 50 * 1024


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"format":2}', '{"format":1,"base":0}'])
def test_a_document_that_cannot_be_read_is_not_taken_for_an_empty_one(text: str) -> None:
    with pytest.raises(StoreUnavailable, match="quota document"):
        read_state(text, 0)


# ------------------------------------------------------------------------------------------ clocks


def test_bounds_of_the_stores_time_hold_and_widen() -> None:
    clock = StoreClock()
    assert not clock.precise(5.0)
    clock.seen(10.0, 500.0)
    assert clock.earliest(10.0) == 500.0
    assert not clock.precise(10.0)
    clock.committed(20.0, 20.4, 600.0)  # the truth: 20.1 was 600.0
    assert clock.earliest(20.4) <= 600.3 <= clock.latest(20.4)
    assert clock.precise(20.4)
    assert clock.earliest(520.4) <= 1100.0 <= clock.latest(520.4)
    assert clock.latest(520.4) - clock.earliest(520.4) == pytest.approx(0.4 + 2 * 0.5)
    assert clock.earliest(clock.when(700.0)) == pytest.approx(700.0)
    assert not clock.precise(2000.0)


def test_a_clock_that_was_set_is_believed_anew() -> None:
    clock = StoreClock()
    clock.committed(20.0, 20.4, 600.0)
    clock.seen(30.0, 4000.0)  # this machine slept for an hour
    assert clock.earliest(30.0) == 4000.0
    assert not clock.precise(30.0)
    clock.committed(40.0, 40.1, 4010.5)
    assert clock.precise(40.1)


# ------------------------------------------------------------------------------------------ limits


def test_limits_are_joined_with_the_turn_of_their_days_and_kept() -> None:
    overrides = {"google": LimitOverride(rpm=20), "x": LimitOverride(tpm=5)}
    ceilings = {"google": Limits(rpm=15, rpd=1500), "groq": Limits(rpm=30)}
    limits = QuotaLimits(EffectiveLimits(overrides, ceilings), {"google": PACIFIC})
    x = card("x", provider="google", limits=Limits(rpm=5), day_reset=PACIFIC)
    y = card("y", provider="google", limits=Limits(rpm=5))
    z = card("z", provider="groq", limits=Limits(rpd=7))
    assert limits.of(x).provider == ScopeLimits(rpm=20, day_reset=PACIFIC)
    assert limits.of(x).model == ScopeLimits(tpm=5, day_reset=PACIFIC)
    assert limits.of(y).model == ScopeLimits()
    assert limits.of(z).provider == ScopeLimits(rpm=30)
    assert limits.of(z).model == ScopeLimits(rpd=7)
    assert not limits.of(z).unlimited
    assert limits.of(card("w", provider="local")).unlimited
    assert limits.of(x) is limits.of(x)
    assert limits.of(x).provider is limits.of(y).provider
