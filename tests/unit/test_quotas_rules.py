"""The arithmetic of quota documents: buckets, grants, days, months, told limits."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import (
    NEVER,
    earliest,
    fits,
    free,
    gauges,
    settle,
    tighten,
)
from shared.limits.quota_state import LATE_HOLDERS, PROVIDER, Amount, Grant, QuotaState
from shared.limits.quota_text import read_state, write_state
from shared.limits.quota_time import (
    ROLLING,
    day_begin,
    day_slot,
    month_end,
    month_slot,
    slot_end,
)
from shared.providers.base import LimitSignal

NOW = 1_795_435_200_000  # 2026-11-23T12:00:00Z
PACIFIC = "America/Los_Angeles"


def ms(year: int, month: int, day: int, hour: int = 0, zone: str = "UTC") -> int:
    return int(datetime(year, month, day, hour, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def used(*stamps: int, tokens: int = 100) -> QuotaState:
    """One request of the model ``m`` at each of these moments."""
    state = QuotaState()
    for stamp in stamps:
        settle(state, "i", {"m": {0: [stamp, 1, tokens, 0]}}, Amount(), {})
    return state


# --------------------------------------------------------------------------------- the minute


def test_a_use_leaves_the_minute_sixty_seconds_after_its_latest_moment() -> None:
    state, limits = used(NOW, NOW + 500), ScopeLimits(rpm=2)
    assert free(gauges(state, "m", limits, NOW + 60_499)).requests == 0
    assert free(gauges(state, "m", limits, NOW + 60_500)).requests == 2


def test_a_grant_counts_until_sixty_seconds_after_its_end_and_then_as_used_in_the_day() -> None:
    state, limits = QuotaState(), ScopeLimits(rpm=10, rpd=100)
    state.held["i"] = Grant(1, NOW + 16_000, Amount(4), {"m": Amount(4)})
    for name in (PROVIDER, "m"):
        rows = gauges(state, name, limits, NOW)
        assert {row.dimension: row.used for row in rows} == {"rpm": 4, "rpd": 4}
    state.advance(NOW + 75_999)
    assert free(gauges(state, "m", limits, NOW + 75_999)).requests == 6
    state.advance(NOW + 76_000)
    rows = gauges(state, "m", limits, NOW + 76_000)
    assert {row.dimension: row.used for row in rows} == {"rpm": 0, "rpd": 4}


def test_who_settles_late_gets_back_what_counted_as_used() -> None:
    state, limits = QuotaState(), ScopeLimits(rpd=100, tpd=1000)
    state.held["i"] = Grant(1, NOW, Amount(4, 400), {"m": Amount(4, 400)})
    state.advance(NOW + 600_000)
    settle(state, "i", {"m": {0: [NOW - 5, 1, 30, 0]}}, Amount(), {})
    for name in (PROVIDER, "m"):
        rows = gauges(state, name, limits, NOW + 600_000)
        assert {row.dimension: row.used for row in rows} == {"rpd": 1, "tpd": 30}


def test_of_holders_that_never_settled_a_bounded_number_is_kept() -> None:
    state = QuotaState()
    for number in range(LATE_HOLDERS + 20):
        state.held[f"i{number}"] = Grant(1, NOW + number, Amount(1))
    state.advance(NOW + 120_000)
    assert len(state.held) == LATE_HOLDERS
    assert "i0" not in state.held
    assert state.scopes[PROVIDER].day_used(NOW)[0] == LATE_HOLDERS + 20
    state.advance(NOW + 2 * 3_600_000)
    assert not state.held


def test_what_is_dated_into_an_impossible_future_counts_from_now_on() -> None:
    """The store's clock was set back by an hour."""
    state, limits = used(NOW + 3_600_000), ScopeLimits(rpm=5)
    state.held["j"] = Grant(1, NOW + 3_600_000, Amount(1), {"m": Amount(1)})
    state.advance(NOW)
    assert free(gauges(state, "m", limits, NOW)).requests == 3
    state.advance(NOW + 91_000)
    assert free(gauges(state, "m", limits, NOW + 91_000)).requests == 5


