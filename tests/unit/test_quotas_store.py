"""The ledger over a store that is slow, down, contended, or answers wrongly."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine

import pytest

from shared.clock import Deadline
from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, QuotaLedger
from shared.limits.ledger_exchange import TTL_S
from shared.limits.quota_documents import Stored
from shared.limits.quota_limits import ScopeLimits
from shared.storage.errors import VersionConflict
from tests.support.quota_world import (
    Instance,
    QuotaWorld,
    SkewedClock,
    StoreFaults,
    ask,
    limits_for,
    permit_of,
    refusal_of,
    world_of,
)
from tests.support.virtual_time import run_virtual


def test_a_store_that_is_down_lets_held_permits_be_spent_then_503() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance = world.instance()
        for _ in range(30):
            permit_of(await ask(instance))
            await asyncio.sleep(0.1)
        await asyncio.sleep(5.0)
        permit_of(await ask(instance))  # the lease is renewed: it holds more than one now
        world.store.down = True
        await asyncio.sleep(4.5)  # closures are no longer known, but the lease holds
        found = await asyncio.gather(*(ask(instance) for _ in range(90)), return_exceptions=True)
        spent = [each for each in found if isinstance(each, Permit)]
        failed = [each for each in found if isinstance(each, StoreUnavailable)]
        assert len(spent) >= 5
        assert len(spent) + len(failed) == 90
        assert {each.retry_after for each in failed} == {1.0}
        world.store.down = False
        await asyncio.sleep(0.6)
        permit_of(await ask(instance))

    run_virtual(scenario())


def test_a_slow_store_is_waited_for_300_ms_and_its_lease_is_used_when_it_comes() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance, loop = world.instance(), asyncio.get_running_loop()
        permit_of(await ask(instance))
        await instance.ledger.flush()
        world.store.hanging_s = 0.4
        began = loop.time()
        with pytest.raises(StoreUnavailable):
            await ask(instance)
        assert loop.time() - began == pytest.approx(0.3, abs=0.01)
        await asyncio.sleep(2.0)
        began = loop.time()
        permit_of(await ask(instance))
        assert loop.time() == began

    run_virtual(scenario())


def test_a_store_that_has_to_be_connected_to_is_waited_for_longer() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        world.store.hanging_s = 0.4
        permit_of(await ask(world.instance()))

    run_virtual(scenario())


def test_a_deadline_ends_the_wait_before_that() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance, loop = world.instance(), asyncio.get_running_loop()
        world.store.hanging_s = 1.0
        with pytest.raises(StoreUnavailable):
            await instance.ledger.acquire(world.cards["m"], 1, Deadline.after(instance.clock, 0.1))
        assert loop.time() == pytest.approx(0.1, abs=0.01)

    run_virtual(scenario())


def test_after_a_failure_nobody_waits_for_the_store_for_a_moment() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance = world.instance()
        world.store.down = True
        for _ in range(20):
            with pytest.raises(StoreUnavailable):
                await ask(instance)
        assert world.store.reads == 1

    run_virtual(scenario())


def test_a_client_that_leaves_does_not_end_the_exchange_others_wait_for() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance = world.instance()
        waiting = [asyncio.create_task(ask(instance)) for _ in range(3)]
        await asyncio.sleep(0.001)
        waiting[0].cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert all(isinstance(each, Permit) for each in found[1:])

    run_virtual(scenario())


class OneFault:
    """Passes on to the world's store; the next write goes wrong as told, once."""

    def __init__(self, world: QuotaWorld) -> None:
        self.world = world
        self.fault = ""
        self.held_back: Coroutine[None, None, int] | None = None
        self.sent: list[str] = []

    async def read(self, scope: str) -> Stored | None:
        return await self.world.store.read(scope)

    async def write(self, scope: str, text: str, if_version: int | None) -> int:
        fault, self.fault = self.fault, ""
        self.sent.append(text)
        if fault == "late":
            self.held_back = self.world.store.write(scope, text, if_version)
            raise StoreUnavailable("no answer")
        version = await self.world.store.write(scope, text, if_version)
        if fault == "lost":
            raise StoreUnavailable("no answer")
        if fault == "twice":
            raise VersionConflict("the second try", scope)
        return version


def faulty(world: QuotaWorld) -> tuple[OneFault, Instance]:
    """An instance over a store with a fault to come."""
    store, clock = OneFault(world), SkewedClock(asyncio.get_running_loop())
    ledger = QuotaLedger(store, world.limits_of, clock, "faulty", random.Random(1))
    return store, Instance(world, ledger, clock, "faulty")


@pytest.mark.parametrize("fault", ["lost", "twice"])
def test_a_write_that_was_made_though_reported_as_failed_counts_once(fault: str) -> None:
    world = world_of(ScopeLimits(rpm=10))

    async def scenario() -> None:
        store, instance = faulty(world)
        permit_of(await ask(instance))
        await asyncio.sleep(TTL_S + 1.0)
        store.fault = fault
        if fault == "lost":
            with pytest.raises(StoreUnavailable):
                await ask(instance)
            await asyncio.sleep(0.6)
        permit_of(await ask(instance))
        assert len(store.sent) == 2  # never written again: a read told that it was made
        await instance.ledger.flush()
        other = world.instance()
        found = await asyncio.gather(*(ask(other) for _ in range(10)))
        assert sum(isinstance(each, Permit) for each in found) == 8

    run_virtual(scenario())


def test_a_write_still_under_way_is_sent_again_as_it_was_and_counts_once() -> None:
    """It reports a failure, a read shows nothing of it, and then it is made after all."""
    world = world_of(ScopeLimits(rpm=10))

    async def scenario() -> None:
        store, instance = faulty(world)
        permits = [permit_of(await ask(instance)) for _ in range(2)]
        await asyncio.sleep(TTL_S + 1.0)
        store.fault = "late"
        with pytest.raises(StoreUnavailable):
            await ask(instance)
        assert store.held_back is not None
        late = store.sent[-1]
        await asyncio.sleep(0.6)
        world.store.hanging_s = 0.05  # the read comes before the late write, the write after it
        asked = asyncio.create_task(ask(instance))
        await asyncio.sleep(0.12)
        world.store.hanging_s = 0.0
        await store.held_back
        permit_of(await asked)
        assert store.sent.count(late) == 2
        for permit in permits:
            instance.ledger.settle(permit, 10)
        await instance.ledger.flush()
        used = world.instance().ledger
        await used.snapshot(world.cards.values())
        assert used.used_by_provider("groq").day_requests == 3

    run_virtual(scenario())


def test_an_unreadable_document_is_no_empty_one() -> None:
    world = world_of(ScopeLimits(rpm=10))
    world.store.documents["groq"] = Stored("?", 1)

    async def scenario() -> None:
        with pytest.raises(StoreUnavailable):
            await ask(world.instance())

    run_virtual(scenario())


def test_contention_is_told_as_busy_not_as_a_failure() -> None:
    world = QuotaWorld(limits_for(ScopeLimits(rpm=10)), 3, StoreFaults(delay_s=0.001, abort=1.0))

    async def scenario() -> None:
        instance = world.instance()
        assert refusal_of(await ask(instance)).reason == "busy"

    run_virtual(scenario())
