"""What users do with jobs: hand one in, look at it, list them, cancel one."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.clock import Clock
from shared.errors import Conflict, NotFound, StoreUnavailable
from shared.jobs.content import folder
from shared.jobs.job import INTERACTIVE, KINDS, TICKET_LOST_S, UNFINISHED_S, Job, State
from shared.jobs.store import JobStore
from shared.messages import JsonObject
from shared.storage.errors import InvalidArgument, VersionConflict
from shared.storage.tasks import Tasks

# Where a ticket is sent (contract, One address: ``worker``).
TICKET_PATH = "/tasks/run"
# Tickets come early where clocks differ; one that comes too early finds nothing to do.
LATE_S = 0.25
# What a job ahead is reckoned to take: a typical text answer with what surrounds it.
SECONDS_PER_JOB = 2.0
# The longest a ticket is given for being made; the sweep makes those that took longer.
TICKET_TIMEOUT_S = 5.0


class Page(Struct, frozen=True):
    """Jobs of one user as the contract's objects, newest first."""

    jobs: list[JsonObject]
    more: bool


class Tickets:
    """Has a worker come for the best job of a queue. Without ``tasks`` none can be made."""

    __slots__ = ("_tasks",)

    def __init__(self, tasks: Tasks | None) -> None:
        self._tasks = tasks

    async def send(self, queue: str, delay_s: float = 0.0) -> bool:
        """Whether a ticket was surely made; the sweep finds the jobs of those that were not."""
        if self._tasks is None:
            return False
        delay = delay_s + LATE_S if delay_s > 0.0 else 0.0
        body: JsonObject = {"queue": queue}
        try:
            await self._tasks.enqueue(
                queue, TICKET_PATH, body, delay_s=delay, timeout_s=TICKET_TIMEOUT_S
            )
        except StoreUnavailable:
            return False
        return True


class JobQueue:
    """Jobs as their owners see them. ``capacity_returns``: seconds until providers have capacity
    again, 0 where they have some. ``tasks`` None: jobs that are there can be seen, cancelled and
    worked on, but nothing has a worker come for them, so none is to be handed in. Every call can
    raise ``StoreUnavailable``."""

    __slots__ = ("_capacity_returns", "_clock", "store", "tickets")

    def __init__(
        self,
        store: JobStore,
        tasks: Tasks | None,
        clock: Clock,
        capacity_returns: Callable[[], float],
    ) -> None:
        self.store = store
        self.tickets = Tickets(tasks)
        self._clock = clock
        self._capacity_returns = capacity_returns

    async def submit(
        self,
        uid: str,
        kind: str,
        payload: JsonObject,
        *,
        priority: int,
        tier: str = "free",
        admin: bool = False,
        request_id: str = "",
        queue: str = INTERACTIVE,
        delay_s: float = 0.0,
        total: int = 1,
    ) -> Job:
        """Keep a job and send a ticket for it, both not before ``delay_s`` from now.

        The job counts from the moment it is written: whether the ticket gets away does not matter.
        ``priority`` is 0 to 10, 10 first; ``total`` is the number of its steps.
        """
        if kind not in KINDS:
            raise InvalidArgument(f"{kind!r} is no kind of job")
        now = self._clock.wall()
        identifier = self.store.new_name("job")
        kept = await self.store.contents.put(folder(uid, identifier), "payload", payload)
        job = await self.store.create(
            Job(
                uid=uid,
                id=identifier,
                kind=kind,
                queue=queue,
                state=State.QUEUED,
                priority=priority,
                tier=tier,
                admin=admin,
                request_id=request_id,
                created=now,
                expires=now + UNFINISHED_S,
                payload=kept.text,
                payload_blob=kept.blob,
                not_before=now + delay_s,
                due=now + delay_s + TICKET_LOST_S,
                total=total,
            )
        )
        await self.tickets.send(queue, delay_s)
        return job

    async def get(self, uid: str, identifier: str) -> Job:
        """A user's own job. Raises ``NotFound``, for another user's too."""
        job = await self.store.get(uid, identifier)
        if job is None:
            raise not_found()
        return job

    async def list(self, uid: str, limit: int, after: str | None = None) -> Page:
        """The user's jobs after the one of that id, newest first. Raises ``NotFound``."""
        place = None if after is None else await self.get(uid, after)
        jobs, more = await self.store.page(uid, limit, place)
        return Page([await self.shown(job) for job in jobs], more)

    async def cancel(self, uid: str, identifier: str) -> Job:
        """End a job that has not ended: it never runs, or what still runs of it has no effect.

        One cancelled before is returned as it is. Raises ``NotFound`` and, where it came too late,
        ``Conflict``.
        """
        asked = await self.get(uid, identifier)
        ended: Job | None = asked if asked.state.finished else None

        def decide(job: Job) -> Job | None:
            nonlocal ended
            if job.state.finished:
                ended = job
                return None
            return job.cancelled(self._clock.wall())

        if ended is None:
            try:
                cancelled = await self.store.move(asked, decide)
            except VersionConflict:
                raise StoreUnavailable(
                    "the job is being written at this moment; cancel it again", retry_after=1.0
                ) from None
            if cancelled is not None:
                await self._drop_payload(asked)
                return cancelled
        if ended is None:
            raise not_found()
        if ended.state is State.CANCELLED:
            return ended
        raise Conflict(
            f"too late to cancel: the job has {ended.state.value}; GET /v1/jobs/{ended.id} has "
            "what came of it"
        )

    async def shown(self, job: Job) -> JsonObject:
        """The contract's job, with its place in the queue or a link to its result."""
        if job.state is State.QUEUED:
            position = await self.store.ahead(job)
            return job.to_json(position=position, wait_s=self._wait(job, position))
        return job.to_json(result_url=await self.store.contents.link(job))

    def _wait(self, job: Job, position: int) -> float:
        held = job.not_before - self._clock.wall()
        return max(0.0, held, self._capacity_returns()) + position * SECONDS_PER_JOB

    async def _drop_payload(self, job: Job) -> None:
        try:
            await self.store.contents.drop(job.payload_blob)
        except StoreUnavailable:  # the bucket's own rule takes it later
            return


def not_found() -> NotFound:
    """No job of this user has that id."""
    return NotFound("you have no job of this id; GET /v1/jobs lists yours")
