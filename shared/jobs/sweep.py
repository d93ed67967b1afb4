"""The sweep: finds jobs whose ticket was lost and jobs whose worker died, and has them done.

Called by health-cron every minute. Every move is compared and set, so two sweeps at once, or one
beside a worker, do what one does; a ticket too many finds nothing to do.
"""

from __future__ import annotations

from msgspec import Struct

from shared.clock import Clock
from shared.errors import Internal
from shared.jobs.job import Job, State
from shared.jobs.queue import JobQueue
from shared.storage.errors import PreconditionFailed

# Jobs of each state one sweep looks at; the next one goes on.
LIMIT = 200
# Workers a job may outlive. Many more than the attempts at a fault: a worker that dies is mostly
# not the job's doing (a deployment, a machine gone), and the steps that were done are kept. A job
# that kills its worker has to end as well; as it takes ever longer to come back, it is not in the
# way of the others. Cloud Tasks, too, makes 100 attempts where nothing else is said
# (https://cloud.google.com/tasks/docs/configuring-queues#retry).
MAX_LOST = 100
# Seconds until a job whose worker was lost may run again: none the first times, then ever longer.
FREE_LOSSES = 5
LONGEST_WAIT_S = 60.0


class SweepReport(Struct):
    """What one sweep did, in jobs. ``tickets`` were surely sent."""

    overdue: int = 0
    abandoned: int = 0
    failed: int = 0
    tickets: int = 0


def lost_wait_s(lost: int) -> float:
    """Seconds that a job waits whose worker was lost for the ``lost``-th time."""
    return min(LONGEST_WAIT_S, max(0.0, float(lost - FREE_LOSSES)))


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
            lost = job.lost + 1
            if lost >= MAX_LOST:
                error = Internal(
                    f"the worker of this job was lost {lost} times; send it again, or with less "
                    "at once"
                )
                if await self._move(job.failed(self._clock.wall(), error)):
                    report.failed += 1
                continue
            wait_s = lost_wait_s(lost)
            if await self._move(job.abandoned(self._clock.wall(), wait_s)):
                report.abandoned += 1
                report.tickets += await self._queue.tickets.send(job.queue, wait_s)
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
