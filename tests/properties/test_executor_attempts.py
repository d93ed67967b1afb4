"""P23-P27, P63, P65, P66, P69, P73: what holds of every way down a chain, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    AllModelsFailed,
    BadToolCall,
    CapacityExhausted,
    CodeexError,
    ConnectionFailed,
    ContextTooLong,
    EmptyAnswer,
    FieldUnsupported,
    KeyRejected,
    MalformedAnswer,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    RequestRejected,
    RequestTooLarge,
    Retry,
    StreamCut,
)
from shared.messages import RequestOptions
from shared.model import Category, Feature, Health
from shared.routing.backoff import CAP_S, Backoff
from shared.routing.plan import Trace
from tests.support.fake_provider import OK, SILENT, Act, fails, says
from tests.support.routing_world import STANDARD, World, card, plan_of, request, rule
from tests.support.virtual_time import VirtualClock, run_virtual

KINDS: tuple[type[ProviderFailure], ...] = (
    QuotaExceeded,
    PaymentRequired,
    NotOnThisKey,
    KeyRejected,
    ConnectionFailed,
    Overloaded,
    MalformedAnswer,
    EmptyAnswer,
    BadToolCall,
    ModelGone,
    FieldUnsupported,
    ContextTooLong,
    RequestTooLarge,
    RequestRejected,
    Refused,
    StreamCut,
)
SERVER_ERRORS = (502, 503, 504)

delays = st.sampled_from([0.0, 0.05, 1.0, 3.9, 4.1, 7.0, 19.0, 30.0])
failing = st.builds(
    lambda kind, delay, wait: fails(kind, delay, **({} if wait is None else {"wait_s": wait})),
    st.sampled_from(KINDS),
    delays,
    st.sampled_from([None, None, 0.0, 0.5, 2.0, 30.0, 5000.0]),
)
answering = st.builds(
    lambda delay, gap: Act(delay=delay, gap=gap, chunks=says("one ", "two ", "three")),
    delays,
    st.sampled_from([0.0, 0.5, 5.0, 9.0]),
)
breaking = st.builds(
    lambda delay, after, loud: Act(
        delay=delay,
        chunks=says("one ", "two ", "three"),
        break_after=after,
        broken=(lambda: StreamCut("cut", provider="fake")) if loud else None,
    ),
    delays,
    st.integers(0, 5),
    st.booleans(),
)
deaf = st.just(Act(delay=1e5, deaf=True))
acts = st.one_of(failing, answering, breaking, st.just(SILENT), deaf)
CARDS = tuple(
    card(f"{provider}-{number}", features=features)
    for provider, number, features in (
        ("alpha", 1, STANDARD),
        ("alpha", 2, STANDARD),
        ("beta", 1, STANDARD),
        ("beta", 2, frozenset({Feature.TOOLS})),
        ("gamma", 1, STANDARD),
    )
)


@dataclass
class Outcome:
    """How one request ended, and when (virtual seconds)."""

    world: World
    trace: Trace = field(default_factory=Trace)
    error: Exception | None = None
    text: str = ""
    seconds: float = 0.0


@dataclass
class Case:
    """A chain of models with their acts, and a request."""

    acts: dict[str, list[Act]]
    chain: list[str]
    stream: bool
    deadline: float
    patience: float
    fallback: bool
    named: bool
    max_attempts: int
    warm: list[tuple[str, type[ProviderFailure]]]


cases = st.builds(
    Case,
    acts=st.fixed_dictionaries({one.id: st.lists(acts, min_size=1, max_size=3) for one in CARDS}),
    chain=st.lists(st.sampled_from([one.id for one in CARDS]), min_size=1, max_size=5, unique=True),
    stream=st.booleans(),
    deadline=st.sampled_from([0.3, 1.0, 5.0, 12.0, 50.0, 300.0]),
    patience=st.sampled_from([0.0, 1.0, 10.0, 100.0]),
    fallback=st.sampled_from([True, True, True, False]),
    named=st.booleans(),
    max_attempts=st.integers(1, 20),
    warm=st.lists(
        st.tuples(
            st.sampled_from([one.id for one in CARDS]),
            st.sampled_from([QuotaExceeded, KeyRejected, ModelGone]),
        ),
        max_size=3,
    ),
)


def carry_out(case: Case) -> Outcome:
    """Run the case on a loop of its own."""

    async def main() -> Outcome:
        clock = VirtualClock(asyncio.get_running_loop())
        by_id = {one.id: one for one in CARDS}
        world = World(clock, list(CARDS), dict(case.acts))
        for model, kind in case.warm:
            world.health.record_failure(by_id[model], kind("before"), 1.0)
        plan = plan_of(
            [by_id[model] for model in case.chain],
            max_attempts=case.max_attempts,
            fallback=case.fallback,
            named=case.named,
            waits_for_head=case.named,
        )
        asked = request(stream=case.stream, options=RequestOptions(patience_s=case.patience))
        outcome = Outcome(world)
        deadline = world.deadline(case.deadline)
        try:
            if case.stream:
                async for batch in world.executor.stream(plan, asked, deadline, outcome.trace):
                    outcome.text += "".join(chunk.text for chunk in batch)
            else:
                result = await world.executor.complete(plan, asked, deadline, outcome.trace)
                message = result.choices[0]["message"]
                assert isinstance(message, dict)
                outcome.text = str(message["content"])
        except (CodeexError, ProviderFailure) as error:
            outcome.error = error
        outcome.seconds = clock.monotonic()
        await asyncio.sleep(0)
        return outcome

    return run_virtual(main())


def charged(trace: Trace) -> int:
    """Attempts that count: a model's first word that it is at its limit does not."""
    free = {line.model for line in trace.attempts if line.outcome == "rate_limited"}
    firsts = {line.model: line.outcome for line in reversed(trace.attempts)}
    return len(trace.attempts) - sum(firsts[model] == "rate_limited" for model in free)


