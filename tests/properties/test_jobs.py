"""Jobs under cancellation, repeated tickets, crashes between any two writes and lost answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import Clock
from shared.errors import Conflict, StoreUnavailable
from shared.jobs.content import Kept
from shared.jobs.job import Job, State
from shared.jobs.run import Run
from shared.messages import JsonObject, JsonValue
from shared.storage.documents import DocumentStore
from tests.support.job_world import UID, Gate, JobWorld, Killed
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock, run_virtual

T = TypeVar("T")
LARGE = "x" * 300_000


def virtual(scenario: Coroutine[None, None, T]) -> T:
    return run_virtual(scenario)


def world_here() -> JobWorld:
    clock = VirtualClock(asyncio.get_running_loop())
    return JobWorld(memory_store(clock), clock)


class Work:
    """Two steps, one after the other, each of which takes a while and gives another result each
    time it is done."""

    def __init__(self, clock: Clock, seconds: float = 8.0, filling: str = "") -> None:
        self.clock = clock
        self.seconds = seconds
        self.filling = filling
        self.began: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()

    async def __call__(self, run: Run) -> JsonValue:
        self.began[run.job.id] += 1
        payload = await run.payload()

        async def one(name: str) -> JsonValue:
            await self.clock.sleep(self.seconds)
            self.steps[name] += 1
            return {"name": name, "time": self.steps[name], "filling": self.filling}

        first = await run.step("first", lambda: one(f"{run.job.id}-first"))
        second = await run.step("second", lambda: one(f"{run.job.id}-second"))
        return {"payload": payload["n"], "first": first, "second": second}


async def kept_steps(documents: DocumentStore, world: JobWorld, job: Job) -> list[JsonValue]:
    """The stored results of the job's steps."""
    contents = world.process({}).queue.store.contents
    found = await documents.get_many([f"{job.path}/steps/first", f"{job.path}/steps/second"])
    kept: list[JsonValue] = []
    for each in found:
        assert each is not None
        text, blob = str(each.data["result"]), str(each.data["result_blob"])
        kept.append(await contents.get(Kept(text, blob)))
    return kept


async def check_ended_once(world: JobWorld) -> None:
    contents = world.process({}).queue.store.contents
    for job in await world.jobs():
        assert job.state is State.SUCCEEDED, job.to_json()
        assert world.endings(job) == 1
        assert (job.done, job.total) == (2, 2)
        result = await contents.get(Kept(job.result, job.result_blob))
        assert isinstance(result, dict)
        # What a step once kept is what stands in the end, however often its work was begun.
        kept = await kept_steps(world.documents, world, job)
        assert [result["first"], result["second"]] == kept
        assert job.payload == ""


@given(
    cancel_at=st.floats(0.0, 40.0),
    ticket_at=st.floats(0.0, 30.0),
    again=st.booleans(),
)
@settings(max_examples=60)
def test_p33_cancel_removes_a_queued_job_and_it_never_runs(
    cancel_at: float, ticket_at: float, again: bool
) -> None:
    async def scenario() -> None:
        world = world_here()
        work = Work(world.clock)
        process, other = world.process({"chat": work}), world.process({})
        job = await process.queue.submit(UID, "chat", {"n": 1}, priority=5, total=2)

        async def run() -> None:
            await asyncio.sleep(ticket_at)
            await process.worker.run_ticket()

        async def cancel() -> State:
            await asyncio.sleep(cancel_at)
            try:
                return (await other.queue.cancel(UID, job.id)).state
            except Conflict:
                return State.SUCCEEDED

        _, told = await asyncio.gather(run(), cancel())
        if again:
            await world.settle(process)
            await process.sweep.run()
        found = await process.queue.get(UID, job.id)
        assert found.state is told
        assert world.endings(job) == 1
        if told is State.CANCELLED:
            assert not found.result
            assert (await other.queue.cancel(UID, job.id)).version == found.version
            if cancel_at < ticket_at:
                assert not work.began
            # The work under way was stopped at the next renewal.
            assert work.steps[f"{job.id}-second"] <= (cancel_at >= ticket_at + 11.0)
        else:
            assert cancel_at >= ticket_at + 16.0 - 0.1

    virtual(scenario())


