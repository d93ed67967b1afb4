"""Several instances: closures, flushing, alerts, told limits, and what is shown of it all."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, Refusal
from shared.limits.ledger_exchange import TTL_S
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_state import PROVIDER
from shared.limits.quota_text import read_state
from shared.providers.base import LimitSignal
from tests.support.quota_world import (
    SkewedClock,
    ask,
    permit_of,
    refusal_of,
    with_a_large_lease,
    world_of,
)
from tests.support.virtual_time import run_virtual


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
