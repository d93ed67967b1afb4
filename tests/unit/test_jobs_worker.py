"""What becomes of a job whose work fails, finds no capacity or takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from shared.errors import (
    AllModelsFailed,
    CapacityExhausted,
    CodeexError,
    ContentFiltered,
    InvalidRequest,
    ProviderError,
    SafetyViolation,
    StoreUnavailable,
)
from shared.jobs.job import Job, State
from shared.jobs.run import Run
from shared.messages import JsonValue
from shared.storage.errors import InvalidArgument
from tests.support.job_world import UID, JobWorld, Process
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock, run_virtual


def scenario(main: Callable[[JobWorld], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        await main(JobWorld(memory_store(clock), clock))

    run_virtual(whole())


class Failing:
    """Raises these in turn, then answers."""

    def __init__(self, *errors: CodeexError) -> None:
        self.errors = list(errors)
        self.at: list[float] = []

    async def __call__(self, run: Run) -> JsonValue:
        self.at.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        return {"ok": True}


async def submitted(world: JobWorld, handler: Failing) -> tuple[Process, Job]:
    process = world.process({"chat": handler})
    return process, await process.queue.submit(UID, "chat", {}, priority=5, request_id="req_1")


def test_no_capacity_is_no_attempt_and_waits_longer_each_time() -> None:
    async def main(world: JobWorld) -> None:
        handler = Failing(*(CapacityExhausted("full", retry_after=3600.0) for _ in range(5)))
        process, job = await submitted(world, handler)
        await world.settle(process)
        found = await process.queue.get(UID, job.id)
        assert (found.state, found.attempts, found.holds) == (State.SUCCEEDED, 1, 5)
        waits = [after - before for before, after in zip(handler.at, handler.at[1:], strict=False)]
        assert all(
            want <= wait <= want + 2 for want, wait in zip((8, 12, 18, 27), waits, strict=False)
        )

    scenario(main)


def test_capacity_foretold_is_awaited_no_longer() -> None:
    async def main(world: JobWorld) -> None:
        handler = Failing(CapacityExhausted("full", retry_after=4.0))
        process, _ = await submitted(world, handler)
        await world.settle(process)
        assert handler.at[1] - handler.at[0] <= 6.0

    scenario(main)


@pytest.mark.parametrize("error", [AllModelsFailed("down"), ProviderError("broke")])
def test_faults_are_worth_three_attempts(error: CodeexError) -> None:
    async def main(world: JobWorld) -> None:
        process, job = await submitted(world, Failing(error, error))
        await world.settle(process)
        found = await process.queue.get(UID, job.id)
        assert (found.state, found.attempts) == (State.SUCCEEDED, 3)
        process, job = await submitted(world, Failing(error, error, error, error))
        await world.settle(process)
        shown = await process.queue.shown(await process.queue.get(UID, job.id))
        assert (shown["status"], shown["attempts"]) == ("failed", 3)
        assert shown["error"] == {
            "message": error.message,
            "type": "api_error",
            "code": error.code,
            "param": None,
            "request_id": "req_1",
        }

    scenario(main)


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("wrong", param="messages"),
        ContentFiltered("refused"),
        SafetyViolation("unsafe", details={"category": "S1"}),
    ],
)
def test_what_cannot_get_better_fails_at_once(error: CodeexError) -> None:
    async def main(world: JobWorld) -> None:
        process, job = await submitted(world, Failing(error))
        assert await process.worker.run_ticket()
        shown = await process.queue.shown(await process.queue.get(UID, job.id))
        assert (shown["status"], shown["attempts"]) == ("failed", 1)
        assert isinstance(shown["error"], dict)
        assert shown["error"]["code"] == error.code

    scenario(main)


def test_a_store_that_fails_the_work_costs_no_attempt() -> None:
    async def main(world: JobWorld) -> None:
        handler = Failing(*(StoreUnavailable("down", retry_after=1.0) for _ in range(5)))
        process, job = await submitted(world, handler)
        await world.settle(process)
        assert (await process.queue.get(UID, job.id)).state is State.SUCCEEDED

    scenario(main)


def test_a_kind_nobody_does_fails() -> None:
    async def main(world: JobWorld) -> None:
        process = world.process({})
        job = await process.queue.submit(UID, "video", {}, priority=5)
        assert await process.worker.run_ticket()
        assert (await process.queue.get(UID, job.id)).state is State.FAILED
        with pytest.raises(InvalidArgument):
            await process.queue.submit(UID, "poem", {}, priority=5)

    scenario(main)


def test_long_work_keeps_its_lease_and_endless_work_ends() -> None:
    async def main(world: JobWorld) -> None:
        async def long(run: Run) -> JsonValue:
            await asyncio.sleep(1_500.0)
            return {}

        async def endless(run: Run) -> JsonValue:
            await asyncio.sleep(100_000.0)
            return {}

        process = world.process({"chat": long, "video": endless})
        chat = await process.queue.submit(UID, "chat", {}, priority=5)
        running = asyncio.create_task(process.worker.run_ticket())
        for _ in range(24):
            await asyncio.sleep(60.0)
            assert (await process.sweep.run()).abandoned == 0
        assert await running
        assert (await process.queue.get(UID, chat.id)).attempts == 1
        video = await process.queue.submit(UID, "video", {}, priority=5)
        began = world.clock.monotonic()
        assert await process.worker.run_ticket()
        assert world.clock.monotonic() - began <= 1_720.0
        assert (await process.queue.get(UID, video.id)).state is State.QUEUED

    scenario(main)


def test_a_bug_in_a_handler_goes_up_and_the_job_is_taken_up_again() -> None:
    async def main(world: JobWorld) -> None:
        async def buggy(run: Run) -> JsonValue:
            raise ZeroDivisionError

        broken, mended = world.process({"chat": buggy}), world.process({"chat": Failing()})
        job = await broken.queue.submit(UID, "chat", {}, priority=5)
        with pytest.raises(ZeroDivisionError):
            await broken.worker.run_ticket()
        world.tasks.clear()
        await world.settle(mended)
        assert (await mended.queue.get(UID, job.id)).state is State.SUCCEEDED

    scenario(main)


def test_an_instance_that_stops_hands_its_job_back_at_once() -> None:
    async def main(world: JobWorld) -> None:
        async def long(run: Run) -> JsonValue:
            await asyncio.sleep(1_000.0)
            return {}

        stopping, other = world.process({"chat": long}), world.process({"chat": Failing()})
        job = await stopping.queue.submit(UID, "chat", {}, priority=5)
        world.tasks.clear()
        running = asyncio.create_task(stopping.worker.run_ticket())
        await asyncio.sleep(5.0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        found = await other.queue.get(UID, job.id)
        assert (found.state, found.attempts, len(world.tasks)) == (State.QUEUED, 0, 1)
        began = world.clock.monotonic()
        await world.settle(other)
        found = await other.queue.get(UID, job.id)
        assert (found.state, found.attempts) == (State.SUCCEEDED, 1)
        assert world.clock.monotonic() - began < 2.0

    scenario(main)


def test_an_instance_that_stops_leaves_alone_what_is_no_longer_its_own() -> None:
    async def main(world: JobWorld) -> None:
        async def long(run: Run) -> JsonValue:
            await asyncio.sleep(1_000.0)
            return {}

        process = world.process({"chat": long})
        job = await process.queue.submit(UID, "chat", {}, priority=5)
        running = asyncio.create_task(process.worker.run_ticket())
        await asyncio.sleep(5.0)
        await process.queue.cancel(UID, job.id)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await process.queue.get(UID, job.id)).state is State.CANCELLED

    scenario(main)
