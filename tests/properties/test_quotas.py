"""P28, P29, P34, P70: what holds of quotas whatever instances, store and clocks do."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import Deadline
from shared.errors import StoreUnavailable
from shared.limits.lease import TRANSIT_S
from shared.limits.ledger import Permit
from shared.limits.ledger_exchange import TTL_S
from shared.limits.quota_limits import ScopeLimits
from shared.model import ModelCard
from tests.support.quota_world import (
    WINDOW_S,
    Instance,
    QuotaWorld,
    StoreFaults,
    limits_for,
    poisson,
    worst_window,
)
from tests.support.virtual_time import run_virtual

small = st.none() | st.integers(0, 12)
chances = st.sampled_from([0.0, 0.0, 0.1, 0.3])
faults = st.builds(
    StoreFaults,
    delay_s=st.sampled_from([0.001, 0.05, 0.3]),
    abort=chances,
    lost=chances,
    unmade=chances,
    twice=chances,
    late=chances,
    late_s=st.sampled_from([0.1, 2.0, 20.0]),
)
scopes = st.builds(
    ScopeLimits,
    rpm=small,
    rpd=st.none() | st.integers(0, 40),
    tpm=st.none() | st.integers(0, 6000),
    tpd=st.none() | st.integers(0, 20_000),
    day_reset=st.sampled_from(["rolling", "America/Los_Angeles"]),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens ``after`` the one before it, in seconds."""

    after: float
    what: str  # "ask" | "burst" | "crash" | "flush" | "down" | "close"
    instance: int
    model: int
    reserve: int
    actual: int
    transit_s: float
    answer_s: float
    patience_s: float


@st.composite
def events(draw: st.DrawFn) -> Event:
    reserve = draw(st.integers(1, 3000))
    return Event(
        after=draw(st.sampled_from([0.0, 0.0, 0.01, 0.5, 3.0, 16.0, 61.0])),
        what=draw(
            st.sampled_from(["ask"] * 8 + ["burst"] * 4 + ["crash", "flush", "down", "close"])
        ),
        instance=draw(st.integers(0, 3)),
        model=draw(st.integers(0, 1)),
        reserve=reserve,
        actual=draw(st.integers(0, reserve)),
        transit_s=draw(st.floats(0.0, TRANSIT_S - 0.01)),
        answer_s=draw(st.sampled_from([0.0, 1.0, 30.0])),
        patience_s=draw(st.sampled_from([0.0, 5.0, 70.0])),
    )


