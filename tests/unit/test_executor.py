"""The executor against scripted providers, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import TypeVar

import pytest

from shared.config import ProviderTimeouts, TimeoutConfig
from shared.errors import (
    AllModelsFailed,
    BadToolCall,
    CapacityExhausted,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    EmptyAnswer,
    FieldUnsupported,
    InvalidRequest,
    KeyRejected,
    MalformedAnswer,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    ProviderError,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    RequestRejected,
    RequestTooLarge,
    StreamCut,
)
from shared.messages import ChatResult, Chunk, RequestOptions
from shared.model import Feature
from shared.routing.plan import Plan, Trace
from tests.support.fake_provider import OK, SILENT, Act, fails, says
from tests.support.routing_world import Script, World, card, plan_of, request
from tests.support.virtual_time import VirtualClock, run_virtual

A, B, C = card("alpha-one"), card("beta-one"), card("gamma-one")
A2 = card("alpha-two")
T = TypeVar("T")


def content(result: ChatResult) -> object:
    message = result.choices[0]["message"]
    assert isinstance(message, dict)
    return message["content"]


async def streamed(
    world: World, plan: Plan, trace: Trace, seconds: float = 50.0, **fields: int
) -> list[Chunk]:
    chunks: list[Chunk] = []
    source = world.executor.stream(plan, request(stream=True), world.deadline(seconds), trace)
    async with aclosing(source) as batches:
        async for batch in batches:
            chunks += batch
    return chunks


def world_of(*cards: object, **acts: Act | list[Act]) -> World:
    """A world of the given cards on the running virtual loop; acts are keyed by a_one style."""
    clock = VirtualClock(asyncio.get_running_loop())
    chosen = [one for one in (A, A2, B, C) if one in cards] or [A, B, C]
    scripted: dict[str, Script] = {name.replace("_", "-"): act for name, act in acts.items()}
    return World(clock, chosen, scripted)


def run(main: Coroutine[None, None, T]) -> T:
    return run_virtual(main)


def test_first_model_answers() -> None:
    async def main() -> None:
        world, trace = world_of(), Trace()
        result = await world.executor.complete(plan_of([A, B]), request(), world.deadline(), trace)
        assert content(result) == "Hello"
        assert world.asked() == ["alpha-one"]
        assert [line.outcome for line in trace.attempts] == ["ok"]
        assert trace.answered is A
        assert (trace.usage.prompt_tokens, trace.usage.completion_tokens) == (7, 3)
        assert trace.warnings == []
        assert world.meter.used[A.id] == 1
        assert world.meter.settlements() == [[10]]

    run(main())


@pytest.mark.parametrize(
    "kind",
    [
        Overloaded,
        ConnectionFailed,
        MalformedAnswer,
        EmptyAnswer,
        BadToolCall,
        ModelGone,
        FieldUnsupported,
        NotOnThisKey,
        KeyRejected,
        PaymentRequired,
        QuotaExceeded,
        RequestTooLarge,
        StreamCut,
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_before_any_text_are_not_seen(kind: type[ProviderFailure], stream: bool) -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=fails(kind)), Trace()
        if stream:
            chunks = await streamed(world, plan_of([A, B]), trace)
            assert "".join(chunk.text for chunk in chunks) == "Hello"
        else:
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(), trace)
        assert trace.answered is B
        assert [line.outcome for line in trace.attempts] == [kind.outcome, "ok"]
        assert world.asked() == ["alpha-one", "beta-one"]

    run(main())


@pytest.mark.parametrize(
    ("kind", "told"), [(RequestRejected, InvalidRequest), (Refused, ContentFiltered)]
)
def test_what_nobody_can_mend_ends_at_once(
    kind: type[ProviderFailure], told: type[Exception]
) -> None:
    async def main() -> None:
        world = world_of(alpha_one=fails(kind, param="stop"))
        with pytest.raises(told, match="scripted failure"):
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        assert world.asked() == ["alpha-one"]

    run(main())


def test_silence_on_a_stream_costs_four_seconds() -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=SILENT), Trace()
        await streamed(world, plan_of([A, B]), trace)
        assert asyncio.get_running_loop().time() == pytest.approx(4.0)
        assert [line.outcome for line in trace.attempts] == ["timeout", "ok"]
        assert trace.first_token_ms == 4000

    run(main())


@pytest.mark.parametrize(
    ("max_tokens", "seconds", "as_stream"),
    [(40, 5.0, False), (None, 20.0, False), (640, 20.0, False), (641, 4.0, True)],
)
def test_a_plain_call_waits_by_its_length_or_is_fetched_as_a_stream(
    max_tokens: int | None, seconds: float, as_stream: bool
) -> None:
    async def main() -> None:
        world = world_of(alpha_one=SILENT)
        asked = request(max_tokens=max_tokens)
        result = await world.executor.complete(plan_of([A, B]), asked, world.deadline(), Trace())
        assert content(result) == "Hello"
        first = world.providers["alpha"].asked[0]
        assert first.streamed is as_stream
        assert first.ended == pytest.approx(seconds)

    run(main())


def test_timeouts_are_the_providers_own() -> None:
    async def main() -> None:
        world = world_of(alpha_one=SILENT)
        world.timeouts = TimeoutConfig(providers={"groq": ProviderTimeouts(first_byte=1)})
        mine = card("groq-one")
        world.providers["groq"] = type(world.providers["alpha"])("groq", lambda call, nth: SILENT)
        await streamed(world, plan_of([mine, B]), Trace())
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)

    run(main())


def test_a_model_that_cannot_stream_is_read_whole() -> None:
    async def main() -> None:
        whole = card("alpha-one", features={Feature.TOOLS})
        world, trace = world_of(), Trace()
        chunks = await streamed(world, plan_of([whole]), trace)
        assert not world.providers["alpha"].asked[0].streamed
        assert "".join(chunk.text for chunk in chunks) == "Hello"
        assert trace.usage.prompt_tokens == 7

    run(main())


def test_the_same_model_comes_back_with_more_time() -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=Act(delay=6.0), beta_one=fails(Overloaded)), Trace()
        await streamed(world, plan_of([A, B]), trace)
        assert world.asked() == ["alpha-one", "beta-one", "alpha-one"]
        waits = [asked.timeouts.first_byte for asked in world.providers["alpha"].asked]
        assert waits == [4.0, 8.0]

    run(main())


def test_a_longer_window_is_the_only_help_for_a_long_prompt() -> None:
    small, large = card("beta-one", window=50_000), card("gamma-one", window=200_000)

    async def main() -> None:
        world, trace = world_of(alpha_one=fails(ContextTooLong)), Trace()
        await world.executor.complete(
            plan_of([A, small, large]), request(), world.deadline(), trace
        )
        assert world.asked() == ["alpha-one", "gamma-one"]
        with pytest.raises(InvalidRequest, match="shorten it") as told:
            await world.executor.complete(plan_of([A, small]), request(), world.deadline(), Trace())
        assert told.value.param == "messages"

    run(main())


def test_everything_failed_is_a_503_with_a_hint() -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=fails(Overloaded), beta_one=fails(KeyRejected)), Trace()
        with pytest.raises(AllModelsFailed, match="2 models tried") as told:
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(), trace)
        assert told.value.retry_after is not None
        assert told.value.retry_after > 0

    run(main())


def test_all_at_their_limit_is_a_429_with_the_earliest_return() -> None:
    async def main() -> None:
        world = world_of(
            alpha_one=fails(QuotaExceeded, wait_s=40.0), beta_one=fails(QuotaExceeded, wait_s=25.0)
        )
        for _ in range(2):  # the second time nobody is asked at all
            with pytest.raises(CapacityExhausted) as told:
                await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
            assert told.value.retry_after == pytest.approx(25.0)
        assert len(world.asked()) == 2

    run(main())


def test_a_return_within_the_patience_is_waited_for() -> None:
    async def main() -> None:
        world = world_of(
            alpha_one=[fails(QuotaExceeded, wait_s=3.0), OK],
            beta_one=fails(QuotaExceeded, wait_s=60.0),
        )
        trace = Trace()
        await world.executor.complete(plan_of([A, B]), request(), world.deadline(), trace)
        assert trace.answered is A
        assert trace.waited_ms == pytest.approx(3000, abs=5)
        impatient = request(options=RequestOptions(patience_s=0.0))
        world.health.record_failure(A, QuotaExceeded("full", wait_s=3.0), 1.0)
        with pytest.raises(CapacityExhausted):
            await world.executor.complete(plan_of([A, B]), impatient, world.deadline(), Trace())

    run(main())


def test_a_named_model_at_its_limit_is_waited_for_before_others() -> None:
    async def main() -> None:
        world, trace = world_of(), Trace()
        named = plan_of([A, B], named=True, waits_for_head=True)
        world.health.record_failure(A, QuotaExceeded("full", wait_s=4.0), 1.0)
        await world.executor.complete(named, request("alpha-one"), world.deadline(), trace)
        assert trace.answered is A
        assert trace.waited_ms == pytest.approx(4000, abs=5)
        world.health.record_failure(A, QuotaExceeded("full", wait_s=90.0), 1.0)
        trace = Trace()
        await world.executor.complete(named, request("alpha-one"), world.deadline(), trace)
        assert trace.answered is B
        assert trace.waited_ms == 0
        assert trace.warnings == [
            "alpha-one did not answer (not to be asked right now); beta-one did"
        ]

    run(main())


def test_a_named_model_that_says_it_is_full_is_asked_again_when_it_returns() -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=[fails(QuotaExceeded, wait_s=3.0), OK]), Trace()
        named = plan_of([A, B], named=True, waits_for_head=True)
        await world.executor.complete(named, request("alpha-one"), world.deadline(), trace)
        assert world.asked() == ["alpha-one", "alpha-one"]
        assert trace.warnings == []
        # It is not waited for without end where others can answer.
        world, trace = world_of(alpha_one=fails(QuotaExceeded, wait_s=0.5)), Trace()
        await world.executor.complete(named, request("alpha-one"), world.deadline(), trace)
        assert world.asked() == ["alpha-one"] * 3 + ["beta-one"]

    run(main())


@pytest.mark.parametrize("seconds", [0.3, 1.0, 4.0])
def test_limits_that_do_not_end_are_asked_about_all_through_the_patience(seconds: float) -> None:
    async def main() -> None:
        full = fails(QuotaExceeded, wait_s=seconds)
        world = world_of(alpha_one=full, beta_one=full)
        began = asyncio.get_running_loop().time()
        with pytest.raises(CapacityExhausted):
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        assert asyncio.get_running_loop().time() - began > 10.0 - seconds - 2.0
        assert len(world.asked()) <= 2 + 6

    run(main())


def test_limits_do_not_use_up_the_attempts() -> None:
    async def main() -> None:
        full = [fails(QuotaExceeded, wait_s=2.0), OK]
        world, trace = world_of(alpha_one=full, beta_one=full), Trace()
        plan = plan_of([A, B], max_attempts=1)
        await world.executor.complete(plan, request(), world.deadline(), trace)
        assert world.asked() == ["alpha-one", "beta-one", "alpha-one"]
        assert trace.waited_ms == pytest.approx(2000, abs=150)

    run(main())


@pytest.mark.parametrize("kind", [FieldUnsupported, RequestTooLarge, ModelGone, NotOnThisKey])
def test_what_will_not_pass_is_not_asked_again(kind: type[ProviderFailure]) -> None:
    async def main() -> None:
        world = world_of(alpha_one=fails(kind), beta_one=fails(Overloaded))
        with pytest.raises(AllModelsFailed):
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(), Trace())
        assert world.asked() == ["alpha-one", "beta-one", "beta-one"]

    run(main())


def test_no_fallback_means_the_one_model() -> None:
    async def main() -> None:
        only = plan_of([A, B], fallback=False, named=True, waits_for_head=True)
        world = world_of(alpha_one=fails(Overloaded))
        with pytest.raises(ProviderError) as told:
            await world.executor.complete(only, request(), world.deadline(), Trace())
        assert told.value.details == {"provider": "alpha"}
        assert set(world.asked()) == {"alpha-one"}
        full = world_of(alpha_one=fails(QuotaExceeded, wait_s=60.0))
        with pytest.raises(CapacityExhausted):
            await full.executor.complete(only, request(), full.deadline(), Trace())

    run(main())


def test_the_deadline_ends_a_request_of_deaf_providers() -> None:
    async def main() -> None:
        deaf = Act(delay=1e5, deaf=True)
        world, trace = world_of(alpha_one=deaf, beta_one=deaf), Trace()
        with pytest.raises(DeadlineExceeded):
            await world.executor.complete(plan_of([A, B]), request(), world.deadline(3), trace)
        assert asyncio.get_running_loop().time() == pytest.approx(3.0)
        with pytest.raises(DeadlineExceeded):
            await streamed(world, plan_of([A, B]), Trace(), 2)
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)

    run(main())


def test_a_short_deadline_says_nothing_of_a_model() -> None:
    async def main() -> None:
        world = world_of(alpha_one=Act(delay=2.0))
        for _ in range(5):
            with pytest.raises(DeadlineExceeded):
                await world.executor.complete(plan_of([A]), request(), world.deadline(1.0), Trace())
        assert world.health.health(A).value == "HEALTHY"

    run(main())


def test_a_client_that_leaves_cancels_at_once() -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=SILENT), Trace()
        plan = plan_of([A, B])
        task = asyncio.ensure_future(
            world.executor.complete(plan, request(), world.deadline(), trace)
        )
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        asked = world.providers["alpha"].asked[0]
        assert (asked.cancelled, asked.ended) == (True, 1.5)
        assert [line.outcome for line in trace.attempts] == ["cancelled"]

    run(main())


def test_a_client_that_leaves_a_stream_closes_it() -> None:
    async def main() -> None:
        world, trace = world_of(alpha_one=Act(gap=1.0, chunks=says("a", "b", "c"))), Trace()
        source = world.executor.stream(plan_of([A]), request(stream=True), world.deadline(), trace)
        assert (await anext(source))[0].text == "a"
        await source.aclose()
        asked = world.providers["alpha"].asked[0]
        assert (asked.cancelled, asked.ended) == (True, 0.0)
        assert [line.outcome for line in trace.attempts] == ["cancelled"]

    run(main())


def test_a_trial_is_free_again_when_its_client_leaves() -> None:
    async def main() -> None:
        world = world_of(alpha_one=SILENT)
        world.health.record_failure(A, QuotaExceeded("full", wait_s=1.0), 1.0)
        await asyncio.sleep(2)
        task = asyncio.ensure_future(
            world.executor.complete(plan_of([A]), request(), world.deadline(), Trace())
        )
        await asyncio.sleep(0.5)
        assert not world.health.try_acquire(A)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.health.try_acquire(A)

    run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_is_down_does_not_use_up_the_attempts(stream: bool) -> None:
    async def main() -> None:
        down = [card(f"alpha-{number}") for number in range(7)]
        world = World(VirtualClock(asyncio.get_running_loop()), [*down, B])
        world.acts = {one.id: SILENT for one in down}
        trace = Trace()
        plan = plan_of([*down, B])
        if stream:
            await streamed(world, plan, trace)
        else:
            asked = request(max_tokens=40)
            await world.executor.complete(plan, asked, world.deadline(), trace)
        assert world.asked() == ["alpha-0", "alpha-1", "beta-one"]

    run(main())


def test_deep_fallback_is_a_warning() -> None:
    async def main() -> None:
        world, trace = world_of(A, A2, B, C), Trace()
        world.acts = {name: fails(Overloaded) for name in ("alpha-one", "alpha-two", "beta-one")}
        world.acts["gamma-one"] = [fails(Overloaded), OK]
        await world.executor.complete(
            plan_of([A, A2, B, C], max_attempts=20), request(), world.deadline(), trace
        )
        assert trace.depth > 3
        assert any("attempts" in warning for warning in trace.warnings)

    run(main())


def test_no_secret_reaches_the_receipt_or_the_client() -> None:
    async def main() -> None:
        def leaky() -> ProviderFailure:
            return RequestRejected(
                "bad key gsk_abcdefghijklmnop1234\nin Bearer eyJhbGciOiJIUzI1NiJ9"
            )

        world, trace = world_of(alpha_one=Act(failure=leaky)), Trace()
        with pytest.raises(InvalidRequest) as told:
            await world.executor.complete(plan_of([A]), request(), world.deadline(), trace)
        for text in (told.value.message, trace.attempts[0].detail):
            assert "gsk_" not in text
            assert "eyJ" not in text
            assert "\n" not in text

    run(main())
