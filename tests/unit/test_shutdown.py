"""The end of an instance: requests first, then what is owed, then the server's own handler."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from shared.composition.shutdown import CUT_S, REQUESTS_S, WRITE_S, Shutdown, flush_all
from shared.errors import StoreUnavailable
from tests.support.virtual_time import run_virtual


async def _request(shutdown: Shutdown, seconds: float, seen: list[str]) -> None:
    task = shutdown.entered()
    try:
        await asyncio.sleep(seconds)
        seen.append("answered")
    except asyncio.CancelledError:
        seen.append("cut")
    finally:
        shutdown.left(task)


@pytest.mark.parametrize(
    ("seconds", "outcome", "written_at"),
    [(2.0, "answered", 2.0), (60.0, "cut", REQUESTS_S)],
    ids=["ends by itself", "is cut"],
)
def test_what_is_owed_is_written_after_the_last_request(
    seconds: float, outcome: str, written_at: float
) -> None:
    seen: list[str] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        at = [0.0]

        async def flush() -> None:
            at[0] = loop.time()
            seen.append("written")

        shutdown = Shutdown([flush])
        running = loop.create_task(_request(shutdown, seconds, seen))
        await asyncio.sleep(0)
        await shutdown.finish()
        await running
        return at[0]

    assert run_virtual(main()) == written_at
    assert seen == [outcome, "written"]


def test_nobody_waits_where_no_request_is_under_way() -> None:
    async def main() -> float:
        await Shutdown([]).finish()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0


def test_one_store_that_is_down_does_not_keep_the_others_from_being_written() -> None:
    written: list[str] = []

    async def down() -> None:
        raise StoreUnavailable("no")

    async def up() -> None:
        written.append("up")

    run_virtual(flush_all([down, up]))
    assert written == ["up"]


def test_a_store_that_hangs_costs_three_seconds_of_the_ten() -> None:
    async def main() -> float:
        await flush_all([lambda: asyncio.sleep(100.0)])
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == WRITE_S
    assert REQUESTS_S + CUT_S + WRITE_S < 10.0


def test_a_fault_of_ours_is_not_hidden() -> None:
    async def wrong() -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        run_virtual(flush_all([wrong]))


def test_sigterm_finishes_and_then_tells_who_was_there_before() -> None:
    told: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("server"))

    async def main() -> None:
        done = asyncio.Event()

        async def flush() -> None:
            told.append("written")
            asyncio.get_running_loop().call_later(0.01, done.set)

        shutdown = Shutdown([flush])
        shutdown.install()
        assert not shutdown.is_stopping()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        await done.wait()
        assert shutdown.is_stopping()

    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == ["written", "server"]
