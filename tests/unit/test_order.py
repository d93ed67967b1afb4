"""The way down the chain when a whole provider is in trouble."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from shared.errors import (
    BadToolCall,
    ConnectionFailed,
    FieldUnsupported,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    StreamCut,
)
from shared.routing.plan import Trace
from tests.support.fake_provider import SILENT, Act, fails
from tests.support.routing_world import World, card, plan_of, request
from tests.support.virtual_time import VirtualClock, run_virtual

ALPHAS = [card(f"alpha-{name}") for name in ("one", "two", "three", "four", "five", "six")]
BETA = card("beta-one")
CHAIN = [*ALPHAS, BETA]


def asked(broken: Act, *, stream: bool = False) -> list[str]:
    """Who is asked, in order, when alpha is broken and the budget is six attempts."""

    async def main() -> list[str]:
        clock = VirtualClock(asyncio.get_running_loop())
        world = World(clock, CHAIN, {one.id: broken for one in ALPHAS})
        trace = Trace()
        plan = plan_of(CHAIN)
        if stream:
            source = world.executor.stream(plan, request(stream=True), world.deadline(), trace)
            async with aclosing(source) as batches:
                async for _ in batches:
                    pass
        else:
            await world.executor.complete(plan, request(), world.deadline(), trace)
        assert trace.answered is BETA
        return world.asked()

    return run_virtual(main())


@pytest.mark.parametrize("kind", [Overloaded, ConnectionFailed, MalformedAnswer, StreamCut])
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_failed_twice_comes_after_all_others(
    kind: type[ProviderFailure], stream: bool
) -> None:
    assert asked(fails(kind), stream=stream) == ["alpha-one", "alpha-two", "beta-one"]


@pytest.mark.parametrize("stream", [False, True])
def test_so_does_one_that_is_silent(stream: bool) -> None:
    assert asked(SILENT, stream=stream) == ["alpha-one", "alpha-two", "beta-one"]


@pytest.mark.parametrize("kind", [BadToolCall, FieldUnsupported])
def test_what_says_nothing_of_the_provider_keeps_the_chains_order(
    kind: type[ProviderFailure],
) -> None:
    async def main() -> list[str]:
        clock = VirtualClock(asyncio.get_running_loop())
        world = World(clock, CHAIN, {one.id: fails(kind) for one in ALPHAS[:3]})
        await world.executor.complete(plan_of(CHAIN), request(), world.deadline(), Trace())
        return world.asked()

    assert run_virtual(main()) == ["alpha-one", "alpha-two", "alpha-three", "alpha-four"]


def test_the_troubled_provider_is_asked_on_when_the_others_fail_too() -> None:
    async def main() -> list[str]:
        clock = VirtualClock(asyncio.get_running_loop())
        broken = {one.id: fails(Overloaded) for one in (*ALPHAS[:2], BETA)}
        world = World(clock, CHAIN, dict(broken))
        await world.executor.complete(plan_of(CHAIN), request(), world.deadline(), Trace())
        return world.asked()

    assert run_virtual(main()) == ["alpha-one", "alpha-two", "beta-one", "alpha-three"]
