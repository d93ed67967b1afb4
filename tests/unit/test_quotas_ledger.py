"""The ledger at work: sharing exchanges, refusing without asking, failing stores, closures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine

import pytest

from shared.clock import Deadline
from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, QuotaLedger, Refusal
from shared.limits.ledger_exchange import TTL_S
from shared.limits.quota_documents import Stored
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_state import PROVIDER
from shared.limits.quota_text import read_state
from shared.providers.base import LimitSignal
from shared.storage.errors import VersionConflict
from tests.support.quota_world import (
    Instance,
    QuotaWorld,
    SkewedClock,
    StoreFaults,
    limits_for,
    permit_of,
    refusal_of,
)
from tests.support.virtual_time import run_virtual


def world_of(provider: ScopeLimits, **models: ScopeLimits) -> QuotaWorld:
    return QuotaWorld(limits_for(provider, models or None), seed=7)


async def ask(
    instance: Instance, model: str = "m", tokens: int = 100, *, bulk: bool = False, chars: int = 0
) -> Permit | Refusal:
    """As a caller does."""
    of = instance.world.cards[model]
    return instance.ledger.take(of, tokens, characters=chars, bulk=bulk) or (
        await instance.ledger.acquire(
            of, tokens, Deadline.after(instance.clock, 50), characters=chars, bulk=bulk
        )
    )


# ------------------------------------------------------------------------------------- the lease


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


async def with_a_large_lease(instance: Instance) -> None:
    """Ask often for a while, so that the instance holds many permits for some time."""
    for _ in range(30):
        permit_of(await ask(instance))
        await asyncio.sleep(0.05)


# ------------------------------------------------------------------------------ a store that fails


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


# ------------------------------------------------------------------------------ more than one


def test_p27_a_rejected_key_is_known_to_all_within_five_seconds() -> None:
    world = world_of(ScopeLimits(rpm=1000), m=ScopeLimits(), n=ScopeLimits())

    async def scenario() -> None:
        one, other = world.instance(), world.instance()
        await ask(one)
        await with_a_large_lease(other)
        writes = world.store.writes
        one.ledger.close_provider("groq", "key", 300.0)
        assert refusal_of(one.ledger.take(world.cards["n"], 1)).reason == "key"
        last, loop = 0.0, asyncio.get_running_loop()
        closed_at = loop.time()
        for _ in range(12):
            if isinstance(await ask(other), Permit):
                last = loop.time()
            await asyncio.sleep(0.5)
        assert 0.0 < last - closed_at <= 5.0
        assert world.store.writes == writes + 1  # the lease alone would have lasted
        refusal = other.ledger.closed(world.cards["m"])
        assert refusal is not None
        assert refusal.reason == "key"
        assert refusal.until - other.clock.monotonic() == pytest.approx(294.0, abs=1.5)
        await asyncio.sleep(300.0)
        permit_of(await ask(other))
        assert other.ledger.closed(world.cards["m"]) is None

    run_virtual(scenario())


def test_a_closed_model_leaves_the_others_and_can_be_opened_again() -> None:
    world = world_of(ScopeLimits(rpm=100), m=ScopeLimits(), n=ScopeLimits())

    async def scenario() -> None:
        instance = world.instance()
        permit_of(await ask(instance, "m"))
        instance.ledger.close_model(world.cards["m"], "limit", 50.0)
        instance.ledger.close_model(world.cards["m"], "limit", 20.0)
        assert refusal_of(await ask(instance, "m")).until - instance.clock.monotonic() > 49.0
        permit_of(await ask(instance, "n"))
        await asyncio.sleep(1.0)
        instance.ledger.reopen(world.cards["m"])
        permit_of(await ask(instance, "m"))
        await asyncio.sleep(TTL_S)
        permit_of(await ask(instance, "m"))
        late = world.instance()
        permit_of(await ask(late, "m"))

    run_virtual(scenario())


def test_a_closure_by_an_instance_that_has_not_yet_asked_reaches_the_others() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        world.instance().ledger.close_provider("groq", "key", 300.0)
        await asyncio.sleep(1.0)
        assert refusal_of(await ask(world.instance())).reason == "key"

    run_virtual(scenario())


def test_flush_gives_everything_back_for_others_at_once() -> None:
    world = world_of(ScopeLimits(rpm=30))

    async def scenario() -> None:
        one, other = world.instance(), world.instance()
        for _ in range(10):
            permit_of(await ask(one))
            await asyncio.sleep(0.2)
        await one.ledger.flush()
        await one.ledger.flush()
        found = await asyncio.gather(*(ask(other) for _ in range(30)))
        assert sum(isinstance(each, Permit) for each in found) == 20
        permit = await ask(one)
        assert isinstance(permit, Refusal)

    run_virtual(scenario())


def test_flush_says_when_it_could_not() -> None:
    world = world_of(ScopeLimits(rpm=30))

    async def scenario() -> None:
        instance = world.instance()
        permit_of(await ask(instance))
        world.store.down = True
        with pytest.raises(StoreUnavailable):
            await instance.ledger.flush()
        world.store.down = False
        world.store.faults.abort = 1.0
        with pytest.raises(StoreUnavailable, match="others"):
            await instance.ledger.flush()

    run_virtual(scenario())


def test_r6_10_crossing_80_percent_is_told_once_over_all_instances() -> None:
    world = world_of(ScopeLimits(rpm=10))

    async def scenario() -> None:
        instances = [world.instance() for _ in range(3)]
        for _ in range(4):
            for instance in instances:
                await ask(instance)
        alerts = [alert for instance in instances for alert in instance.ledger.alerts()]
        assert [(alert.provider, alert.model, alert.dimension) for alert in alerts] == [
            ("groq", None, "rpm")
        ]
        assert alerts[0].used_share > 0.8
        assert not any(instance.ledger.alerts() for instance in instances)

    run_virtual(scenario())


def test_what_a_provider_tells_one_instance_binds_all() -> None:
    world = world_of(ScopeLimits(rpm=100), m=ScopeLimits(rpm=50, tpm=9000))

    async def scenario() -> None:
        one, other = world.instance(), world.instance()
        of = world.cards["m"]
        permit_of(await ask(one))
        one.ledger.tighten(of, LimitSignal("requests", "minute", 3, 50, 40.0))
        one.ledger.tighten(of, LimitSignal("tokens", "minute", 8900, 9000, 40.0))
        one.ledger.tighten(of, LimitSignal("images", "minute", 0, 0, 40.0))
        await one.ledger.flush()
        found = await asyncio.gather(*(ask(other) for _ in range(6)))
        assert sum(isinstance(each, Permit) for each in found) == 3
        await asyncio.sleep(42.0)
        permit_of(await ask(other))

    run_virtual(scenario())


def test_nothing_left_stops_the_lease_at_hand_at_once() -> None:
    world = world_of(ScopeLimits(rpm=100), m=ScopeLimits(rpm=50))

    async def scenario() -> None:
        instance = world.instance()
        for _ in range(10):
            permit_of(await ask(instance))
            await asyncio.sleep(0.3)
        instance.ledger.tighten(world.cards["m"], LimitSignal("requests", "minute", 0, None, 30.0))
        assert isinstance(await ask(instance), Refusal)
        instance.ledger.tighten(world.cards["m"], LimitSignal("tokens", "minute", 0, None, 30.0))
        await asyncio.sleep(31.0)
        permit_of(await ask(instance))

    run_virtual(scenario())


# -------------------------------------------------------------------------------- what is shown


def test_the_snapshot_shows_limits_use_leases_and_closures_from_any_instance() -> None:
    world = world_of(ScopeLimits(rpm=20, rpd=100), m=ScopeLimits(tpm=5000), n=ScopeLimits())

    async def scenario() -> None:
        one = world.instance()
        admin = world.instance(SkewedClock(asyncio.get_running_loop()))
        for _ in range(4):
            one.ledger.settle(permit_of(await ask(one, tokens=500)), 50)
        await asyncio.sleep(TTL_S + 1.0)
        await asyncio.gather(*(ask(one, tokens=500) for _ in range(2)))
        one.ledger.close_model(world.cards["n"], "limit", 30.0)
        await asyncio.sleep(1.0)
        rows = await admin.ledger.snapshot(world.cards.values())
        provider, m, n = rows
        assert provider["limits"] == {"rpm": 20, "rpd": 100}
        assert provider["used"] == {
            "minute": {"requests": 6, "tokens": 1200},
            "day": {"requests": 6, "tokens": 1200},
            "month": {"characters": 0},
        }
        # What another instance holds counts as used until it is settled.
        assert provider["utilization"] == 0.55
        assert provider["model"] is None
        assert m["limits"] == {"tpm": 5000}
        assert n["closed"] == {"reason": "limit", "remaining_s": pytest.approx(29.0, abs=0.3)}
        held = m["held"]
        assert isinstance(held, list)
        assert all(isinstance(each, dict) and each["holder"] == one.name for each in held)
        assert [row["stale"] for row in rows] == [False, False, False]

    run_virtual(scenario())


def test_the_snapshot_of_a_store_that_is_down_says_so() -> None:
    world = world_of(ScopeLimits(rpm=20))

    async def scenario() -> None:
        instance = world.instance()
        permit_of(await ask(instance))
        world.store.down = True
        rows = await instance.ledger.snapshot(world.cards.values())
        assert [row["stale"] for row in rows] == [True, True]
        assert rows[0]["utilization"] == 0.05

    run_virtual(scenario())


def test_utilization_counts_what_was_used_not_what_is_held() -> None:
    world = world_of(ScopeLimits(rpm=100))

    async def scenario() -> None:
        instance = world.instance()
        of = world.cards["m"]
        assert instance.ledger.utilization(of) == 0.0
        for _ in range(30):
            permit_of(await ask(instance))
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.3)
        assert instance.ledger.utilization(of) == 0.3
        await asyncio.sleep(80.0)
        assert instance.ledger.utilization(of) == 0.0

    run_virtual(scenario())


def test_the_document_names_every_scope_it_limits() -> None:
    world = world_of(ScopeLimits(rpm=20), m=ScopeLimits(rpm=3))

    async def scenario() -> None:
        instance = world.instance()
        permit_of(await ask(instance))
        await instance.ledger.flush()
        stored = world.store.documents["groq"]
        state = read_state(stored.text, stored.version // 1000)
        assert set(state.scopes) == {PROVIDER, "m"}
        assert state.writer == instance.name

    run_virtual(scenario())
