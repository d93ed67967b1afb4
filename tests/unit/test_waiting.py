"""The line: order, wake-ups, leaving, estimates."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from shared.limits.waiting import WaitingLine
from shared.permits import Place
from tests.support.routing_world import card
from tests.support.virtual_time import VirtualClock, run_virtual

A, A2, B = card("alpha-one"), card("alpha-two"), card("beta-one")
T = TypeVar("T")


def line_here() -> WaitingLine:
    return WaitingLine(VirtualClock(asyncio.get_running_loop()))


def run(main: Coroutine[None, None, T]) -> T:
    return run_virtual(main)


def test_priority_then_arrival() -> None:
    async def main() -> None:
        line = line_here()
        places = {
            name: line.join(priority, {"alpha": 5.0})
            for name, priority in (("c", 5), ("d", 5), ("b", 7), ("a", 10), ("e", 1))
        }
        order = sorted(places, key=lambda name: line.position(places[name]))
        assert order == ["a", "b", "c", "d", "e"]
        assert [line.position(places[name]) for name in order] == [1, 2, 3, 4, 5]
        assert line.waiting == 5

    run(main())


def test_nobody_passes_who_is_not_more_urgent() -> None:
    async def main() -> None:
        line = line_here()
        assert line.ahead(A, 1) is None
        place = line.join(5, {"alpha": 7.0})
        assert line.ahead(A, 5) == ("alpha", 7.0)
        assert line.ahead(A2, 1) == ("alpha", 7.0)
        assert line.ahead(A, 6) is None  # more urgent
        assert line.ahead(B, 5) is None  # nobody waits for it
        assert line.ahead(A, 5, place) is None  # not behind itself
        line.leave(place, served=True)
        assert line.ahead(A, 5) is None
        assert line.waiting == 0

    run(main())


def test_who_waits_for_one_model_lets_others_of_its_provider_pass() -> None:
    async def main() -> None:
        line = line_here()
        line.join(5, {"alpha-one": 7.0})
        assert line.ahead(A, 5) == ("alpha-one", 7.0)
        assert line.ahead(A2, 5) is None

    run(main())


def test_the_next_is_called_when_one_leaves() -> None:
    async def main() -> None:
        loop, line = asyncio.get_running_loop(), line_here()
        first, second = line.join(5, {"alpha": 9.0}), line.join(5, {"alpha": 9.0})
        third = line.join(5, {"beta": 9.0})

        async def waits(place: Place) -> tuple[bool, float]:
            return await line.wait(place, 9.0), loop.time()

        tasks = [loop.create_task(waits(place)) for place in (second, third)]
        await asyncio.sleep(1.0)
        line.leave(first, served=False)
        assert [await task for task in tasks] == [(True, 1.0), (False, 9.0)]

    run(main())


def test_a_call_that_comes_while_awake_is_not_lost() -> None:
    async def main() -> None:
        line = line_here()
        place = line.join(5, {"alpha": 9.0})
        line.stir(A2)
        assert await line.wait(place, 9.0)
        assert asyncio.get_running_loop().time() == 0.0
        assert not await line.wait(place, 9.0)

    run(main())


def test_returned_capacity_calls_the_first_and_not_too_often() -> None:
    async def main() -> None:
        loop, line = asyncio.get_running_loop(), line_here()
        place, behind = line.join(5, {"alpha-one": 9.0}), line.join(5, {"alpha-one": 9.0})
        calls = 0

        async def stirs() -> None:
            for _ in range(100):
                line.stir(A)
                await asyncio.sleep(0.01)

        task = loop.create_task(stirs())
        while loop.time() < 1.0:
            calls += await line.wait(place, 1.0 - loop.time())
        await task
        assert 15 <= calls <= 21
        assert not behind.woken
        line.stir(B)
        assert not place.woken

    run(main())


def test_a_place_keeps_its_arrival() -> None:
    async def main() -> None:
        line = line_here()
        early = line.join(5, {"alpha": 9.0})
        line.leave(early, served=False)
        late = line.join(5, {"alpha": 9.0})
        assert line.ahead(A, 5, early) is None
        assert line.join(5, {"beta": 3.0}, early) is early
        assert (line.position(early), line.position(late)) == (1, 2)
        assert line.join(5, {"alpha": 3.0}, early) is early
        assert line.waiting == 2

    run(main())


def test_cancelling_a_wait_leaves_nothing_behind() -> None:
    async def main() -> None:
        loop, line = asyncio.get_running_loop(), line_here()
        place = line.join(5, {"alpha": 9.0})
        task = loop.create_task(line.wait(place, 9.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert place.sleeper is None
        assert len(asyncio.all_tasks()) == 1
        line.leave(place, served=False)
        line.leave(place, served=False)
        assert line.waiting == 0

    run(main())


def test_estimates_rest_on_the_return_and_on_those_before() -> None:
    async def main() -> None:
        line = line_here()
        assert line.capacity_returns() == 0.0
        places = [line.join(5, {"alpha": 4.0}) for _ in range(4)]
        assert [line.estimated_wait(place) for place in places] == [4.0] * 4
        assert line.capacity_returns() == 4.0
        for place in places[:2]:
            await asyncio.sleep(2.0)
            line.leave(place, served=True)
        waits = [line.estimated_wait(place) for place in places[2:]]
        assert 0.0 == waits[0] < waits[1] <= 2.0
        for place in places[2:]:
            line.leave(place, served=False)
        line.exhausted(10.0)
        assert line.capacity_returns() == pytest.approx(6.0)

    run(main())
