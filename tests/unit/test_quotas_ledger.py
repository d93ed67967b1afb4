"""The ledger at one instance: sharing exchanges, refusing without asking, settling, bulk work."""

from __future__ import annotations

import asyncio

import pytest

from shared.clock import Deadline
from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, Refusal
from shared.limits.ledger_exchange import TTL_S
from shared.limits.quota_limits import CardLimits, ScopeLimits
from tests.support.quota_world import (
    SkewedClock,
    ask,
    limits_for,
    permit_of,
    refusal_of,
    with_a_large_lease,
    world_of,
)
from tests.support.virtual_time import run_virtual


def test_requests_that_come_together_share_one_exchange() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance = world.instance()
        found = await asyncio.gather(*(ask(instance) for _ in range(40)))
        assert all(isinstance(permit, Permit) for permit in found)
        assert (world.store.reads, world.store.writes) == (1, 1)

    run_virtual(scenario())


def test_with_a_lease_nothing_is_awaited_and_an_instance_alone_reads_once() -> None:
    world = world_of(ScopeLimits(rpm=300))

    async def scenario() -> None:
        instance = world.instance()
        of = world.cards["m"]
        at_once = 0
        for _ in range(90):
            permit = instance.ledger.take(of, 100)
            at_once += permit is not None
            permit_of(permit or await ask(instance))
            await asyncio.sleep(0.3)
        assert at_once > 70
        assert world.store.writes <= 12
        # A lease that lasts is looked after every 4 s: closures may have come.
        assert world.store.reads <= 8

    run_virtual(scenario())


def test_a_full_provider_is_refused_without_asking_until_capacity_returns() -> None:
    world = world_of(ScopeLimits(rpm=3))

    async def scenario() -> None:
        instance = world.instance()
        for _ in range(3):
            permit_of(await ask(instance))
        refusal = refusal_of(await ask(instance))
        assert refusal.reason == "full"
        wait = refusal.until - instance.clock.monotonic()
        assert 59.0 < wait < 62.0
        asked = world.store.reads, world.store.writes
        for _ in range(50):
            assert refusal_of(instance.ledger.take(world.cards["m"], 1)) == refusal
            await asyncio.sleep(1.0)
        assert (world.store.reads, world.store.writes) == asked
        await asyncio.sleep(refusal.until - instance.clock.monotonic() + 0.1)
        permit_of(await ask(instance))

    run_virtual(scenario())


def test_a_large_request_is_refused_where_a_small_one_still_fits() -> None:
    world = world_of(ScopeLimits(), m=ScopeLimits(tpm=1000))

    async def scenario() -> None:
        instance = world.instance()
        permit_of(await ask(instance, tokens=700))
        assert refusal_of(await ask(instance, tokens=400)).reason == "full"
        permit_of(await ask(instance, tokens=250))
        refusal_of(instance.ledger.take(world.cards["m"], 400))
        assert refusal_of(await ask(instance, tokens=1001)) == Refusal(float("inf"), "too_large")

    run_virtual(scenario())


@pytest.mark.parametrize("limits", [ScopeLimits(rpd=0), ScopeLimits(tpm=0), ScopeLimits(tpd=0)])
def test_a_limit_of_none_at_all_is_no_request_too_large(limits: ScopeLimits) -> None:
    world = world_of(limits)

    async def scenario() -> None:
        assert refusal_of(await ask(world.instance())).reason == "none_allowed"

    run_virtual(scenario())


def test_the_tighter_of_ceiling_and_own_limit_wins() -> None:
    world = world_of(ScopeLimits(rpm=4), m=ScopeLimits(rpm=2), n=ScopeLimits(rpm=9))

    async def scenario() -> None:
        instance = world.instance()
        got = [await ask(instance, "m") for _ in range(3)] + [
            await ask(instance, "n") for _ in range(3)
        ]
        assert [isinstance(each, Permit) for each in got] == [True, True, False, True, True, False]
        assert instance.ledger.utilization(world.cards["m"]) == 1.0

    run_virtual(scenario())


def test_what_was_reserved_too_much_comes_back_and_too_much_taken_counts() -> None:
    world = world_of(ScopeLimits(), m=ScopeLimits(tpm=1000))

    async def scenario() -> None:
        instance = world.instance()
        first = permit_of(await ask(instance, tokens=900))
        instance.ledger.settle(first, 100)
        second = permit_of(await ask(instance, tokens=900))
        instance.ledger.settle(second, 950)
        assert isinstance(await ask(instance, tokens=10), Refusal)
        assert instance.ledger.used(world.cards["m"]).minute_tokens == 1050

    run_virtual(scenario())


def test_a_refund_counts_nothing_and_can_be_used_again() -> None:
    world = world_of(ScopeLimits(rpm=1, rpd=1))

    async def scenario() -> None:
        instance = world.instance()
        for _ in range(5):
            permit = permit_of(await ask(instance))
            instance.ledger.refund(permit)
            instance.ledger.refund(permit)
            instance.ledger.settle(permit, 50)
        await asyncio.sleep(TTL_S + 1.0)  # its lease is over: the refund goes to the document
        permit = permit_of(await ask(instance))
        await asyncio.sleep(TTL_S + 1.0)
        instance.ledger.refund(permit)
        permit_of(await ask(instance))
        assert isinstance(await ask(instance), Refusal)

    run_virtual(scenario())


