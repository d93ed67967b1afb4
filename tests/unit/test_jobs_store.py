"""Jobs on both databases: kept, found by workers, sweeps, owners and administrators, moved."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping

import pytest

from shared.errors import Conflict, NotFound
from shared.jobs.job import BULK, INTERACTIVE, Job, State
from shared.jobs.run import LEASE_S, LeaseLost, Run
from shared.jobs.store import FIRST, READY
from shared.jobs.sweep import MAX_LOST, lost_wait_s
from shared.jobs.worker import Handler
from shared.messages import JsonObject, JsonValue
from shared.storage.documents import DocumentStore
from tests.support.job_world import UID, JobWorld, Process


class SteppedClock:
    """The machine's clocks, moved on by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def wall(self) -> float:
        return time.time() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


async def echo(run: Run) -> JsonValue:
    async def answer() -> JsonValue:
        return {"echo": await run.payload()}

    return await run.step("answer", answer)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def world(documents: DocumentStore, clock: SteppedClock) -> JobWorld:
    return JobWorld(documents, clock)


def process_of(world: JobWorld, handlers: Mapping[str, Handler] | None = None) -> Process:
    return world.process({"chat": echo} if handlers is None else handlers)


async def submit(process: Process, n: int, priority: int = 5, **more: float) -> Job:
    payload: JsonObject = {"n": n, "odd": [[1, [2]], 2**64 - 1, {"": None}]}
    return await process.queue.submit(
        UID, "chat", payload, priority=priority, delay_s=more.get("delay_s", 0.0)
    )


async def test_a_job_goes_from_queued_to_its_result(world: JobWorld) -> None:
    process = process_of(world)
    job = await submit(process, 1)
    shown = await process.queue.shown(job)
    assert shown["position"] == 0
    assert shown["estimated_wait_seconds"] == 0
    assert {"id", "object", "kind", "status", "progress", "created_at", "expires_at"} <= set(shown)
    (ticket,) = world.tasks
    assert (ticket.queue, ticket.path, ticket.body) == (
        "interactive",
        "/tasks/run",
        b'{"queue":"interactive"}',
    )
    assert await process.worker.run_ticket()
    done = await process.queue.shown(await process.queue.get(UID, job.id))
    assert done["status"] == "succeeded"
    assert done["result"] == {"echo": {"n": 1, "odd": [[1, [2]], 2**64 - 1, {"": None}]}}
    assert (done["progress"], done["attempts"]) == ({"done": 1, "total": 1}, 1)
    assert "position" not in done
    with pytest.raises(Conflict, match="too late"):
        await process.queue.cancel(UID, job.id)
    # No sweep ever finds it again.
    assert (await process.sweep.run()).tickets == 0


async def test_workers_take_by_priority_then_age_and_leave_what_waits(
    world: JobWorld, clock: SteppedClock
) -> None:
    process = process_of(world)
    low = await submit(process, 1, priority=2)
    first = await submit(process, 2)
    clock.ahead += 0.01
    second = await submit(process, 3)
    held = await submit(process, 4, priority=10, delay_s=60.0)
    bulk = await process.queue.submit(UID, "chat", {}, priority=9, queue=BULK)
    ahead = [await process.queue.store.ahead(job) for job in (held, first, second, low, bulk)]
    assert ahead == [0, 1, 2, 3, 0]
    shown = await process.queue.shown(held)
    wait = shown["estimated_wait_seconds"]
    assert isinstance(wait, float)
    assert 50 < wait <= 60
    taken = [await process.queue.store.claim(INTERACTIVE, LEASE_S) for _ in range(4)]
    assert [job.id if job else None for job in taken] == [first.id, second.id, low.id, None]
    clock.ahead += 61.0
    late = await process.queue.store.claim(INTERACTIVE, LEASE_S)
    assert late is not None
    assert late.id == held.id