@given(data=st.data())
@settings(max_examples=40)
def test_p74_tickets_twice_or_out_of_order_do_each_job_once(data: st.DataObject) -> None:
    async def scenario() -> None:
        world = world_here()
        work = Work(world.clock, data.draw(st.sampled_from([0.0, 1.0, 8.0])))
        processes = [world.process({"chat": work}) for _ in range(3)]
        for n in range(data.draw(st.integers(1, 6))):
            await processes[0].queue.submit(
                UID, "chat", {"n": n}, priority=data.draw(st.integers(0, 10)), total=2
            )
        tickets = data.draw(st.permutations([*world.tasks, *world.tasks]))
        world.tasks.clear()

        async def deliver(index: int) -> None:
            await asyncio.sleep(data.draw(st.floats(0.0, 5.0)))
            await processes[index % 3].worker.run_ticket(tickets[index].queue)

        await asyncio.gather(*(deliver(index) for index in range(len(tickets))))
        await world.settle(processes[0])
        assert set(work.began.values()) == {1}
        assert set(work.steps.values()) == {1}
        await check_ended_once(world)

    virtual(scenario())


async def until_killed(world: JobWorld, work: Work, gate: Gate) -> bool:
    """A process that takes a job in and does it, until it is killed; whether it was."""
    process = world.process({"chat": work}, gate)
    try:
        payload: JsonObject = {"n": 1, "filling": work.filling}
        await process.queue.submit(UID, "chat", payload, priority=5, total=2)
        while (task := world.take_ticket()) is not None:
            await process.worker.run_ticket(task.queue)
    except Killed:
        return True
    # The keeper of the lease may be the one that died; then the work was stopped with it.
    return gate.dead


@pytest.mark.parametrize("filling", ["", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_p78_a_crash_between_any_two_writes_leaves_a_job_that_ends_once(
    after: bool, filling: str
) -> None:
    async def crash(at: int) -> bool:
        world = world_here()
        work = Work(world.clock, filling=filling)
        killed = await until_killed(world, work, Gate(at, after))
        if await world.jobs():
            await world.settle(world.process({"chat": work}))
            assert max(work.steps.values()) <= 2
        else:  # it was not accepted: nobody was told of a job
            assert killed
        await check_ended_once(world)
        return killed

    kills = next(at for at in range(1, 100) if not virtual(crash(at))) - 1
    assert kills >= (13 if filling else 9)


def test_p78_a_second_crash_while_the_first_is_mended_changes_nothing() -> None:
    async def crash(first: int, second: int, after: bool) -> None:
        world = world_here()
        work = Work(world.clock)
        await until_killed(world, work, Gate(first, after))
        if not await world.jobs():
            return
        try:
            await world.settle(world.process({"chat": work}, Gate(second, after)))
        except Killed:
            await world.settle(world.process({"chat": work}))
        await check_ended_once(world)

    for first in range(1, 11):
        for second in range(1, 11):
            virtual(crash(first, second, (first + second) % 2 == 0))


@pytest.mark.parametrize("after", [False, True], ids=["unmade", "made"])
def test_p78_a_lost_answer_of_any_write_leaves_a_job_that_ends_once(after: bool) -> None:
    async def lose(at: int) -> bool:
        world = world_here()
        work = Work(world.clock, filling=LARGE)
        gate = Gate(at, after, faults=True)
        process = world.process({"chat": work}, gate)
        try:
            payload: JsonObject = {"n": 1, "filling": LARGE}
            await process.queue.submit(UID, "chat", payload, priority=5, total=2)
        except StoreUnavailable:
            pass  # the client was told so
        try:
            while (task := world.take_ticket()) is not None:
                await process.worker.run_ticket(task.queue)
        except StoreUnavailable:
            pass  # the ticket comes again
        await world.settle(process)
        await check_ended_once(world)
        assert all(count <= 2 for count in work.steps.values())
        return gate.writes >= at

    assert next(at for at in range(1, 100) if not virtual(lose(at))) >= 13