# ----------------------------------------------------------------------------- days and months


def test_a_zones_day_turns_at_its_midnight_summer_and_winter() -> None:
    for day, hours in ((ms(2026, 3, 8, 0, PACIFIC), 23), (ms(2026, 11, 1, 0, PACIFIC), 25)):
        slot = day_slot(PACIFIC, day + 5 * 3_600_000)
        assert slot == day_slot(PACIFIC, day)
        assert slot_end(PACIFIC, slot) == day + hours * 3_600_000
        assert day_slot(PACIFIC, day - 1) != slot != day_slot(PACIFIC, day + hours * 3_600_000)
        assert day_begin(PACIFIC, day + 1000) == day


def test_a_day_begins_on_time_where_midnight_is_half_past_in_utc() -> None:
    midnight = ms(2026, 11, 23, 0, "Asia/Kolkata")
    slot = day_slot("Asia/Kolkata", midnight + 1000)
    assert slot_end("Asia/Kolkata", slot) == midnight + 86_400_000


def test_the_count_of_a_zones_day_is_gone_the_moment_it_turns() -> None:
    midnight = ms(2026, 11, 24, 0, PACIFIC)
    state, limits = QuotaState(), ScopeLimits(rpd=3, day_reset=PACIFIC)
    state.scope("m", PACIFIC)
    settle(state, "i", {"m": {0: [midnight - 7_200_000, 3, 0, 0]}}, Amount(), {})
    at = earliest(state, "m", limits, midnight - 3_600_000, Amount(1))
    assert at == midnight
    assert free(gauges(state, "m", limits, midnight)).requests == 3


def test_a_rolling_day_lets_go_by_the_hour_never_early() -> None:
    state, limits = used(NOW, NOW + 3_600_000), ScopeLimits(rpd=2)
    assert day_begin(ROLLING, NOW) == NOW - 86_400_000
    at = earliest(state, "m", limits, NOW + 4_000_000, Amount(1))
    assert NOW + 86_400_000 <= at <= NOW + 90_000_000
    assert free(gauges(state, "m", limits, at - 1)).requests == 0
    assert free(gauges(state, "m", limits, at)).requests == 1


def test_characters_count_by_the_calendar_month() -> None:
    end = ms(2026, 12, 1)
    assert month_end(month_slot(NOW)) == end
    assert month_slot(end) == month_slot(NOW) + 1
    assert month_end(month_slot(end)) == ms(2027, 1, 1)
    state, limits = QuotaState(), ScopeLimits(characters_per_month=100)
    settle(state, "i", {"m": {0: [NOW, 1, 0, 90]}}, Amount(), {})
    cost = Amount(1, 0, 20)
    assert earliest(state, "m", limits, NOW, cost) == end
    assert earliest(state, "m", limits, end, cost) <= end
    settle(state, "i", {"m": {0: [end, 1, 0, 50]}}, Amount(), {})
    settle(state, "i", {"m": {0: [NOW, 0, 0, -20]}}, Amount(), {})  # last month's is forgotten
    assert gauges(state, "m", limits, end)[0].used == 50


# --------------------------------------------------------------------------- when there is room

amounts = st.builds(Amount, st.integers(1, 3), st.integers(0, 300), st.just(0))
uses = st.lists(st.tuples(st.integers(-70_000, 0), st.integers(1, 3), st.integers(0, 300)))