async def test_many_workers_share_jobs_without_taking_one_twice(world: JobWorld) -> None:
    process = process_of(world)
    for n in range(5):
        await submit(process, n)
    claims = await asyncio.gather(
        *(process.queue.store.claim(INTERACTIVE, LEASE_S) for _ in range(8))
    )
    taken = [job.id for job in claims if job is not None]
    assert len(taken) == len(set(taken))
    while (job := await process.queue.store.claim(INTERACTIVE, LEASE_S)) is not None:
        taken.append(job.id)
    assert len(taken) == len(set(taken)) == 5


async def test_a_cancelled_job_never_runs_and_stays_cancelled(world: JobWorld) -> None:
    process = process_of(world)
    job = await submit(process, 1)
    cancelled = await process.queue.cancel(UID, job.id)
    assert cancelled.state is State.CANCELLED
    assert await process.worker.run_ticket()
    again = await process.queue.cancel(UID, job.id)
    assert (again.version, again.attempts) == (cancelled.version, 0)
    with pytest.raises(NotFound):
        await process.queue.cancel("somebody", job.id)
    with pytest.raises(NotFound):
        await process.queue.get(UID, "..")


async def test_cancel_stops_the_work_and_fences_what_it_writes(world: JobWorld) -> None:
    working, stopped = asyncio.Event(), asyncio.Event()
    held: list[Run] = []

    async def endless(run: Run) -> JsonValue:
        held.append(run)
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return None

    process = process_of(world, {"chat": endless})
    job = await submit(process, 1)
    running = asyncio.create_task(process.worker.run_ticket())
    await working.wait()
    assert (await process.queue.cancel(UID, job.id)).state is State.CANCELLED
    assert await running
    assert stopped.is_set()
    with pytest.raises(LeaseLost):
        await held[0].succeed({"too": "late"})
    found = await process.queue.get(UID, job.id)
    assert (found.state, found.result) == (State.CANCELLED, "")


async def test_the_sweep_finds_lost_tickets_and_dead_workers(
    world: JobWorld, clock: SteppedClock
) -> None:
    process = process_of(world)
    job = await submit(process, 1)
    world.tasks.clear()
    assert (await process.sweep.run()).overdue == 0
    clock.ahead += 121.0
    report = await process.sweep.run()
    assert (report.overdue, report.tickets, len(world.tasks)) == (1, 1, 1)
    assert (await process.sweep.run()).overdue == 0
    claimed = await process.queue.store.claim(INTERACTIVE, LEASE_S)
    assert claimed is not None
    clock.ahead += LEASE_S + 11.0
    reports = await asyncio.gather(process.sweep.run(), process.sweep.run())
    assert sum(each.abandoned for each in reports) == 1
    late = Run(process.queue.store, claimed, clock, clock.monotonic())
    with pytest.raises(LeaseLost):
        await late.succeed({"too": "late"})
    assert await process.worker.run_ticket()
    found = await process.queue.get(UID, job.id)
    assert (found.state, found.attempts) == (State.SUCCEEDED, 2)


async def test_a_job_that_outlives_too_many_workers_fails(
    world: JobWorld, clock: SteppedClock
) -> None:
    process = process_of(world)
    job = await submit(process, 1)
    for lost in range(1, MAX_LOST + 1):
        clock.ahead += lost_wait_s(lost - 1)
        assert await process.queue.store.claim(INTERACTIVE, LEASE_S) is not None
        clock.ahead += LEASE_S + 11.0
        await process.sweep.run()
        found = await process.queue.get(UID, job.id)
        assert found.state.finished == (lost == MAX_LOST)
    shown = await process.queue.shown(await process.queue.get(UID, job.id))
    assert shown["status"] == "failed"
    assert isinstance(shown["error"], dict)
    assert shown["error"]["code"] == "internal"


