"""R18.6, R18.7: what holds of callers' own limits whatever instances, store and clocks do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config import ClientLimits
from shared.errors import StoreUnavailable
from shared.limits.clients import ClientKey, ClientLimiter
from shared.limits.clients_window import USER_SHARE
from tests.support.client_world import ALICE, ClientWorld, Faults, worst
from tests.support.virtual_time import run_virtual

chances = st.sampled_from([0.0, 0.0, 0.1, 0.3])
contention = st.builds(
    Faults, delay_s=st.sampled_from([0.0, 0.001, 0.02]), abort=chances, twice=chances
)
failures = st.builds(
    Faults,
    delay_s=st.sampled_from([0.0, 0.02, 0.4]),
    abort=chances,
    twice=chances,
    lost=chances,
    unmade=chances,
    late=chances,
    late_s=st.sampled_from([0.1, 2.0, 20.0]),
)
gaps = st.sampled_from([0.0, 0.0, 0.01, 0.5, 3.0, 7.0, 16.0, 59.9, 61.0, 119.0])


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens ``after`` the one before it, in seconds."""

    after: float
    what: str  # "ask" | "burst" | "crash" | "flush"
    instance: int


events = st.builds(
    Event,
    after=gaps,
    what=st.sampled_from(["ask"] * 8 + ["burst"] * 4 + ["crash", "flush"]),
    instance=st.integers(0, 3),
)


async def play(world: ClientWorld, count: int, happenings: list[Event]) -> int:
    """Let it all happen; how many instances there were."""
    instances = [world.instance() for _ in range(count)]
    started = count
    async with asyncio.TaskGroup() as group:
        for event in happenings:
            await asyncio.sleep(event.after)
            place = event.instance % count
            if event.what == "crash":
                instances[place] = world.instance()
                started += 1
            elif event.what == "flush":
                group.create_task(flush(instances[place]))
            else:
                for _ in range(1 if event.what == "ask" else 7):
                    group.create_task(world.ask(instances[place]))
    return started


async def flush(limiter: ClientLimiter) -> None:
    """Give back, as far as the store lets."""
    try:
        await limiter.flush()
    except StoreUnavailable:
        pass


@given(
    st.integers(1, 12),
    st.integers(1, 4),
    contention,
    st.lists(events, max_size=60),
    st.integers(0, 10_000),
)
@settings(max_examples=250)
def test_r18_6_limit_and_two_for_each_further_instance(
    limit: int, count: int, faults: Faults, happenings: list[Event], seed: int
) -> None:
    """In any sliding 60 s; an instance that crashed counts as one of its own."""

    async def main() -> None:
        world = ClientWorld(ClientLimits(user_rpm=limit), seed, faults)
        started = await play(world, count, happenings)
        assert worst(world.admitted) <= limit + USER_SHARE * (started - 1)

    run_virtual(main())


@given(
    st.integers(1, 12),
    st.integers(1, 4),
    failures,
    st.lists(events, max_size=60),
    st.integers(0, 10_000),
)
@settings(max_examples=250)
def test_r18_6_holds_but_for_what_is_lent_while_the_store_fails(
    limit: int, count: int, faults: Faults, happenings: list[Event], seed: int
) -> None:
    """Lost, unmade and late answers; each instance by itself never lends beyond the limit."""

    async def main() -> None:
        world = ClientWorld(ClientLimits(user_rpm=limit), seed, faults)
        started = await play(world, count, happenings)
        assert worst(world.admitted) <= limit + USER_SHARE * (started - 1)
        assert worst(world.admitted + world.lent) <= limit * started

    run_virtual(main())


@given(st.integers(1, 30), st.lists(gaps, max_size=150), st.integers(0, 10_000))
@settings(max_examples=250)
def test_r18_6_exactly_the_limit_on_one_instance(
    limit: int, spacing: list[float], seed: int
) -> None:
    """Refused if and only if the limit has been admitted in the last 60 s, from the first
    request to the last, leases ending in between."""

    async def main() -> None:
        world = ClientWorld(ClientLimits(user_rpm=limit), seed)
        limiter = world.instance()
        loop = asyncio.get_running_loop()
        for gap in spacing:
            await asyncio.sleep(gap)
            now = loop.time()
            recent = sum(1 for at in world.admitted if at > now - 60.0 + 1e-6)
            told = await world.ask(limiter)
            assert told.allowed == (recent < limit)
            assert told.remaining == max(0, limit - recent - 1)
        assert not world.lent

    run_virtual(main())


@given(
    st.integers(1, 12),
    st.integers(1, 4),
    contention,
    st.lists(events, max_size=60),
    st.integers(0, 10_000),
)
@settings(max_examples=150)
def test_r18_7_the_same_for_addresses_of_anonymous_callers(
    limit: int, count: int, faults: Faults, happenings: list[Event], seed: int
) -> None:
    """However many accounts they have."""

    async def main() -> None:
        world = ClientWorld(ClientLimits(user_rpm=100, ip_rpm=limit), seed, faults)
        instances = [world.instance() for _ in range(count)]
        started = count
        names = iter(range(1_000_000))
        async with asyncio.TaskGroup() as group:
            for event in happenings:
                await asyncio.sleep(event.after)
                place = event.instance % count
                if event.what in ("crash", "flush"):
                    instances[place] = world.instance()
                    started += 1
                    continue
                for _ in range(1 if event.what == "ask" else 7):
                    key = ClientKey(f"u{next(names)}", "here", signed_in=False)
                    group.create_task(world.ask(instances[place], key))
        assert worst(world.admitted) <= limit + USER_SHARE * (started - 1)

    run_virtual(main())


@given(st.lists(st.sampled_from([30.0, 31.0, 45.0, 100.0]), max_size=40), st.integers(1, 4))
def test_r18_6_an_ordinary_user_costs_no_store_operation(spacing: list[float], count: int) -> None:
    """Two a minute at any instance."""

    async def main() -> None:
        world = ClientWorld()
        instances = [world.instance() for _ in range(count)]
        for gap in spacing:
            await asyncio.sleep(gap)
            for limiter in instances:
                assert (await world.ask(limiter, ALICE)).allowed
        assert world.operations == (0, 0)

    run_virtual(main())