@settings(max_examples=300, deadline=None)
@given(cases)
def test_p73_every_request_ends_by_its_deadline(case: Case) -> None:
    outcome = carry_out(case)
    assert outcome.seconds <= case.deadline + 0.25
    if outcome.error is None:
        assert outcome.text in ("one two three", "Hello")
        assert outcome.trace.answered is not None
        assert outcome.trace.attempts[-1].outcome == "ok"
    assert charged(outcome.trace) <= case.max_attempts
    # Nothing stays open behind a request, whatever became of it.
    for fake in outcome.world.providers.values():
        assert all(asked.ended is not None for asked in fake.asked)
    for one in CARDS:
        assert one.id in case.chain or one.id not in outcome.world.asked()


@settings(deadline=None)
@given(cases)
def test_no_model_is_asked_without_end(case: Case) -> None:
    """At most twice (alone: thrice), but for limits that say when they end."""
    outcome = carry_out(case)
    rounds = 2 if len(case.chain) > 1 and case.fallback else 3
    for model in case.chain:
        lines = [line for line in outcome.trace.attempts if line.model == model]
        assert sum(line.outcome != "rate_limited" for line in lines) <= rounds


@settings(deadline=None)
@given(cases)
def test_p23_primary_failure_runs_the_next_model(case: Case) -> None:
    case.warm, case.max_attempts, case.fallback, case.named = [], 20, True, False
    case.deadline, case.patience = 300.0, 0.0
    kind = case.acts[case.chain[0]][0]
    first = kind.failure() if kind.failure is not None else None
    outcome = carry_out(case)
    if (
        first is None
        or kind.delay > 4.0
        or len(case.chain) < 2
        or first.retry is not Retry.OTHER
        or isinstance(first, ContextTooLong)
    ):
        return
    assert outcome.world.asked()[:2] == case.chain[:2]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_p24_backoff_bounds_grow_exponentially_to_their_cap(seed: int, length: int) -> None:
    backoff = Backoff(random.Random(seed))
    bounds = [backoff.bounds(failures) for failures in range(1, length + 1)]
    for (low, high), (next_low, next_high) in itertools.pairwise(bounds):
        assert next_high == pytest.approx(min(CAP_S, 2 * high))
        assert next_low == pytest.approx(min(CAP_S / 2, 2 * low))
    for failures, (low, high) in enumerate(bounds, 1):
        assert low <= backoff.delay(failures) <= high <= CAP_S


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_p24_attempts_at_one_provider_are_spaced_by_it(models: int, seed: int) -> None:
    async def main() -> None:
        cards = [card(f"alpha-{number}") for number in range(models)]
        world = World(
            VirtualClock(asyncio.get_running_loop()),
            cards,
            {one.id: fails(Overloaded) for one in cards},
        )
        with pytest.raises(AllModelsFailed):
            await world.executor.complete(
                plan_of(cards, max_attempts=20), request(), world.deadline(300), Trace()
            )
        times = [asked.at for asked in world.providers["alpha"].asked]
        assert len(times) == 2 * models
        for failures, (one, other) in enumerate(itertools.pairwise(times), 1):
            low, high = Backoff.bounds(failures)
            assert low - 1e-6 <= other - one <= high + 1e-6

    run_virtual(main())


