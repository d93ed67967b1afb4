"""A caller's own limit at one instance: exact counts, figures, costs, a store that fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine

import pytest

from shared.clock import SystemClock
from shared.config import ClientLimits
from shared.errors import StoreUnavailable
from shared.limits.clients import ClientKey, ClientLimiter
from shared.storage.documents import DocumentStore
from tests.support.client_world import ALICE, ClientWorld, Faults, worst
from tests.support.virtual_time import run_virtual


def run(main: Coroutine[None, None, None]) -> None:
    """On virtual time."""
    run_virtual(main)


async def until(second: float) -> None:
    """Wait for a second of the loop."""
    await asyncio.sleep(second - asyncio.get_running_loop().time())


def test_the_tenth_request_of_a_minute_is_admitted_and_the_eleventh_refused() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        told = [await world.ask(limiter) for _ in range(11)]
        assert [one.allowed for one in told] == [True] * 10 + [False]
        assert [one.remaining for one in told] == [*range(9, -1, -1), 0]
        assert {one.limit for one in told} == {10}
        assert told[-1].retry_after_s == pytest.approx(60.0)
        assert told[-1].reset_s == pytest.approx(60.0)
        reads, writes = world.operations
        assert (reads, writes) == (1, 2)  # eight seats, leased in fours

    run(main())


@pytest.mark.parametrize("gap", [0.1, 3.0, 5.9, 6.0, 6.1, 11.0])
def test_capacity_returns_as_the_window_slides(gap: float) -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for place in range(200):
            await until(place * gap)
            before = [at for at in world.admitted if at > place * gap - 60.0 + 1e-9]
            told = await world.ask(limiter)
            assert told.allowed == (len(before) < 10), place
        assert worst(world.admitted) <= 10

    run(main())


def test_a_refused_caller_may_come_back_when_it_was_told_to() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for place in range(10):
            await until(place * 2.0)
            await world.ask(limiter)
        told = await world.ask(limiter)
        assert told.retry_after_s == pytest.approx(42.0)
        assert told.reset_s == pytest.approx(60.0)
        await asyncio.sleep(told.retry_after_s + 1e-6)
        assert (await world.ask(limiter)).allowed
        assert not (await world.ask(limiter)).allowed

    run(main())


def test_an_ordinary_user_costs_no_store_operation() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for place in range(100):
            await until(place * 30.0)
            for user in range(20):
                key = ClientKey(f"u{user}", f"a{user}")
                told = limiter.admit(key)
                assert told is not None
                assert (told.allowed, told.remaining) == (True, 8 + (place == 0))
        assert world.operations == (0, 0)

    run(main())


def test_a_steady_user_at_the_limit_costs_a_write_a_minute() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for place in range(600):
            await until(place * 6.0)
            assert (await world.ask(limiter)).allowed
        reads, writes = world.operations
        assert reads <= 1
        assert writes <= 62

    run(main())


def test_a_refusal_costs_nothing() -> None:
    async def main() -> None:
        world = ClientWorld()
        one, other = world.instance(), world.instance()
        for limiter in (one, other):
            for _ in range(6):
                assert (await world.ask(limiter)).allowed
        third = world.instance()
        for _ in range(3):
            await world.ask(third)
        before = world.operations
        for _ in range(1000):
            for limiter in (one, other, third):
                told = limiter.admit(ALICE)
                if told is None:
                    told = await limiter.admit_slow(ALICE)
                assert not told.allowed
        reads, writes = world.operations
        assert (reads - before[0], writes - before[1]) <= (3, 3)

    run(main())


def test_requests_at_once_are_counted_as_if_one_after_the_other() -> None:
    async def main() -> None:
        world = ClientWorld(faults=Faults(delay_s=0.02))
        limiter = world.instance()
        told = await asyncio.gather(*(world.ask(limiter) for _ in range(40)))
        assert sum(one.allowed for one in told) == 10

    run(main())


def test_anonymous_callers_are_held_to_their_address_too() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        told = [
            await world.ask(limiter, ClientKey(f"u{place % 10}", "here", signed_in=False))
            for place in range(60)
        ]
        assert [one.allowed for one in told] == [True] * 50 + [False] * 10
        assert (told[-1].limit, told[-1].remaining) == (50, 0)
        assert (told[20].limit, told[20].remaining) == (10, 7)
        assert (told[45].limit, told[45].remaining) == (50, 4)
        # Another address, and those with an account at the same one, are not concerned.
        for key in (
            ClientKey("v", "there", signed_in=False),
            ClientKey("w", "here", signed_in=True),
        ):
            assert (await world.ask(limiter, key)).allowed

    run(main())


def test_who_is_refused_at_the_address_has_not_used_the_own_limit() -> None:
    async def main() -> None:
        world = ClientWorld(ClientLimits(user_rpm=10, ip_rpm=5))
        limiter = world.instance()
        for place in range(5):
            await world.ask(limiter, ClientKey(f"u{place}", "here", signed_in=False))
        for _ in range(20):
            refused = await world.ask(limiter, ClientKey("v", "here", signed_in=False))
            assert (refused.allowed, refused.limit) == (False, 5)
        assert limiter.look(ClientKey("v")).remaining == 10

    run(main())


def test_signed_in_callers_of_one_address() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        told = [
            await world.ask(limiter, ClientKey(f"u{place % 100}", "here")) for place in range(700)
        ]
        assert sum(one.allowed for one in told) == 600
        assert all(one.allowed for one in told[:600])

    run(main())


def test_looking_counts_nothing() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        told = limiter.look(ALICE)
        assert (told.limit, told.remaining, told.reset_s) == (10, 10, 0.0)
        await world.ask(limiter)
        await asyncio.sleep(20)
        for _ in range(50):
            told = limiter.look(ALICE)
        assert (told.limit, told.remaining) == (10, 9)
        assert told.reset_s == pytest.approx(40.0)
        await asyncio.sleep(41)
        assert limiter.look(ALICE).remaining == 10

    run(main())


def test_limits_change_while_it_runs() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for _ in range(12):
            await world.ask(limiter)
        assert len(world.admitted) == 10
        world.limits = ClientLimits(user_rpm=30)
        for _ in range(40):
            await world.ask(limiter)
        assert len(world.admitted) == 30
        world.limits = ClientLimits(user_rpm=1)
        assert not (await world.ask(limiter)).allowed
        await asyncio.sleep(61)
        told = [await world.ask(limiter) for _ in range(3)]
        assert [one.allowed for one in told] == [True, False, False]

    run(main())


def test_a_store_that_does_not_answer_takes_nobody_down() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        assert (await world.ask(limiter)).allowed
        world.backend.down = True
        told = [await world.ask(limiter) for _ in range(12)]
        assert sum(one.allowed for one in told) == 9
        assert limiter.lent == 8
        world.backend.down = False
        for place in range(1, 30):
            await until(place * 10.0)
            await world.ask(limiter)
            await world.ask(limiter)
        assert worst(world.admitted + world.lent) == 10
        assert limiter.lent == 8

    run(main())


def test_a_slow_store_is_waited_for_briefly() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for _ in range(6):
            await world.ask(limiter)
        world.faults.delay_s = 1000.0
        begun = asyncio.get_running_loop().time()
        assert (await world.ask(limiter)).allowed
        assert asyncio.get_running_loop().time() - begun <= 1.0 + 1e-6
        assert limiter.lent == 1

    run(main())


def test_memory_is_bounded() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = ClientLimiter(
            world.store, SystemClock(), random.Random(1), ClientLimits, remembered=100
        )
        # A new object each time means that limits are cut anew, which loses nothing either.
        for place in range(1000):
            assert limiter.admit(ClientKey(f"u{place}", f"a{place}")) is not None
        assert limiter.look(ClientKey("u999")).remaining == 9
        assert limiter.look(ClientKey("u0")).remaining == 10

    run(main())


def test_a_forgotten_caller_does_not_get_leased_seats_twice() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = ClientLimiter(
            world.store,
            world.instance()._clock,
            random.Random(1),
            lambda: world.limits,
            remembered=1,
        )
        for _ in range(10):
            assert (await world.ask(limiter)).allowed
        limiter.admit(ClientKey("bob"))
        told = [await world.ask(limiter) for _ in range(10)]
        assert sum(one.allowed for one in told) == 2

    run(main())


@pytest.mark.parametrize("uid", ["a/b", "..", "__x__", "ü" * 128, "\ud800"])
def test_any_user_id_can_be_counted(uid: str) -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        told = [await world.ask(limiter, ClientKey(uid)) for _ in range(11)]
        assert sum(one.allowed for one in told) == 10

    run(main())


def test_leases_are_given_back_at_the_end() -> None:
    async def main() -> None:
        world = ClientWorld()
        first = world.instance()
        for _ in range(3):
            assert (await world.ask(first)).allowed
        await first.flush()
        second = world.instance()
        told = [await world.ask(second) for _ in range(10)]
        # One leased seat was used; the other three are free at once.
        assert sum(one.allowed for one in told) == 9
        await asyncio.sleep(60.5)
        assert sum([(await world.ask(second)).allowed for _ in range(12)]) == 10

    run(main())


def test_giving_back_says_when_the_store_is_down() -> None:
    async def main() -> None:
        world = ClientWorld()
        limiter = world.instance()
        for _ in range(3):
            await world.ask(limiter)
        world.backend.down = True
        with pytest.raises(StoreUnavailable):
            await limiter.flush()

    run(main())


def test_what_a_crashed_instance_held_comes_back() -> None:
    async def main() -> None:
        world = ClientWorld()
        for _ in range(10):
            await world.ask(world.instance())  # one request each, then gone
        gone = world.instance()
        for _ in range(10):
            await world.ask(gone)
        await asyncio.sleep(121)
        fresh = world.instance()
        assert sum([(await world.ask(fresh)).allowed for _ in range(12)]) == 10

    run(main())


def test_seats_used_at_a_leases_very_end_count_for_a_minute_more() -> None:
    async def main() -> None:
        world = ClientWorld()
        first, second = world.instance(), world.instance()
        for _ in range(3):
            assert (await world.ask(first)).allowed
        await until(59.0)
        for _ in range(3):
            assert (await world.ask(first)).allowed
        await until(61.0)
        # Two of its own and the four that the first has not leased.
        assert sum([(await world.ask(second)).allowed for _ in range(12)]) == 6
        await until(118.9)
        assert not (await world.ask(second)).allowed
        assert worst(world.admitted) <= 12
        await until(122.0)
        assert sum([(await world.ask(second)).allowed for _ in range(12)]) == 10

    run(main())


def test_an_instance_that_never_wrote_learns_the_time_before_it_says_no() -> None:
    async def main() -> None:
        world = ClientWorld()
        gone = world.instance()
        for _ in range(10):
            await world.ask(gone)
        await asyncio.sleep(3600)
        fresh = world.instance()
        assert sum([(await world.ask(fresh)).allowed for _ in range(12)]) == 10

    run(main())


async def test_on_either_database(documents: DocumentStore) -> None:
    """Three real clocks over one store: the limit and two for each further instance."""
    limits = ClientLimits()
    instances = [
        ClientLimiter(documents, SystemClock(), random.Random(seed), lambda: limits)
        for seed in range(3)
    ]
    allowed = 0
    for _ in range(10):
        for limiter in instances:
            told = limiter.admit(ALICE) or await limiter.admit_slow(ALICE)
            allowed += told.allowed
    # On a machine that starves, an emulator may take longer than requests wait.
    lent = sum(limiter.lent for limiter in instances)
    assert allowed >= 10
    assert allowed - lent <= 14
    tally = documents.operations.of("limits")
    assert tally.writes <= 4 + lent
    for limiter in instances:
        await limiter.flush()
