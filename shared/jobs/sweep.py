"""The sweep: finds jobs whose ticket was lost and jobs whose worker died, and has them done.

Called by health-cron every minute. Every move is compared and set, so two sweeps at once, or one
beside a worker, do what one does; a ticket too many finds nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.clock import Clock
from shared.errors import Internal
from shared.jobs.job import Job, State
from shared.jobs.queue import JobQueue
from shared.storage.errors import PreconditionFailed

# Jobs of each state one sweep looks at; the next one goes on.
LIMIT = 200
# Workers a job may outlive. More than the attempts at a fault: a worker that dies is mostly not the
# job's doing (a deployment, a crash beside it); a job that kills its worker has to end as well.
MAX_LOST = 5


@dataclass(slots=True)
class SweepReport:
    """What one sweep did, in jobs. ``tickets`` were surely sent."""

    overdue: int = 0
    abandoned: int = 0
    failed: int = 0
    tickets: int = 0


class Sweep:
    """Looks after jobs that nobody looks after."""

    __slots__ = ("_clock", "_queue")

    def __init__(self, queue: JobQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def run(self) -> SweepReport:
        """One sweep. Raises ``StoreUnavailable``."""
        report = SweepReport()
        for job in await self._queue.store.due(State.RUNNING, LIMIT):
            if job.attempts >= MAX_LOST:
                error = Internal(
                    f"the worker of this job was lost {job.attempts} times; send it again, or "
                    "with less at once"
                )
                if await self._move(job.failed(self._clock.wall(), error)):
                    report.failed += 1
            elif await self._move(job.requeued(self._clock.wall(), 0.0, counted=True)):
                report.abandoned += 1
                report.tickets += await self._queue.tickets.send(job.queue)
        for job in await self._queue.store.due(State.QUEUED, LIMIT):
            if await self._move(job.ticketed(self._clock.wall())):
                report.overdue += 1
                report.tickets += await self._queue.tickets.send(job.queue)
        return report

    async def _move(self, job: Job) -> bool:
        """Whether the job was still as it was found."""
        try:
            await self._queue.store.write(job)
        except PreconditionFailed:
            return False
        return True