@settings(deadline=None)
@given(cases, st.sets(st.sampled_from([one.id for one in CARDS]), min_size=1))
def test_p25_after_a_429_another_provider_is_next(case: Case, full: set[str]) -> None:
    case.named, case.warm, case.fallback = False, [], True
    case.acts |= {model: [fails(QuotaExceeded, wait_s=0.5)] for model in full}
    outcome = carry_out(case)
    lines = outcome.trace.attempts
    tried: set[str] = set()
    for line, following in itertools.pairwise(lines):
        tried.add(line.model)
        fresh = [
            model
            for model in case.chain
            if model not in tried and model.partition("-")[0] != line.provider
        ]
        askable = [
            model
            for model in fresh
            if not any(
                earlier.provider == model.partition("-")[0]
                and earlier.outcome in ("auth_failed", "payment_required")
                for earlier in lines
            )
        ]
        long = any(earlier.outcome == "context_length" for earlier in lines)
        if line.outcome == "rate_limited" and askable and not long:
            assert following.provider != line.provider


@settings(deadline=None)
@given(cases)
def test_p26_a_timeout_is_retried_with_more_time(case: Case) -> None:
    outcome = carry_out(case)
    for fake in outcome.world.providers.values():
        for model in {asked.model for asked in fake.asked}:
            calls = [asked for asked in fake.asked if asked.model == model]
            lines = [line for line in outcome.trace.attempts if line.model == model]
            for place in range(len(calls) - 1):
                if lines[place].outcome != "timeout":
                    continue
                earlier, later = calls[place], calls[place + 1]
                all_that_is_left = case.deadline - later.at
                assert (
                    later.timeouts.first_byte > earlier.timeouts.first_byte
                    or later.timeouts.first_byte >= all_that_is_left - 0.11
                )


@settings(deadline=None)
@given(st.sampled_from([401, 403]), st.booleans())
def test_p27_p65_a_rejected_key_rests_its_provider_at_once(status: int, stream: bool) -> None:
    async def main() -> None:
        one, two, other = card("alpha-1"), card("alpha-2"), card("beta-1")
        world = World(
            VirtualClock(asyncio.get_running_loop()),
            [one, two, other],
            {"alpha-1": fails(KeyRejected, status=status)},
        )
        asked = request(stream=stream)
        for _ in range(3):
            plan = world.router.plan(asked, Category.MEDIUM)
            trace = Trace()
            if stream:
                async for _batch in world.executor.stream(plan, asked, world.deadline(), trace):
                    pass
            else:
                await world.executor.complete(plan, asked, world.deadline(), trace)
            assert trace.answered is other
            assert world.health.health(two) is Health.UNAVAILABLE
            assert not world.health.try_acquire(two)
        assert [asked.model for asked in world.providers["alpha"].asked] == ["alpha-1"]
        await asyncio.sleep(300)
        assert world.health.try_acquire(two)

    run_virtual(main())


