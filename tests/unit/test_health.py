"""The health record: cooldowns, breaker, trial; and a dead primary under load."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import (
    BadToolCall,
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    RequestRejected,
)
from shared.messages import ChatResult
from shared.model import Category, Health
from shared.routing.cooldown import BREAKER_CAP_S, breaker_wait_s
from shared.routing.health import HealthBook, Standing
from shared.routing.plan import Trace
from tests.support.fake_provider import OK, SILENT, Act, fails
from tests.support.routing_world import World, card, request
from tests.support.virtual_time import ManualClock, VirtualClock, run_virtual

A, A2, B = card("alpha-one"), card("alpha-two"), card("beta-one")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0)


@pytest.fixture
def book(clock: ManualClock) -> HealthBook:
    return HealthBook(clock)


def down(book: HealthBook, times: int = 3) -> None:
    for _ in range(times):
        book.record_failure(A, Overloaded("503"), 100.0)


def test_health_follows_live_results(book: HealthBook) -> None:
    seen = [book.health(A)]
    for _ in range(3):
        down(book, 1)
        seen.append(book.health(A))
    assert seen == [Health.HEALTHY, Health.DEGRADED, Health.DEGRADED, Health.UNAVAILABLE]
    book.record_success(A, 100.0)
    assert book.health(A) is Health.HEALTHY
    assert book.health(A2) is Health.HEALTHY


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (QuotaExceeded("", wait_s=7.5, window="minute"), 7.5),
        (QuotaExceeded(""), 10.0),
        (QuotaExceeded("", wait_s=0.0), 1.0),
        (QuotaExceeded("", wait_s=5000.0, window="minute"), 120.0),
        (QuotaExceeded("", window="day"), 3600.0),
        (QuotaExceeded("", wait_s=39.0, window="day"), 39.0),
        (QuotaExceeded("", wait_s=86_400.0, window="month"), 3600.0),
        (ModelGone(""), 3600.0),
        (NotOnThisKey(""), 3600.0),
        (KeyRejected(""), 300.0),
        (PaymentRequired(""), 3600.0),
        (Overloaded("", wait_s=20.0), 20.0),
        (Overloaded(""), 0.0),
        (BadToolCall(""), 0.0),
        (RequestRejected("", wait_s=50.0), 0.0),
    ],
)
def test_how_long_one_failure_keeps_a_model_from_being_asked(
    book: HealthBook, clock: ManualClock, failure: ProviderFailure, seconds: float
) -> None:
    book.record_failure(A, failure, 5.0)
    wait = max(0.0, book.available_at(A) - clock.monotonic())
    assert wait == pytest.approx(seconds)
    assert book.try_acquire(A) is (seconds == 0.0)
    whole_provider = isinstance(failure, KeyRejected | PaymentRequired)
    assert book.try_acquire(A2) is not whole_provider
    assert (book.health(A2) is Health.UNAVAILABLE) is whole_provider
    assert book.try_acquire(B)


def test_a_longer_cooldown_is_never_shortened(book: HealthBook, clock: ManualClock) -> None:
    book.record_failure(A, QuotaExceeded("", wait_s=60.0), 5.0)
    book.record_failure(A, QuotaExceeded("", wait_s=2.0), 5.0)
    assert book.available_at(A) == clock.monotonic() + 60.0
    book.record_success(A, 100.0)  # of a call in flight: the limit still holds
    assert book.available_at(A) == clock.monotonic() + 60.0
    assert book.limited(A)


def test_one_call_at_a_time_on_trial(book: HealthBook, clock: ManualClock) -> None:
    down(book)
    assert book.standing(A) is Standing.COOLING
    clock.advance(10.0)
    assert book.standing(A) is Standing.READY
    assert book.try_acquire(A)
    assert not book.try_acquire(A)
    assert book.available_at(A) > clock.monotonic()
    book.record_success(A, 100.0)
    assert book.try_acquire(A)
    assert book.try_acquire(A)


def test_a_failed_trial_doubles_the_cooldown_to_its_cap(
    book: HealthBook, clock: ManualClock
) -> None:
    down(book)
    waits = []
    for _ in range(8):
        waits.append(book.available_at(A) - clock.monotonic())
        clock.advance(waits[-1])
        assert book.try_acquire(A)
        clock.advance(4.0)
        book.record_failure(A, Overloaded("503"), 4000.0)
    assert waits == [pytest.approx(breaker_wait_s(level)) for level in range(8)]
    assert waits[:3] == [pytest.approx(10), pytest.approx(20), pytest.approx(40)]
    assert waits[-1] == pytest.approx(BREAKER_CAP_S)


def test_a_burst_of_failures_is_one_opening(book: HealthBook, clock: ManualClock) -> None:
    down(book, 50)
    assert book.available_at(A) == clock.monotonic() + 10.0
    clock.advance(11.0)  # latecomers of the same burst, after the cooldown
    assert book.try_acquire(A)
    book.record_failure(A, Overloaded("503"), 15_000.0)
    assert not book.try_acquire(A), "a latecomer must not free the place of the one on trial"
    book.release(A)
    assert book.try_acquire(A)


def test_a_rejected_key_rests_the_provider_whatever_was_in_flight(
    book: HealthBook, clock: ManualClock
) -> None:
    book.record_failure(A, KeyRejected("401"), 50.0)
    book.record_success(A2, 100.0)
    assert not book.try_acquire(A2)
    clock.advance(300.0)
    assert book.try_acquire(A2)
    assert not book.try_acquire(A), "the provider is on trial"
    book.record_success(A2, 100.0)
    assert book.try_acquire(A)


def test_a_model_that_begins_and_never_ends_is_not_well(
    book: HealthBook, clock: ManualClock
) -> None:
    for _ in range(3):
        book.record_first_token(A, 100.0)
        book.record_failure(A, Overloaded("cut"), 500.0)
    assert book.health(A) is Health.UNAVAILABLE
    assert book.standing(A) is Standing.COOLING


def test_one_failure_stands_back_for_a_moment(book: HealthBook, clock: ManualClock) -> None:
    down(book, 1)
    assert book.standing(A) is Standing.SHAKEN
    clock.advance(11.0)
    assert book.standing(A) is Standing.READY
    assert book.health(A) is Health.DEGRADED


def test_snapshot_tells_models_and_providers(book: HealthBook) -> None:
    book.record_success(A, 120.0)
    book.record_failure(A, Overloaded("503"), 10.0)
    book.record_failure(B, KeyRejected("401"), 10.0)
    rows = {(row["provider"], row["model"]): row for row in book.snapshot()}
    assert rows["alpha", "alpha-one"]["success_rate"] == 0.5
    assert rows["alpha", "alpha-one"]["health"] == "DEGRADED"
    assert rows["alpha", "alpha-one"]["latency_ms"] == 120.0
    assert rows["beta", None]["health"] == "UNAVAILABLE"
    assert rows["beta", None]["cooldown_s"] == 300.0


@pytest.mark.parametrize("dead", [fails(Overloaded), SILENT, fails(Overloaded, delay=1.0)])
@pytest.mark.parametrize("stream", [False, True])
def test_dead_primary_under_load(dead: Act, stream: bool) -> None:
    """Fifty at once: all answered. Of the next 25 at most three reach the dead one. When it is
    back, it is used again within one cooldown."""

    async def main() -> None:
        world = World(VirtualClock(asyncio.get_running_loop()), [A, B], {"alpha-one": dead})
        asked = request(stream=stream)

        async def one() -> Trace:
            trace = Trace()
            plan = world.router.plan(asked, Category.MEDIUM)
            if stream:
                async for _ in world.executor.stream(plan, asked, world.deadline(), trace):
                    pass
            else:
                await world.executor.complete(plan, asked, world.deadline(), trace)
            return trace

        traces = await asyncio.gather(*(one() for _ in range(50)))
        assert {trace.answered.id for trace in traces if trace.answered} == {"beta-one"}
        before = len(world.providers["alpha"].asked)
        for _ in range(25):
            assert (await one()).answered is B
            await asyncio.sleep(0.5)
        assert len(world.providers["alpha"].asked) - before <= 3
        world.acts["alpha-one"] = OK
        back = world.clock.monotonic()
        while (await one()).answered is not A:
            await world.clock.sleep(0.5)
        assert world.clock.monotonic() - back <= breaker_wait_s(1)
        together = await asyncio.gather(*(one() for _ in range(10)))
        assert all(trace.answered is A for trace in together)

    run_virtual(main())


def test_results_of_the_executor_reach_the_record() -> None:
    async def main() -> ChatResult:
        world = World(VirtualClock(asyncio.get_running_loop()), [A], {"alpha-one": Act(delay=0.3)})
        plan = world.router.plan(request(), Category.MEDIUM)
        result = await world.executor.complete(plan, request(), world.deadline(), Trace())
        assert world.health.latency_ms(A, first_token=False) == pytest.approx(300)
        return result

    assert run_virtual(main()).choices
