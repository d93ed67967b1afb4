"""The executor and its permits: refusals, settlements, what is told, the store in the way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from contextlib import aclosing
from typing import TypeVar

import pytest

from shared.errors import (
    CapacityExhausted,
    ConnectionFailed,
    InvalidRequest,
    KeyRejected,
    Overloaded,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    StoreUnavailable,
    StreamCut,
)
from shared.messages import RequestOptions, Usage
from shared.model import Limits
from shared.permits import ARRIVAL_S, TOO_LARGE, Refusal
from shared.providers.base import LimitSignal, ProviderCall
from shared.routing.options import EXPECTED_OUTPUT
from shared.routing.plan import Trace
from tests.support.fake_provider import OK, SILENT, Act, fails, says
from tests.support.quota_routing import Instances
from tests.support.routing_world import Script, World, card, plan_of, request
from tests.support.virtual_time import VirtualClock, run_virtual

A, B, C = card("alpha-one"), card("beta-one"), card("gamma-one")
A2 = card("alpha-two")
RESERVED = 100 + EXPECTED_OUTPUT
T = TypeVar("T")


def world_of(**acts: Script) -> World:
    clock = VirtualClock(asyncio.get_running_loop())
    return World(clock, [A, A2, B, C], {name.replace("_", "-"): act for name, act in acts.items()})


def run(main: Coroutine[None, None, T]) -> T:
    return run_virtual(main)


# ------------------------------------------------------------------------------- refusals


def test_a_refused_model_is_no_attempt_and_the_next_is_asked_at_once() -> None:
    async def main() -> None:
        world, trace = world_of(), Trace()
        world.meter.refusals[A.id] = Refusal(30.0, "full")
        await world.executor.complete(plan_of([A, B]), request(), world.deadline(), trace)
        assert [line.model for line in trace.attempts] == ["beta-one"]
        assert trace.waited_ms == 0
        assert asyncio.get_running_loop().time() == 0.0
        assert world.health.snapshot()[0]["model"] == "beta-one"

    run(main())


def test_a_refusal_frees_the_trial() -> None:
    async def main() -> None:
        world = world_of()
        world.health.record_failure(A, QuotaExceeded("full", wait_s=1.0), 1.0)
        await asyncio.sleep(2.0)
        world.meter.refusals[A.id] = Refusal(30.0, "full")
        await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        del world.meter.refusals[A.id]
        assert world.health.try_acquire(A)

    run(main())


def test_full_everywhere_is_a_429_with_the_first_return_after_the_patience() -> None:
    async def main() -> None:
        world, trace = world_of(), Trace()
        world.meter.refusals[A.id] = Refusal(40.0, "full")
        world.meter.refusals[B.id] = Refusal(25.0, "full")
        asked = request(options=RequestOptions(patience_s=3.0))
        with pytest.raises(CapacityExhausted) as told:
            await world.executor.complete(plan_of([A, B]), asked, world.deadline(), trace)
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)
        assert told.value.retry_after == pytest.approx(22.0)
        assert trace.waited_ms == 3000
        assert world.line.waiting == 0
        assert world.line.capacity_returns() == pytest.approx(22.0)

    run(main())


@pytest.mark.parametrize(
    ("reason", "until"), [("full", 7200.0), ("limit", 7200.0), ("limit", 20.0)]
)
def test_what_surely_does_not_return_in_time_is_not_waited_for(reason: str, until: float) -> None:
    """A day's limit, or a provider's own 429, whichever instance heard it."""

    async def main() -> None:
        world = world_of()
        world.meter.refusals[A.id] = Refusal(until, reason)
        with pytest.raises(CapacityExhausted) as told:
            await world.executor.complete(plan_of([A]), request(), world.deadline(), Trace())
        assert asyncio.get_running_loop().time() == 0.0
        assert told.value.retry_after == pytest.approx(until)

    run(main())


def test_the_deadline_caps_the_patience() -> None:
    async def main() -> None:
        world = world_of()
        world.meter.refusals[A.id] = Refusal(40.0, "full")
        with pytest.raises(CapacityExhausted):
            await world.executor.complete(plan_of([A]), request(), world.deadline(4.0), Trace())
        assert 1.0 < asyncio.get_running_loop().time() < 4.0

    run(main())


def test_a_named_model_at_its_limit_is_waited_for_then_replaced() -> None:
    async def main() -> None:
        world, trace = world_of(), Trace()
        named = plan_of([A, B], named=True, waits_for_head=True)
        world.meter.refusals[A.id] = Refusal(4.0, "full")
        asyncio.get_running_loop().call_later(4.0, world.meter.refusals.clear)
        await world.executor.complete(named, request(A.id), world.deadline(), trace)
        assert trace.answered is A
        assert trace.waited_ms == pytest.approx(4000, abs=5)
        world.meter.refusals[A.id] = Refusal(64.0, "full")
        trace = Trace()
        await world.executor.complete(named, request(A.id), world.deadline(), trace)
        assert trace.answered is B
        assert trace.waited_ms == 0

    run(main())


def test_too_large_for_every_limit_is_the_requests_fault() -> None:
    async def main() -> None:
        world = world_of(beta_one=OK)
        world.meter.refusals[A.id] = TOO_LARGE
        asked = request(max_tokens=9000)
        await world.executor.complete(plan_of([A, B]), asked, world.deadline(), Trace())
        assert world.asked() == ["beta-one"]
        with pytest.raises(InvalidRequest, match="max_tokens"):
            await world.executor.complete(plan_of([A]), asked, world.deadline(), Trace())

    run(main())


def test_an_answer_of_unknown_length_does_not_fail_by_a_small_limit() -> None:
    async def main() -> None:
        small = card("alpha-one", limits=Limits(tpm=300))
        here = Instances([small])
        ended = await here.ask(plan_of([small]))
        assert ended.error is None
        assert here.ledger().used(small).minute_tokens == 10
        told = await here.ask(plan_of([small]), asked=request(max_tokens=2000))
        assert isinstance(told.error, InvalidRequest)

    run(main())


# ---------------------------------------------------------------------------- settlements


@pytest.mark.parametrize(
    ("act", "settled"),
    [
        (OK, 10),
        (fails(QuotaExceeded), 0),
        (fails(KeyRejected), 0),
        (fails(Overloaded), RESERVED),
        (fails(ConnectionFailed), RESERVED),
        (SILENT, RESERVED),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_permit_is_settled_with_what_the_attempt_took(
    act: Act, settled: int, stream: bool
) -> None:
    async def main() -> None:
        world = world_of(alpha_one=[act, OK])
        if stream:
            source = world.executor.stream(
                plan_of([A, B]), request(stream=True), world.deadline(), Trace()
            )
            async for _ in source:
                pass
        else:
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        assert world.meter.settlements() == [[settled], [10]][: 1 if act is OK else 2]

    run(main())


def test_reservations_count_every_choice_and_no_more_than_the_model_can_write() -> None:
    async def main() -> None:
        world = world_of()
        await world.executor.complete(
            plan_of([A]), request(max_tokens=50, n=3), world.deadline(), Trace()
        )
        assert [kept.tokens for kept in world.meter.kept.values()] == [250]

    run(main())


@pytest.mark.parametrize("known", [None, Usage(7, 90)])
def test_a_stream_that_is_left_is_settled_with_what_was_seen(known: Usage | None) -> None:
    async def main() -> None:
        world = world_of()
        long = says(*["many words of text "] * 2000, usage=known or Usage(7, 9000))
        chunks = (long[0], long[-1], *long[1:]) if known is not None else long
        world.acts[A.id] = Act(chunks=chunks, gap=0.001)
        source = world.executor.stream(
            plan_of([A]), request(stream=True), world.deadline(), Trace()
        )
        async with aclosing(source) as batches:
            count = 0
            async for _ in batches:
                count += 1
                if count == 1500:
                    break
        ((settled,),) = world.meter.settlements()
        assert settled == 97 if known is not None else settled > 3000

    run(main())


def test_a_broken_stream_and_its_rescue_are_settled_once_each() -> None:
    async def main() -> None:
        text = says("one ", "two ", "three")
        world = world_of(
            alpha_one=Act(
                chunks=text, break_after=2, broken=lambda: StreamCut("cut", provider="fake")
            ),
            beta_one=Act(chunks=says("other")),
            gamma_one=Act(chunks=text),
        )
        source = world.executor.stream(
            plan_of([A, B, C]), request(stream=True), world.deadline(), Trace()
        )
        async for _ in source:
            pass
        assert world.asked() == ["alpha-one", "beta-one", "gamma-one"]
        broken, _, rescued = world.meter.settlements()
        assert all(len(settled) == 1 for settled in world.meter.settlements())
        assert broken == [RESERVED]
        assert rescued == [10]

    run(main())


# ----------------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (QuotaExceeded, ("alpha-one", "limit", 7.0)),
        (KeyRejected, ("alpha", "key", 300.0)),
        (PaymentRequired, ("alpha", "payment", 3600.0)),
    ],
)
def test_failures_close_for_everybody(
    kind: type[ProviderFailure], told: tuple[str, str, float]
) -> None:
    async def main() -> None:
        world = world_of(alpha_one=fails(kind, wait_s=7.0))
        await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        assert world.meter.told == [told]

    run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_a_trial_that_ends_well_reopens(stream: bool) -> None:
    async def main() -> None:
        world = world_of(alpha_one=[fails(QuotaExceeded, wait_s=2.0), OK])
        plan, asked = plan_of([A]), request(stream=stream)
        if stream:
            async for _ in world.executor.stream(plan, asked, world.deadline(), Trace()):
                pass
        else:
            await world.executor.complete(plan, asked, world.deadline(), Trace())
        assert world.meter.told == [("alpha-one", "limit", 2.0), ("alpha-one", "reopen", 0.0)]

    run(main())


def test_what_began_before_a_closure_lifts_nothing() -> None:
    async def main() -> None:
        world = world_of(alpha_one=[Act(delay=2.0), fails(QuotaExceeded, wait_s=60.0)])
        loop = asyncio.get_running_loop()
        slow = loop.create_task(
            world.executor.complete(plan_of([A]), request(), world.deadline(), Trace())
        )
        await asyncio.sleep(1.0)
        await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        await slow
        assert world.meter.told == [("alpha-one", "limit", 60.0)]

    run(main())


def test_limit_signals_tighten_once() -> None:
    signal = LimitSignal("requests", "minute", remaining=3)

    async def main() -> None:
        def act(call: ProviderCall) -> Act:
            call.signals.append(signal)
            return OK

        world = world_of(alpha_one=act)
        await world.executor.complete(plan_of([A]), request(), world.deadline(), Trace())
        source = world.executor.stream(
            plan_of([A]), request(stream=True), world.deadline(), Trace()
        )
        async for _ in source:
            pass
        assert world.meter.signals == [("alpha-one", signal)] * 2

    run(main())


def test_a_closure_by_another_instance_moves_the_model_back_in_plans() -> None:
    async def main() -> None:
        world = world_of()
        for refusal, head in ((None, A), (Refusal(math.inf, "key"), A2), (None, A)):
            world.meter.refusals = {} if refusal is None else {A.id: refusal}
            for _ in range(2):
                plan = world.router.plan(request(), plan_of([A]).category)
                assert plan.chain[0].card is head

    run(main())


# ---------------------------------------------------------------------------- the store


def test_without_the_store_only_models_without_limits_are_asked() -> None:
    async def main() -> None:
        limited, own = card("alpha-one", limits=Limits(rpm=10)), card("local-llama")
        here = Instances([limited, own])
        here.store.down = True
        ended = await here.ask(plan_of([limited, own]))
        assert (ended.error, ended.trace.answered) == (None, own)
        told = await here.ask(plan_of([limited]))
        assert isinstance(told.error, StoreUnavailable)
        assert told.error.retry_after is not None
        assert told.trace.attempts == []
        assert here.worlds[0].health.try_acquire(limited)
        here.store.down = False
        await asyncio.sleep(1.0)
        assert (await here.ask(plan_of([limited]))).error is None

    run(main())


def test_a_store_that_hangs_is_not_waited_for_once_per_candidate() -> None:
    async def main() -> None:
        chain = [card(f"p{n}-one", limits=Limits(rpm=10)) for n in range(8)]
        here = Instances(chain)
        for one in chain:  # each provider's document was read before
            assert (await here.ask(plan_of([one]))).error is None
        await asyncio.sleep(60.0)
        here.store.hanging_s = 60.0
        began = asyncio.get_running_loop().time()
        told = await here.ask(plan_of(chain))
        assert isinstance(told.error, StoreUnavailable)
        assert asyncio.get_running_loop().time() - began < 1.0

    run(main())


def test_held_permits_are_spent_without_the_store() -> None:
    async def main() -> None:
        limited = card("alpha-one", limits=Limits(rpm=100))
        here = Instances([limited])
        for _ in range(20):
            await here.ask(plan_of([limited]))
            await asyncio.sleep(0.1)
        here.store.down = True
        assert (await here.ask(plan_of([limited]))).error is None

    run(main())


def test_a_permit_that_counts_leaves_by_a_connection_that_is_there_in_time() -> None:
    async def main() -> None:
        limited = card("alpha-one", limits=Limits(rpm=100))
        here = Instances([limited, B])
        for one, seconds in ((limited, ARRIVAL_S), (B, 3.0)):
            await here.ask(plan_of([one]))
            asked = here.worlds[0].providers[one.provider].asked
            assert asked[-1].timeouts.connect == seconds

    run(main())


def test_a_held_permit_is_not_waited_for() -> None:
    async def main() -> None:
        limited = card("alpha-one", limits=Limits(rpm=100))
        here = Instances([limited])
        await here.ask(plan_of([limited]))
        await asyncio.sleep(0.5)
        await here.ask(plan_of([limited]))
        reads, writes = here.store.reads, here.store.writes
        ended = await here.ask(plan_of([limited]))
        assert ended.took == 0.0
        assert (here.store.reads, here.store.writes) == (reads, writes)

    run(main())


def test_a_client_that_leaves_while_the_store_is_asked_keeps_no_trial() -> None:
    async def main() -> None:
        limited = card("alpha-one", limits=Limits(rpm=100))
        here = Instances([limited])
        health = here.worlds[0].health
        health.record_failure(limited, QuotaExceeded("full", wait_s=1.0), 1.0)
        await asyncio.sleep(2.0)
        here.store.hanging_s = 5.0
        task = asyncio.get_running_loop().create_task(here.ask(plan_of([limited])))
        await asyncio.sleep(0.1)
        assert not health.try_acquire(limited)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert health.try_acquire(limited)

    run(main())


# ------------------------------------------------------------------------------- the line


def test_those_in_line_are_served_one_after_the_other_in_one_moment() -> None:
    async def main() -> None:
        loop, world = asyncio.get_running_loop(), world_of(alpha_one=Act(delay=3.0))
        world.meter.refusals[A.id] = Refusal(5.0, "full")
        loop.call_later(5.0, world.meter.refusals.clear)
        tasks = []
        for priority in (1, 5, 9, 5):
            asked = request(options=RequestOptions(priority=priority))
            work = world.executor.complete(plan_of([A]), asked, world.deadline(), Trace())
            tasks.append(loop.create_task(work))
            await asyncio.sleep(0.1)
        assert world.line.waiting == 4
        await asyncio.gather(*tasks)
        assert [round(asked.at, 6) for asked in world.providers["alpha"].asked] == [5.0] * 4

    run(main())


def test_the_urgent_pass() -> None:
    async def main() -> None:
        loop, world = asyncio.get_running_loop(), world_of()
        world.meter.refusals[A.id] = Refusal(5.0, "full")
        waits = loop.create_task(
            world.executor.complete(plan_of([A]), request(), world.deadline(), Trace())
        )
        await asyncio.sleep(1.0)
        world.meter.refusals.clear()
        for priority, model in ((5, B), (6, A)):
            asked, trace = request(options=RequestOptions(priority=priority)), Trace()
            await world.executor.complete(plan_of([A, B]), asked, world.deadline(), trace)
            assert trace.answered is model
        await waits

    run(main())