async def test_lists_are_the_owners_newest_first_in_pages(
    world: JobWorld, clock: SteppedClock
) -> None:
    process = process_of(world)
    ids: list[str] = []
    for n in range(5):
        clock.ahead += 1.0
        ids.insert(0, (await submit(process, n)).id)
    await process.queue.submit("other", "chat", {}, priority=5)
    seen: list[JsonValue] = []
    after: str | None = None
    while True:
        page = await process.queue.list(UID, 2, after)
        seen += [job["id"] for job in page.jobs]
        if not page.more:
            break
        after = str(seen[-1])
    assert seen == ids
    with pytest.raises(NotFound):
        await process.queue.list("other", 2, ids[0])
    clock.ahead += 31 * 86_400.0  # expired, if not yet gone
    assert (await process.queue.list(UID, 2)).jobs == []
    assert await process.queue.store.claim(INTERACTIVE, LEASE_S) is None


async def test_the_overview_counts_everybodys_jobs_and_shows_no_content(world: JobWorld) -> None:
    process = process_of(world)
    for n in range(3):
        await submit(process, n)
    await process.queue.submit("other", "chat", {"secret": "s3cr3t"}, priority=1, queue=BULK)
    assert await process.queue.store.claim(INTERACTIVE, LEASE_S) is not None
    overview = await process.queue.store.overview()
    assert overview["counts"] == {"running": 1, "queued": 3}
    rows = overview["data"]
    assert isinstance(rows, list)
    assert len(rows) == 4
    assert "s3cr3t" not in str(rows)
    assert UID not in str(rows)


async def test_large_payloads_and_results_live_in_blobs(world: JobWorld) -> None:
    process = process_of(world)
    job = await process.queue.submit(UID, "chat", {"text": "x" * 300_000}, priority=5)
    assert job.payload == ""
    assert job.payload_blob in world.blobs
    assert await process.worker.run_ticket()
    found = await process.queue.get(UID, job.id)
    shown = await process.queue.shown(found)
    assert "result" not in shown
    assert str(shown["result_url"]).startswith(f"/blobs/jobs/{UID}/{job.id}/result-run_")
    assert job.payload_blob not in world.blobs


async def test_a_claim_takes_what_may_run_the_best_first_as_far_as_it_looks(
    world: JobWorld, clock: SteppedClock
) -> None:
    process = process_of(world)
    rng = random.Random(31)
    jobs = []
    for n in range(70):
        clock.ahead += 0.001
        delay_s = 0.0 if rng.random() < 0.5 else 60.0
        jobs.append(await submit(process, n, rng.randrange(11), delay_s=delay_s))
    left = sorted(jobs, key=lambda job: (-job.priority, job.created))
    for _ in range(sum(job.not_before <= clock.wall() for job in jobs)):
        claimed = await process.queue.store.claim(INTERACTIVE, LEASE_S)
        assert claimed is not None
        first = [job for job in left[:FIRST] if job.not_before <= clock.wall()]
        ready = sorted(
            (job for job in left if job.not_before <= clock.wall()), key=lambda job: job.not_before
        )
        looked_at = first or ready[:READY]
        assert claimed.id == min(looked_at, key=lambda job: (-job.priority, job.created)).id
        left = [job for job in left if job.id != claimed.id]
    assert await process.queue.store.claim(INTERACTIVE, LEASE_S) is None


async def test_a_claim_reads_a_handful_of_documents_of_a_hundred_that_wait(
    world: JobWorld, clock: SteppedClock
) -> None:
    process = process_of(world)
    for n in range(100):
        await submit(process, n, priority=9, delay_s=60.0)
    one = await submit(process, 100)
    reads = process.queue.store.documents.operations.total().reads
    claimed = await process.queue.store.claim(INTERACTIVE, LEASE_S)
    assert claimed is not None
    assert claimed.id == one.id
    assert await process.queue.store.claim(INTERACTIVE, LEASE_S) is None
    assert process.queue.store.documents.operations.total().reads - reads <= 10