async def play(world: QuotaWorld, happenings: list[Event]) -> None:
    """Let it all happen, and wait for every request to end."""
    models = list(world.cards)
    instances = [world.instance() for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for event in happenings:
            await asyncio.sleep(event.after)
            instance = instances[event.instance]
            match event.what:
                case "crash":
                    instance.crash()
                    instances[event.instance] = world.instance()
                case "flush":
                    group.create_task(flushed(instance))
                case "down":
                    world.store.down = not world.store.down
                case "close":
                    of = world.cards[models[event.model]]
                    instance.ledger.close_model(of, "limit", 1.0)
                case _:
                    for _ in range(8 if event.what == "burst" else 1):
                        group.create_task(
                            instance.request(
                                models[event.model],
                                reserve=event.reserve,
                                actual=event.actual,
                                transit_s=event.transit_s,
                                answer_s=event.answer_s,
                                patience_s=event.patience_s,
                            )
                        )
        world.store.down = False


async def flushed(instance: Instance) -> bool:
    """Whether everything could be given back."""
    try:
        await instance.ledger.flush()
    except StoreUnavailable:
        return False
    return True


def check(arrivals: list[tuple[float, int]], limits: ScopeLimits) -> None:
    """No window, and no day (all of it is one), over its limit."""
    requests, tokens = worst_window(arrivals)
    day_tokens = sum(tokens for _, tokens in arrivals)
    for found, limit in (
        (requests, limits.rpm),
        (tokens, limits.tpm),
        (len(arrivals), limits.rpd),
        (day_tokens, limits.tpd),
    ):
        assert limit is None or found <= limit, (arrivals, limits)


@settings(max_examples=150)
@given(
    provider=scopes,
    first=scopes,
    second=scopes,
    wrong=faults,
    seed=st.integers(0, 2**32),
    happenings=st.lists(events(), min_size=5, max_size=40),
)
def test_p70_no_window_holds_more_than_its_limit(
    provider: ScopeLimits,
    first: ScopeLimits,
    second: ScopeLimits,
    wrong: StoreFaults,
    seed: int,
    happenings: list[Event],
) -> None:
    """Several instances with clocks that are off and drift, crashes, flushes, a store that is slow,
    down, aborts, commits twice, late, or without a word."""
    world = QuotaWorld(limits_for(provider, {"m": first, "n": second}), seed, wrong)
    run_virtual(play(world, happenings))
    check(world.provider.all(), provider)
    check(world.provider.of("m"), first)
    check(world.provider.of("n"), second)


async def pressed(world: QuotaWorld, count: int, a_minute: float, seconds: float) -> None:
    """Requests from ``count`` instances, together ``a_minute``, each waiting up to 30 s."""
    instances = [world.instance() for _ in range(count)]

    async def drive(instance: Instance) -> None:
        last = 0.0
        async with asyncio.TaskGroup() as group:
            for at in poisson(world.rng, a_minute / 60 / count, seconds):
                await asyncio.sleep(at - last)
                last = at
                transit = world.rng.random() * 0.1
                group.create_task(instance.request(transit_s=transit, patience_s=30.0))

    await asyncio.gather(*map(drive, instances))


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32),
    limit=st.sampled_from([5, 15, 20, 30, 100]),
    instances=st.integers(1, 4),
)
def test_p70_what_is_allowed_is_used_once_it_is_full(seed: int, limit: int, instances: int) -> None:
    """At three times the limit, at least 90 % of it is used, and never more than all of it."""
    world = QuotaWorld(limits_for(ScopeLimits(rpm=limit)), seed)
    seconds = 420.0
    run_virtual(pressed(world, instances, limit * 3.0, seconds))
    arrivals = world.provider.all()
    assert worst_window(arrivals)[0] <= limit
    full = [at for at, _ in arrivals if 90.0 < at <= seconds]
    assert len(full) >= 0.9 * limit * (seconds - 90.0) / 60.0
    # Never more than one write for each request, and with what aborts a few more; where several
    # instances share five permits a minute, up to half as many again.
    most = 1.05 if limit > 5 or instances == 1 else 1.6
    assert world.store.writes <= most * len(arrivals) + instances


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), wrong=faults, crashes=st.integers(1, 4))
def test_p70_a_crash_loses_nothing_for_longer_than_a_lease_and_a_window(
    seed: int, wrong: StoreFaults, crashes: int
) -> None:
    limit = 10
    world = QuotaWorld(limits_for(ScopeLimits(rpm=limit)), seed, wrong)

    async def scenario() -> int:
        for _ in range(crashes):
            instance = world.instance()
            await asyncio.gather(*(instance.request() for _ in range(6)))
            instance.crash()
        # A write of the crashed that is still on its way may be made for a while.
        await asyncio.sleep(wrong.late_s)
        world.store.faults = StoreFaults()
        await asyncio.sleep(TTL_S + TRANSIT_S + WINDOW_S + 1.0)
        heir = world.instance()
        results = await asyncio.gather(*(heir.request(patience_s=0.5) for _ in range(limit)))
        return sum(results)

    assert run_virtual(scenario()) == limit


asked = st.lists(
    st.tuples(
        st.integers(0, 2),  # instance
        st.integers(0, 1),  # model
        st.integers(1, 500),  # reserved
        st.integers(0, 700),  # taken in the end
        st.sampled_from(["settled", "settled", "refunded", "left open"]),
        st.sampled_from([0.0, 0.3, 4.0, 17.0]),  # seconds until the next
    ),
    min_size=1,
    max_size=25,
)