def test_characters_are_held_to_their_month() -> None:
    world = world_of(ScopeLimits(characters_per_month=1000))

    async def scenario() -> None:
        instance = world.instance()
        permit_of(await ask(instance, chars=600))
        refusal = refusal_of(await ask(instance, chars=600))
        assert refusal.until - instance.clock.monotonic() > 7 * 86_400
        permit_of(await ask(instance, chars=400))
        assert refusal_of(await ask(instance, chars=1001)).reason == "too_large"

    run_virtual(scenario())


def test_without_a_limit_nothing_is_asked_or_counted() -> None:
    world = world_of(ScopeLimits())

    async def scenario() -> None:
        instance = world.instance()
        permit = permit_of(instance.ledger.take(world.cards["m"], 5))
        instance.ledger.settle(permit, 9)
        instance.ledger.refund(permit)
        deadline = Deadline.after(instance.clock, 1)
        permit_of(await instance.ledger.acquire(world.cards["m"], 5, deadline))
        assert instance.ledger.utilization(world.cards["m"]) == 0.0
        assert await instance.ledger.snapshot(world.cards.values()) == []
        await instance.ledger.flush()
        assert world.store.reads == world.store.writes == 0

    run_virtual(scenario())


def test_bulk_work_stops_at_the_floor_and_interactive_work_goes_on() -> None:
    world = world_of(ScopeLimits(rpm=10))

    async def scenario() -> None:
        instance = world.instance()
        found = [await ask(instance, bulk=True) for _ in range(12)]
        assert sum(isinstance(each, Permit) for each in found) == 8
        found = [await ask(instance) for _ in range(3)]
        assert [isinstance(each, Permit) for each in found] == [True, True, False]

    run_virtual(scenario())


def test_a_changed_limit_holds_from_the_next_permit() -> None:
    world = world_of(ScopeLimits(rpm=2))

    async def scenario() -> None:
        instance = world.instance()
        for _ in range(2):
            permit_of(await ask(instance))
        assert isinstance(await ask(instance), Refusal)
        world.limits = limits_for(ScopeLimits(rpm=5))
        for _ in range(3):
            permit_of(await ask(instance))
        world.limits = limits_for(ScopeLimits(rpm=3))
        assert isinstance(await ask(instance), Refusal)

    run_virtual(scenario())


@pytest.mark.parametrize("before", [ScopeLimits(rpm=600), ScopeLimits(tpm=10**7)])
@pytest.mark.parametrize("ceiling", [True, False])
def test_what_is_held_under_a_limit_that_was_tightened_is_not_handed_out(
    before: ScopeLimits, ceiling: bool
) -> None:
    """30 were sent in the last seconds and many more are held; then only five are allowed."""

    def limits(of: ScopeLimits) -> dict[str, CardLimits]:
        return limits_for(of) if ceiling else limits_for(ScopeLimits(), {"m": of})

    world = world_of(ScopeLimits())
    world.limits = limits(before)

    async def scenario() -> None:
        instance = world.instance()
        await with_a_large_lease(instance)
        under_way = permit_of(await ask(instance))
        permit_of(instance.ledger.take(world.cards["m"], 1))
        world.limits = limits(ScopeLimits(rpm=5))
        assert not isinstance(instance.ledger.take(world.cards["m"], 1), Permit)
        instance.ledger.refund(under_way)
        assert not isinstance(instance.ledger.take(world.cards["m"], 1), Permit)
        assert isinstance(await ask(instance), Refusal)
        await asyncio.sleep(80.0)
        got = [await ask(instance) for _ in range(8)]
        assert sum(isinstance(each, Permit) for each in got) == 5

    run_virtual(scenario())


def test_a_lease_under_way_while_limits_are_tightened_is_not_used() -> None:
    world = world_of(ScopeLimits(rpm=600))

    async def scenario() -> None:
        instance = world.instance()
        await with_a_large_lease(instance)
        await asyncio.sleep(TTL_S + 1.0)
        world.store.hanging_s, written = 0.05, world.store.writes
        first = asyncio.ensure_future(ask(instance))
        for _ in range(1_000):  # until it is made, and its answer on the way
            if world.store.writes > written:
                break
            await asyncio.sleep(0.001)
        world.limits = limits_for(ScopeLimits(rpm=0))
        assert isinstance(instance.ledger.take(world.cards["m"], 1), Refusal)
        assert isinstance(await first, Refusal)

    run_virtual(scenario())


def test_a_machine_that_slept_does_not_use_what_it_held() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        clock, of = SkewedClock(asyncio.get_running_loop()), world.cards["m"]
        instance = world.instance(clock)
        await with_a_large_lease(instance)
        permit_of(instance.ledger.take(of, 1))
        clock.slept(600.0)
        assert instance.ledger.take(of, 1) is None
        writes = world.store.writes
        permit_of(await ask(instance))
        assert world.store.writes == writes + 1
        clock.slept(600.0)
        world.store.down = True
        with pytest.raises(StoreUnavailable):
            await ask(instance)

    run_virtual(scenario())
