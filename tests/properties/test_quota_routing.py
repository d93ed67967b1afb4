"""P27-P32, P34, P64, P65 and P70 through the real executor and the real ledger, on virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    CapacityExhausted,
    CodeexError,
    KeyRejected,
    Overloaded,
    ProviderFailure,
    QuotaExceeded,
    StreamCut,
)
from shared.limits.quota_documents import StoredQuotas
from shared.messages import RequestOptions, Usage
from shared.model import Limits
from shared.routing.plan import Trace
from tests.support.fake_provider import OK, SILENT, Act, fails, says
from tests.support.quota_routing import Ended, Instances, most_in_a_minute
from tests.support.routing_world import World, card, plan_of, request
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock, run_virtual

MANY = Limits(rpm=1000, tpm=10_000_000)
A, A2, B = card("alpha-one", limits=MANY), card("alpha-two"), card("beta-one", limits=MANY)
CEILINGS = {"alpha": Limits(rpm=2000), "beta": Limits(rpm=2000)}


def tight(rpm: int) -> dict[str, Limits]:
    """Ceilings of so many requests a minute at either provider."""
    return {"alpha": Limits(rpm=rpm), "beta": Limits(rpm=rpm)}


# ------------------------------------------------------------------------- P28, P29, P34

uses = st.lists(
    st.tuples(
        st.sampled_from([A, A2, B]),
        st.integers(1, 4000),
        st.sampled_from([0.0, 0.0, 0.3, 5.0, 40.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=15,
)


@settings(max_examples=40)
@given(uses)
def test_p28_p29_counts_are_those_of_the_requests_made(
    made: list[tuple[object, int, float, bool]],
) -> None:
    async def main() -> None:
        here = Instances([A, A2, B], ceilings=CEILINGS)
        sent: list[tuple[object, int]] = []
        for one, tokens, pause, fails_first in made:
            answer = Act(chunks=says("yes", usage=Usage(tokens, 5)))
            for model in (A, A2, B):
                here.worlds[0].acts[model.id] = answer
            chosen = next(model for model in (A, A2, B) if model is one)
            if fails_first:
                other = B if chosen.provider == "alpha" else A
                here.worlds[0].acts[other.id] = fails(QuotaExceeded, wait_s=0.1)
                await here.ask(plan_of([other, chosen]))
                tried = [line.model for line in here.ended[-1].trace.attempts]
                if other.id in tried:
                    sent.append((other, 0))
            else:
                await here.ask(plan_of([chosen]))
            assert here.ended[-1].error is None
            sent.append((chosen, tokens + 5))
            for model in (A, A2, B):
                assert 0.0 <= here.ledger().utilization(model) <= 1.0  # P34
            await asyncio.sleep(pause)
        for model in (A, A2, B):
            used = here.ledger().used(model)
            mine = [tokens for card_, tokens in sent if card_ is model]
            assert (used.day_requests, used.day_tokens) == (len(mine), sum(mine))
        for provider in ("alpha", "beta"):
            of = here.ledger().used_by_provider(provider)
            calls = [asked for asked in here.arrivals() if asked[1].startswith(provider)]
            assert of.day_requests == len(calls)

    run_virtual(main())


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(0, 30))
def test_p34_utilization_is_a_share_and_full_is_full(rpm: int, requests: int) -> None:
    async def main() -> None:
        here = Instances([A], ceilings=tight(rpm))
        for _ in range(requests):
            await here.ask(plan_of([A]), patience=0.0)
            assert 0.0 <= here.ledger().utilization(A) <= 1.0
        answered = sum(1 for ended in here.ended if ended.error is None)
        assert answered == min(rpm, requests)
        if answered == rpm:
            assert here.ledger().utilization(A) == 1.0

    run_virtual(main())


# ----------------------------------------------------------------------------- P27, P65


@settings(max_examples=30)
@given(
    st.sampled_from([401, 403]),
    st.lists(st.floats(0.05, 2.0), min_size=1, max_size=12),
    st.integers(0, 1_000_000),
)
def test_p27_p65_a_rejected_key_rests_its_provider_on_every_instance(
    status: int, pauses: list[float], seed: int
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        store = memory_store(VirtualClock(loop))
        here = Instances([A, A2, B], ceilings=CEILINGS, count=2, documents=StoredQuotas(store))
        rng = random.Random(seed)
        for at in (0, 1):
            for _ in range(3):  # both hold leases
                await here.ask(plan_of([A, B]), at=at)
                await asyncio.sleep(rng.random())
        here.worlds[0].acts[A.id] = fails(KeyRejected, status=status)
        first = await here.ask(plan_of([A, B]), at=0)
        assert first.trace.answered is B
        closed_at = loop.time()
        for pause in pauses:
            await asyncio.sleep(pause)
            ended = await here.ask(plan_of([A, A2, B]), at=1)
            assert ended.error is None
            if loop.time() - closed_at >= 5.0:
                assert ended.trace.answered is B
                assert [line.model for line in ended.trace.attempts] == ["beta-one"]
            again = await here.ask(plan_of([A, A2, B]), at=0)
            assert again.trace.answered is B
        await asyncio.sleep(max(0.0, closed_at + 5.0 - loop.time()))
        late = await here.ask(plan_of([A, A2, B]), at=1)
        assert late.trace.answered is B
        plan = here.worlds[1].router.plan(request(), plan_of([A]).category)
        assert plan.chain[0].card is B
        await asyncio.sleep(closed_at + 302.0 - loop.time())
        here.worlds[0].acts[A.id] = OK
        for at in (0, 1):
            assert (await here.ask(plan_of([A, B]), at=at)).trace.answered is A
        await store.close()

    run_virtual(main())


# ----------------------------------------------------------------------------- P30 - P32


@settings(max_examples=40)
@given(
    st.integers(1, 5),
    st.floats(0.0, 12.0),
    st.booleans(),
    st.sampled_from([12.0, 50.0]),
)
def test_p30_a_request_at_the_limit_waits_its_patience(
    rpm: int, patience: float, both: bool, deadline: float
) -> None:
    async def main() -> None:
        here = Instances([A, B], ceilings=tight(rpm))
        chain = [A, B] if both else [A]
        for _ in range(rpm * len(chain)):
            assert (await here.ask(plan_of(chain), patience=0.0)).error is None
        ended = await here.ask(plan_of(chain), patience=patience, deadline=deadline)
        assert isinstance(ended.error, CapacityExhausted)
        assert ended.took == pytest.approx(min(patience, deadline - 1.0), abs=1.1)
        assert abs(ended.trace.waited_ms / 1000.0 - ended.took) < 0.4
        assert ended.error.retry_after is not None
        returns = here.clock.monotonic() + ended.error.retry_after
        assert 55.0 <= returns <= 80.0
        assert ended.trace.attempts == []
        line = here.worlds[0].line
        assert line.waiting == 0
        assert line.capacity_returns() == pytest.approx(ended.error.retry_after)
        await asyncio.sleep(ended.error.retry_after + 0.5)
        assert (await here.ask(plan_of(chain), patience=2.0)).error is None

    run_virtual(main())


@settings(max_examples=30)
@given(
    st.integers(1, 4),
    st.lists(st.integers(1, 10), min_size=2, max_size=10),
    st.integers(0, 1_000_000),
)
def test_p31_p32_who_waits_is_served_by_priority_then_arrival(
    rpm: int, priorities: list[int], seed: int
) -> None:
    async def main() -> None:
        here = Instances([A], ceilings={"alpha": Limits(rpm=rpm)})
        loop, rng = asyncio.get_running_loop(), random.Random(seed)
        for _ in range(rpm):
            await here.ask(plan_of([A]), patience=0.0)
        served: list[str] = []
        tasks = []
        for place, priority in enumerate(priorities):
            ask = here.ask(
                plan_of([A]), name=f"{place}", priority=priority, patience=900.0, deadline=1000.0
            )
            tasks.append(loop.create_task(ask))
            await asyncio.sleep(0.5 + rng.random())
        line = here.worlds[0].line
        assert line.waiting == len(priorities)
        for nth, waiting in enumerate(line._places):
            assert line.position(waiting) == nth + 1
            assert line.estimated_wait(waiting) >= 0.0
        await asyncio.gather(*tasks)
        served = [ended.name for ended in here.ended if ended.name]
        expected = sorted(range(len(priorities)), key=lambda place: (-priorities[place], place))
        assert served == [str(place) for place in expected]
        assert line.waiting == 0
        assert most_in_a_minute(at for at, _ in here.arrivals()) <= rpm
        # No capacity is left lying about while they wait.
        assert here.clock.monotonic() <= 80.0 * (1 + (len(priorities) - 1) // rpm)

    run_virtual(main())


arrivals = st.lists(
    st.tuples(st.floats(0.0, 150.0), st.sampled_from([3, 5, 5, 5, 8]), st.booleans()),
    min_size=2,
    max_size=14,
)


@settings(max_examples=60)
@given(st.integers(1, 3), arrivals)
def test_p31_no_newcomer_passes_one_who_waits(
    rpm: int, coming: list[tuple[float, int, bool]]
) -> None:
    async def main() -> None:
        here = Instances([A, A2], ceilings={"alpha": Limits(rpm=rpm)})
        loop = asyncio.get_running_loop()
        waits: dict[str, tuple[int, float]] = {}

        async def come(name: str, at: float, priority: int, other: bool) -> None:
            await asyncio.sleep(at)
            waits[name] = -priority, loop.time()
            chain = [A2] if other else [A]
            await here.ask(
                plan_of(chain), name=name, priority=priority, patience=900.0, deadline=1000.0
            )

        await asyncio.gather(*(come(f"{nth}", *each) for nth, each in enumerate(sorted(coming))))
        assert all(ended.error is None for ended in here.ended)
        for nth, ended in enumerate(here.ended):
            priority, arrived = waits[ended.name]
            for later in here.ended[nth + 1 :]:
                # Who was served later had not been in line before, at no lower priority. (0.5 s:
                # until the store has said that there is nothing, nobody stands in line.)
                other_priority, other_arrived = waits[later.name]
                passed = other_priority <= priority and other_arrived < arrived - 0.5
                assert not passed, (ended.name, later.name)

    run_virtual(main())


@settings(max_examples=30)
@given(st.integers(1, 3), st.lists(st.floats(0.0, 9.0), min_size=1, max_size=8), st.data())
def test_who_leaves_the_line_is_never_sent_and_blocks_nobody(
    rpm: int, leaves: list[float], data: st.DataObject
) -> None:
    stays = data.draw(st.integers(0, len(leaves) - 1))

    async def main() -> None:
        here = Instances([A], ceilings={"alpha": Limits(rpm=rpm)})
        loop = asyncio.get_running_loop()
        for _ in range(rpm):
            await here.ask(plan_of([A]), patience=0.0)
        tasks = [
            loop.create_task(here.ask(plan_of([A]), patience=300.0, deadline=400.0)) for _ in leaves
        ]
        for place, after in enumerate(leaves):
            if place != stays:
                loop.call_later(after, tasks[place].cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(here.arrivals()) == rpm + 1
        kept = results[stays]
        assert isinstance(kept, Ended)
        assert kept.error is None
        assert here.worlds[0].line.waiting == 0
        await asyncio.sleep(1.0)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_capacity_that_comes_back_early_is_used_at_once() -> None:
    async def main() -> None:
        small = card("alpha-one", limits=Limits(tpm=1500))
        here = Instances([small])
        here.worlds[0].acts[small.id] = [Act(delay=2.0), OK]
        loop = asyncio.get_running_loop()
        options = RequestOptions(patience_s=10.0)
        first = loop.create_task(
            here.ask(plan_of([small]), asked=request(tokens=1000, max_tokens=400))
        )
        await asyncio.sleep(0.5)
        second = await here.ask(
            plan_of([small]), asked=request(tokens=500, max_tokens=400, options=options)
        )
        assert (await first).error is None
        assert second.error is None
        assert second.trace.waited_ms == pytest.approx(1500, abs=200)

    run_virtual(main())


# ------------------------------------------------------------------------------ P64, P70


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 25), st.floats(0.0, 10.0), st.integers(1, 3))
def test_p64_p70_limits_lead_elsewhere_then_to_waiting_and_hold(
    rpm: int, requests: int, patience: float, count: int
) -> None:
    async def main() -> None:
        here = Instances([A, B], ceilings=tight(rpm), count=count)
        loop, rng = asyncio.get_running_loop(), random.Random(requests)
        tasks = []
        for place in range(requests):
            ask = here.ask(plan_of([A, B]), at=place % count, patience=patience)
            tasks.append(loop.create_task(ask))
            await asyncio.sleep(rng.random() * 3.0)
        ended = await asyncio.gather(*tasks)
        for one in ended:
            assert one.error is None or isinstance(one.error, CapacityExhausted)
            assert one.error is None or one.error.retry_after is not None
        for provider in ("alpha", "beta"):
            times = [at for at, model in here.arrivals() if model.startswith(provider)]
            assert most_in_a_minute(times) <= rpm
        if count == 1:
            # Nobody is turned away while the other provider has room.
            answered = [one for one in ended if one.error is None]
            assert len(answered) >= min(requests, 2 * rpm)

    run_virtual(main())


# ------------------------------------------------------------------ settled exactly once

KINDS: list[type[ProviderFailure]] = [QuotaExceeded, KeyRejected, Overloaded, StreamCut]
acts = st.one_of(
    st.just(OK),
    st.just(SILENT),
    st.builds(lambda kind, delay: fails(kind, delay), st.sampled_from(KINDS), st.floats(0, 3)),
    st.builds(
        lambda after, loud, gap: Act(
            chunks=says("one ", "two ", "three"),
            gap=gap,
            break_after=after,
            broken=(lambda: StreamCut("cut", provider="fake")) if loud else None,
        ),
        st.integers(0, 5),
        st.booleans(),
        st.sampled_from([0.0, 0.5, 3.0]),
    ),
    st.just(Act(delay=1e5, deaf=True)),
)
CARDS = [card("alpha-one"), card("beta-one", accepts_prefix=True), card("gamma-one")]


@settings(max_examples=150)
@given(
    st.fixed_dictionaries({one.id: st.lists(acts, min_size=1, max_size=3) for one in CARDS}),
    st.booleans(),
    st.one_of(st.none(), st.floats(0.0, 20.0)),
    st.one_of(st.none(), st.integers(0, 4)),
    st.sampled_from([0.5, 4.0, 30.0]),
)
def test_every_permit_is_settled_exactly_once(
    script: dict[str, list[Act]],
    stream: bool,
    cancelled_after: float | None,
    closed_after: int | None,
    deadline: float,
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        world = World(VirtualClock(loop), CARDS, dict(script))
        asked = request(stream=stream)

        async def work() -> None:
            try:
                if not stream:
                    await world.executor.complete(
                        plan_of(CARDS), asked, world.deadline(deadline), Trace()
                    )
                    return
                source = world.executor.stream(
                    plan_of(CARDS), asked, world.deadline(deadline), Trace()
                )
                try:
                    count = 0
                    async for _ in source:
                        count += 1
                        if count == closed_after:
                            break
                finally:
                    await source.aclose()
            except (CodeexError, ProviderFailure):
                pass

        task = loop.create_task(work())
        if cancelled_after is not None:
            loop.call_later(cancelled_after, task.cancel)
        await asyncio.wait({task})
        assert all(len(settled) == 1 for settled in world.meter.settlements())
        assert len(world.meter.settlements()) == len(world.asked())
        assert all(settled[0] >= 0 for settled in world.meter.settlements())

    run_virtual(main())
