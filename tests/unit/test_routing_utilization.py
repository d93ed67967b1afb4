"""P28, P29, P34: this instance's own counts are exact, and their share of a limit in [0, 1]."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.limits.utilization import UsageMeter
from shared.model import Limits, ModelCard
from tests.support.routing_world import card
from tests.support.virtual_time import ManualClock

A, A2, B = card("alpha-one"), card("alpha-two"), card("beta-one")
limit = st.sampled_from([None, 0, 1, 10, 1000])
limits = st.builds(Limits, rpm=limit, rpd=limit, tpm=limit, tpd=limit)
calls = st.lists(
    st.tuples(st.sampled_from([A, A2, B]), st.integers(0, 5000), st.integers(0, 90)), max_size=40
)


@settings(deadline=None)
@given(calls)
def test_p28_p29_counts_are_those_of_the_requests_made(
    made: list[tuple[ModelCard, int, int]],
) -> None:
    clock = ManualClock(wall=1_795_435_200.0, monotonic=1000.0)
    meter = UsageMeter(clock, lambda one: Limits())
    sent: list[tuple[ModelCard, int, float]] = []
    for one, tokens, pause in made:
        meter.record(one, tokens)
        sent.append((one, tokens, clock.monotonic()))
        clock.advance(pause)
    now = clock.monotonic()
    for one in (A, A2, B):
        mine = [(tokens, at) for card, tokens, at in sent if card is one]
        used = meter.used(one)
        assert (used.day_requests, used.day_tokens) == (len(mine), sum(t for t, _ in mine))
        recent = [tokens for tokens, at in mine if now - at <= 60]
        assert (used.minute_requests, used.minute_tokens) == (len(recent), sum(recent))
    alpha = meter.used_by_provider("alpha")
    assert alpha.day_requests == sum(1 for one, _, _ in sent if one.provider == "alpha")


@settings(deadline=None)
@given(calls, limits, limits)
def test_p34_utilization_is_a_share(
    made: list[tuple[ModelCard, int, int]], own: Limits, ceiling: Limits
) -> None:
    clock = ManualClock(monotonic=1000.0)
    meter = UsageMeter(clock, lambda one: own, lambda provider: ceiling)
    for one, tokens, pause in made:
        meter.record(one, tokens)
        meter.correct(one, -tokens // 2)
        for other in (A, A2, B):
            assert 0.0 <= meter.utilization(other) <= 1.0
        clock.advance(pause)


def test_the_tighter_limit_decides_and_days_turn() -> None:
    clock = ManualClock(wall=86_400.0 * 20_000 + 86_000, monotonic=1000.0)
    meter = UsageMeter(clock, lambda one: Limits(rpm=10, tpd=1000), lambda _: Limits(rpd=4))
    meter.record(A, 100)
    assert meter.utilization(A) == 0.25
    meter.record(A2, 700)
    assert (meter.utilization(A), meter.utilization(A2)) == (0.5, 0.7)
    assert meter.utilization(B) == 0.0
    clock.advance(500)
    assert meter.utilization(A) == 0.0


def test_a_limit_of_zero_is_full_before_its_first_request() -> None:
    meter = UsageMeter(ManualClock(), lambda one: Limits(rpd=0))
    assert meter.utilization(A) == 1.0


def test_corrections_count_tokens_and_no_request() -> None:
    meter = UsageMeter(ManualClock(), lambda one: Limits())
    meter.record(A, 100)
    meter.correct(A, 40)
    meter.correct(A, 0)
    used = meter.used(A)
    assert (used.minute_requests, used.minute_tokens) == (1, 140)
    assert used.to_json() == {
        "minute": {"requests": 1, "tokens": 140},
        "day": {"requests": 1, "tokens": 140},
    }