@settings(deadline=None)
@given(
    st.sampled_from(SERVER_ERRORS),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0.0, 0.2, 1.5]),
)
def test_p63_server_errors_fall_back_unseen(
    status: int, broken: int, stream: bool, delay: float
) -> None:
    chain = ["alpha-1", "beta-1", "gamma-1", "alpha-2"]
    acts: dict[str, list[Act]] = {
        model: [fails(Overloaded, delay, status=status)] for model in chain[:broken]
    }
    acts |= {model: [OK] for model in chain[broken:]}
    acts["beta-2"] = [OK]
    outcome = carry_out(Case(acts, chain, stream, 50.0, 10.0, True, False, 6, []))
    assert outcome.error is None
    assert outcome.text == "Hello"
    assert outcome.trace.warnings == []
    assert [line.outcome for line in outcome.trace.attempts] == ["server_error"] * broken + ["ok"]


@settings(deadline=None)
@given(cases)
def test_p64_limits_never_look_like_trouble(case: Case) -> None:
    """All at their limit: a 429 that says when, never a 5xx."""
    case.acts = {model: [fails(QuotaExceeded, wait_s=60.0)] for model in case.acts}
    case.warm, case.deadline = [], 50.0
    outcome = carry_out(case)
    if case.patience < 60.0:
        assert isinstance(outcome.error, CapacityExhausted)
        # Nobody is told to come back before the first of them does.
        assert outcome.error.retry_after == pytest.approx(60.0, abs=10.0)


@settings(deadline=None)
@given(cases, st.integers(1, 8))
def test_p64_a_limit_that_ends_in_time_is_waited_out(case: Case, seconds: int) -> None:
    """Whatever the budget of attempts: the request is answered, not sent away."""
    case.acts = {model: [fails(QuotaExceeded, wait_s=float(seconds)), OK] for model in case.acts}
    case.warm, case.deadline, case.patience = [], 50.0, 10.0
    outcome = carry_out(case)
    assert outcome.error is None
    assert outcome.text == "Hello"
    assert outcome.seconds < seconds + 5.0
    if case.named:
        assert outcome.trace.answered is not None
        assert outcome.trace.answered.id == case.chain[0]


@settings(deadline=None)
@given(cases)
def test_p66_a_timeout_leads_to_another_model_or_more_time(case: Case) -> None:
    case.acts[case.chain[0]] = [SILENT, OK]
    case.warm, case.fallback, case.named, case.deadline = [], True, False, 300.0
    case.max_attempts = 20
    outcome = carry_out(case)
    asked = outcome.world.asked()
    assert len(asked) > 1
    if len(case.chain) > 1:
        assert asked[1] != asked[0]


@settings(deadline=None)
@given(
    st.sampled_from([ModelGone, FieldUnsupported]),
    st.sampled_from(["auto", "alpha-1", "org/alpha"]),
    st.booleans(),
)
def test_p69_the_categorys_default_serves_for_a_rejected_model(
    kind: type[ProviderFailure], name: str, stream: bool
) -> None:
    async def main() -> None:
        wrong = card("alpha-1", own_id="org/alpha")
        default = card("beta-1")
        listed = ("alpha-1", "beta-1") if name == "auto" else ("beta-1",)
        world = World(
            VirtualClock(asyncio.get_running_loop()),
            [wrong, default],
            {"alpha-1": fails(kind, param="seed")},
            rule=rule(*listed),
        )
        asked = request(name, stream=stream)
        trace = Trace()
        plan = world.router.plan(asked, Category.MEDIUM)
        if stream:
            async for _batch in world.executor.stream(plan, asked, world.deadline(), trace):
                pass
        else:
            await world.executor.complete(plan, asked, world.deadline(), trace)
        assert trace.answered is default
        assert [line.outcome for line in trace.attempts] == [kind.outcome, "ok"]
        assert bool(trace.warnings) is (name != "auto")

    run_virtual(main())