@given(
    limits=st.builds(
        ScopeLimits,
        rpm=st.none() | st.integers(0, 12),
        tpm=st.none() | st.integers(0, 900),
        rpd=st.none() | st.integers(0, 20),
    ),
    uses=uses,
    held=st.lists(st.tuples(st.integers(-59_000, 16_000), amounts), max_size=3),
    cost=amounts,
    floor=st.sampled_from([0.0, 0.2]),
)
def test_earliest_is_the_first_moment_with_room(
    limits: ScopeLimits,
    uses: list[tuple[int, int, int]],
    held: list[tuple[int, Amount]],
    cost: Amount,
    floor: float,
) -> None:
    state = QuotaState()
    for age, requests, tokens in uses:
        settle(state, "i", {"m": {0: [NOW + age, requests, tokens, 0]}}, Amount(), {})
    for number, (ends, amount) in enumerate(held):
        state.held[f"h{number}"] = Grant(1, NOW + ends, amount, {"m": amount})
    state.advance(NOW)

    def room(at: int) -> bool:
        later = read_state(write_state(state), 0)
        later.advance(at)
        return fits(cost, free(gauges(later, "m", limits, at), floor).minus(Amount()))

    at = earliest(state, "m", limits, NOW, cost, floor=floor)
    if at == NEVER:
        assert not room(NOW + 400 * 86_400_000)
    elif at <= NOW:
        assert room(NOW)
    else:
        assert not room(at - 1) or limits.rpd is not None
        # A day's grants come back by settlement alone, so for them it names a moment to look again.
        assert room(at) or limits.rpd is not None


# ------------------------------------------------------------------------------------- tightening

signals = st.builds(
    LimitSignal,
    st.sampled_from(["requests", "tokens", "images"]),
    st.sampled_from(["minute", "hour", "day", "month", "week"]),
    st.none() | st.integers(0, 50),
    st.none() | st.integers(0, 50),
    st.none() | st.floats(0, 100_000),
)


@given(
    limits=st.builds(
        ScopeLimits,
        rpm=st.none() | st.integers(0, 20),
        tpm=st.none() | st.integers(0, 50),
        rpd=st.none() | st.integers(0, 40),
    ),
    told=st.lists(signals, min_size=1, max_size=5),
    uses=uses,
)
def test_what_a_provider_tells_never_loosens(
    limits: ScopeLimits, told: list[LimitSignal], uses: list[tuple[int, int, int]]
) -> None:
    state = QuotaState()
    for age, requests, tokens in uses:
        settle(state, "i", {"m": {0: [NOW + age, requests, tokens, 0]}}, Amount(), {})
    for signal in told:
        before = free(gauges(state, "m", limits, NOW))
        tighten(state, "m", limits, signal, NOW, NOW + 5)
        assert fits(free(gauges(state, "m", limits, NOW)), before)
    kept = read_state(write_state(state), 0)
    assert gauges(kept, "m", limits, NOW) == gauges(state, "m", limits, NOW)


def test_a_lower_count_told_holds_until_the_window_is_full_again() -> None:
    state, limits = used(NOW), ScopeLimits(rpm=30, tpm=8000)
    tighten(state, "m", limits, LimitSignal("requests", "minute", 4, 30, 20.0), NOW, NOW)
    tighten(state, "m", limits, LimitSignal("tokens", "minute", 8000, 6000, 1.0), NOW, NOW)
    rows = gauges(state, "m", limits, NOW)
    assert (free(rows).requests, free(rows).tokens) == (4, 5900)
    later = NOW + 20_001
    assert free(gauges(state, "m", limits, later)).requests == 29
    assert free(gauges(state, "m", limits, NOW + 3_700_000)).tokens == 8000


def test_nothing_left_of_an_unknown_limit_closes_the_model() -> None:
    state = QuotaState()
    tighten(state, "m", ScopeLimits(), LimitSignal("requests", "day", 0, None, 50.0), NOW, NOW)
    assert state.scopes["m"].closed == ("limit", NOW + 50_000)
    state.advance(NOW + 50_000)
    assert state.scopes["m"].closed is None


def test_a_difference_of_calls_under_way_is_not_believed() -> None:
    state, limits = used(NOW), ScopeLimits(rpm=100)
    tighten(state, "m", limits, LimitSignal("requests", "minute", 98, 100, 60.0), NOW, NOW)
    assert free(gauges(state, "m", limits, NOW)).requests == 99