async def counted(
    world: QuotaWorld, sequence: list[tuple[int, int, int, int, str, float]]
) -> dict[str, tuple[int, int]]:
    """Play ``sequence``; requests and tokens by model, as they were made."""
    instances = [world.instance() for _ in range(3)]
    made = {"m": (0, 0), "n": (0, 0)}
    for which, model, reserve, actual, end, pause in sequence:
        instance, name = instances[which], "mn"[model]
        of = world.cards[name]
        permit = await insisted(instance, of, reserve)
        requests, tokens = made[name]
        match end:
            case "settled":
                instance.ledger.settle(permit, actual)
                instance.ledger.settle(permit, actual + 1)  # a second time changes nothing
                made[name] = requests + 1, tokens + actual
            case "refunded":
                instance.ledger.refund(permit)
            case _:
                made[name] = requests + 1, tokens + reserve
        await asyncio.sleep(pause)
    for instance in instances:
        await flushed_at_last(instance)
    return made


async def flushed_at_last(instance: Instance) -> None:
    """Flush until the store has taken it."""
    if not await flushed(instance):
        await asyncio.sleep(1.0)
        await flushed_at_last(instance)


async def insisted(instance: Instance, of: ModelCard, reserve: int) -> Permit:
    """A permit, however often the store fails."""
    while True:
        deadline = Deadline.after(instance.clock, 50)
        try:
            found = instance.ledger.take(of, reserve) or await instance.ledger.acquire(
                of, reserve, deadline
            )
        except StoreUnavailable:
            await asyncio.sleep(0.6)
            continue
        if isinstance(found, Permit):
            return found
        assert found.reason == "busy"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("reset", ["rolling", "America/Los_Angeles"])
@settings(max_examples=40)
@given(sequence=asked, wrong=faults, seed=st.integers(0, 2**32))
def test_p28_p29_counts_are_the_requests_made_and_the_sum_of_their_tokens(
    reset: str, sequence: list[tuple[int, int, int, int, str, float]], wrong: StoreFaults, seed: int
) -> None:
    """Over all instances, settled late, early or twice, under every fault of the store; an
    instance that never asked reads the same."""
    roomy = ScopeLimits(rpm=10_000, rpd=100_000, tpm=10**7, tpd=10**8, day_reset=reset)
    world = QuotaWorld(limits_for(roomy, {"m": roomy, "n": roomy}), seed, wrong)

    async def scenario() -> None:
        made = await counted(world, sequence)
        world.store.faults = StoreFaults()
        reader = world.instance()
        rows = await reader.ledger.snapshot(world.cards.values())
        for name in ("m", "n"):
            used = reader.ledger.used(world.cards[name])
            assert (used.day_requests, used.day_tokens) == made[name]
        whole = reader.ledger.used_by_provider("groq")
        assert whole.day_requests == sum(requests for requests, _ in made.values())
        assert whole.day_tokens == sum(tokens for _, tokens in made.values())
        assert [row["model"] for row in rows] == [None, "m", "n"]
        assert [row["held"] for row in rows] == [[], [], []]

    run_virtual(scenario())


@settings(max_examples=60)
@given(
    provider=scopes,
    own=scopes,
    seed=st.integers(0, 2**32),
    happenings=st.lists(events(), max_size=15),
)
def test_p34_utilization_is_a_share(
    provider: ScopeLimits, own: ScopeLimits, seed: int, happenings: list[Event]
) -> None:
    world = QuotaWorld(limits_for(provider, {"m": own, "n": ScopeLimits()}), seed)

    async def scenario() -> None:
        instance, rng = world.instance(), random.Random(seed)
        for event in happenings:
            await asyncio.sleep(event.after)
            of = world.cards["mn"[event.model]]
            assert 0.0 <= instance.ledger.utilization(of) <= 1.0
            deadline = Deadline.after(instance.clock, 50)
            found = instance.ledger.take(of, event.reserve) or await instance.ledger.acquire(
                of, event.reserve, deadline
            )
            if isinstance(found, Permit) and rng.random() < 0.5:
                instance.ledger.settle(found, event.actual * 3)
            await asyncio.sleep(0.3)
            assert 0.0 <= instance.ledger.utilization(of) <= 1.0
        for row in await instance.ledger.snapshot(world.cards.values()):
            share = row["utilization"]
            assert isinstance(share, float)
            assert 0.0 <= share <= 1.0

    run_virtual(scenario())
