"""Instances that starve leave word, and the others leave them room when they come."""

from __future__ import annotations

import asyncio

import pytest

from shared.limits.quota_grant import Demand, Waiting, leave_word, size_lease
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import settle
from shared.limits.quota_state import NOTHING, PROVIDER, Amount, Grant, QuotaState
from shared.limits.quota_text import read_state, write_state
from shared.limits.quota_turns import AFTER_MS, BEFORE_MS, in_turn, others_come_until
from tests.support.quota_world import Instance, QuotaWorld, limits_for, worst_window
from tests.support.virtual_time import run_virtual

NOW = 1_795_435_200_000
TWENTY = ScopeLimits(rpm=20)
ONE = Amount(1)


def with_word(wants: int, look: int = NOW, *, tokens: int = 0) -> QuotaState:
    """Another instance waits for that much at that moment."""
    word = {PROVIDER: Amount(wants, tokens)}
    return QuotaState(held={"other": Grant(1, NOW - 1, wants=word, look=look)})


def may(state: QuotaState, room: int, mine: int, now: int = NOW) -> int:
    amount = Amount(room)
    return in_turn(state, PROVIDER, TWENTY, now, "i", amount, Amount(mine), ONE).requests


def test_without_a_word_all_of_the_room_is_free_to_take() -> None:
    assert may(QuotaState(), 20, 15) == 20
    assert may(with_word(20, NOW + BEFORE_MS + 1), 20, 15) == 20
    assert may(with_word(20, NOW - AFTER_MS), 20, 15) == 20
    state = with_word(20)
    state.held["i"] = state.held.pop("other")  # its own word binds nobody else
    assert may(state, 20, 15) == 20


def test_beside_one_who_waits_for_much_it_is_ones_own_share() -> None:
    assert may(with_word(20), 20, 0) == 10
    assert may(with_word(20), 20, 4) == 10  # 10 are beyond the other's share
    assert may(with_word(20), 12, 4) == 6
    assert may(with_word(20), 10, 10) == 0


def test_what_is_beyond_all_that_is_waited_for_is_nobodys() -> None:
    assert may(with_word(1), 20, 15) == 19
    assert may(with_word(1), 1, 15) == 0


def test_a_share_is_never_too_small_for_one_large_request() -> None:
    limits, large = ScopeLimits(tpm=8000), Amount(1, 6000)
    state = with_word(5, tokens=9000)
    room = Amount(10, 8000)
    assert in_turn(state, PROVIDER, limits, NOW, "i", room, NOTHING, large).tokens == 6000
    mine = Amount(1, 3000)
    assert in_turn(state, PROVIDER, limits, NOW, "i", room, mine, large).tokens == 4000


def test_nothing_is_granted_to_who_had_his_share_until_the_other_has_come() -> None:
    state = with_word(10)
    settle(state, "i", {"m": {0: [NOW - 70_000, 10, 0, 0]}}, NOTHING, {})
    demand = Demand(ScopeLimits(), [Waiting(ONE)], mine=Amount(10))
    state.held["third"] = Grant(1, NOW + 5000, Amount(15))
    assert size_lease(state, NOW, "i", TWENTY, {"m": demand}, 0.0) is None
    assert others_come_until(state, NOW, "i") == NOW + AFTER_MS
    assert others_come_until(state, NOW, "other") is None
    assert size_lease(state, NOW + AFTER_MS, "i", TWENTY, {"m": demand}, 0.0) is not None


def starving(mine: int = 0, used_s_ago: int = 10) -> tuple[QuotaState, dict[str, Demand]]:
    """All twenty were used by another; three requests wait here."""
    state = QuotaState(held={"other": Grant(1, NOW + 5000)})
    settle(state, "other", {"m": {0: [NOW - used_s_ago * 1000, 20, 0, 0]}}, NOTHING, {})
    demand = Demand(ScopeLimits(), [Waiting(Amount(1, 50))] * 3, ahead=4.0, mean_tokens=10.0)
    demand.mine = Amount(mine)
    return state, {"m": demand}


def test_word_is_left_of_what_waits_and_is_expected_for_the_moment_it_can_be_had() -> None:
    state, demands = starving()
    word = leave_word(state, NOW, "i", TWENTY, demands, 0)
    assert word is not None
    assert word.look == NOW + 50_000
    assert word.wants == {PROVIDER: Amount(7, 190), "m": Amount(7, 190)}
    grant = Grant(3, NOW, wants=word.wants, look=word.look)
    kept = read_state(write_state(QuotaState(held={"i": grant})), 0)
    assert kept.held["i"] == grant


@pytest.mark.parametrize("mine", [5, 20])
def test_no_word_is_left_by_who_had_half_of_his_share(mine: int) -> None:
    state, demands = starving(mine)
    assert leave_word(state, NOW, "i", TWENTY, demands, 0) is None


def test_no_word_is_left_by_who_is_alone_or_where_the_day_is_used_up() -> None:
    state, demands = starving()
    del state.held["other"]
    assert leave_word(state, NOW, "i", TWENTY, demands, 0) is None
    state, demands = starving()
    assert leave_word(state, NOW, "i", ScopeLimits(rpm=20, rpd=20), demands, 0) is None


def test_p70_pressed_instances_all_get_some_of_it_whoever_came_first() -> None:
    """The first takes everything at once, and knows best when it comes back."""
    limit = 20
    world = QuotaWorld(limits_for(ScopeLimits(rpm=limit)), seed=3)

    async def press(instance: Instance, begin: float) -> None:
        await asyncio.sleep(begin)
        while asyncio.get_running_loop().time() < 400.0:
            await instance.request(patience_s=10.0, answer_s=0.1)
            await asyncio.sleep(0.05)

    async def scenario() -> list[int]:
        instances = [world.instance() for _ in range(3)]
        callers = [press(instance, place * 5.0) for place, instance in enumerate(instances)]
        more = [press(instance, 5.0 + place) for place, instance in enumerate(instances * 9)]
        await asyncio.gather(*callers, *more)
        return [instance.sent for instance in instances]

    sent = run_virtual(scenario())
    assert worst_window(world.provider.all())[0] <= limit
    assert min(sent) >= 0.1 * sum(sent)
    assert sum(sent) >= 0.9 * limit * 400.0 / 60.0
