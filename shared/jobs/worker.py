"""The worker: for every ticket the best job of its queue, to its end or back into the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from shared.clock import Clock
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    DeadlineExceeded,
    Internal,
    StoreUnavailable,
)
from shared.jobs.job import INTERACTIVE, Job
from shared.jobs.queue import JobQueue
from shared.jobs.run import LEASE_S, LeaseLost, Run
from shared.messages import JsonValue

Handler = Callable[[Run], Awaitable[JsonValue]]
"""Does the work of one kind of job; what it returns is the job's result."""

# Faults of providers are worth this many runs.
MAX_ATTEMPTS = 3
RETRY_S, LONGEST_RETRY_S = 5.0, 60.0
# Without capacity a job waits as long as it was told to, but looks again after 8 s, 12 s and so on:
# capacity also returns when an administrator raises a limit.
HOLD_S, HOLD_GROWTH, LONGEST_HOLD_S = 8.0, 1.5, 600.0
# Cloud Tasks waits 1,800 s for an answer (contract, One address: ``worker``); this leaves room to
# write down what became of the job.
RUN_LIMIT_S = 1_700.0
# An instance that is told to stop has so long to hand back what it works on.
HAND_BACK_S = 2.0


class JobWorker:
    """Runs jobs. ``handlers`` by kind."""

    __slots__ = ("_clock", "_handlers", "_queue")

    def __init__(self, queue: JobQueue, handlers: Mapping[str, Handler], clock: Clock) -> None:
        self._queue = queue
        self._handlers = handlers
        self._clock = clock

    async def run_ticket(self, queue: str = INTERACTIVE) -> bool:
        """Do one job of the queue. False: this ticket has to come again.

        Raises ``StoreUnavailable`` where the jobs cannot be seen. What a handler raises beside
        ``CodeexError`` is a fault of ours and goes up; the job is taken up when its lease is over.
        """
        since = self._clock.monotonic()
        job = await self._queue.store.claim(queue, LEASE_S)
        if job is None:
            return True
        run = Run(self._queue.store, job, self._clock, since)
        try:
            return await self._run(run)
        except LeaseLost:
            return True

    async def _run(self, run: Run) -> bool:
        handler = self._handlers.get(run.job.kind)
        if handler is None:
            await run.fail(Internal(f"no worker does jobs of the kind {run.job.kind}"))
            return True
        try:
            result = await self._work(run, handler)
            await run.succeed(result)
        except (CapacityExhausted, StoreUnavailable) as error:
            return await self._give_back(run, hold_s(run.job, error), counted=False)
        except CodeexError as error:
            if error.status >= 500 and run.job.attempts - run.job.lost < MAX_ATTEMPTS:
                return await self._give_back(run, retry_s(run.job, error), counted=True)
            await run.fail(error)
        except asyncio.CancelledError:
            await self._hand_back(run)
            raise
        return True

    async def _work(self, run: Run, handler: Handler) -> JsonValue:
        """The handler's result, with the lease renewed beside it. Raises ``LeaseLost`` as soon as
        the job is not this run's any more, which stops the handler."""
        work = asyncio.ensure_future(handler(run))
        keeper = asyncio.ensure_future(run.keep())
        both: set[asyncio.Future[JsonValue] | asyncio.Future[None]] = {work, keeper}
        try:
            await asyncio.wait(both, timeout=RUN_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if keeper.done():
                keeper.result()
            raise DeadlineExceeded(f"the job did not end within {RUN_LIMIT_S:.0f} s")
        finally:
            work.cancel()
            keeper.cancel()
            await asyncio.gather(work, keeper, return_exceptions=True)

    async def _give_back(self, run: Run, delay_s: float, *, counted: bool) -> bool:
        await run.give_back(delay_s, counted=counted)
        return await self._queue.tickets.send(run.job.queue, delay_s)

    async def _hand_back(self, run: Run) -> None:
        """The instance stops: another worker takes the job up at once instead of when the lease is
        over, and it counts as no attempt. Where that fails, the lease is what there is."""
        try:
            async with asyncio.timeout(HAND_BACK_S):
                await self._give_back(run, 0.0, counted=False)
        except (LeaseLost, TimeoutError):
            return


def hold_s(job: Job, error: CodeexError) -> float:
    """Seconds a job waits for capacity that was not there."""
    patience = min(LONGEST_HOLD_S, HOLD_S * HOLD_GROWTH ** min(job.holds, 20))
    wanted = error.retry_after if error.retry_after is not None else HOLD_S
    return max(1.0, min(patience, wanted))


def retry_s(job: Job, error: CodeexError) -> float:
    """Seconds until another attempt after a fault."""
    patience = min(LONGEST_RETRY_S, RETRY_S * 2.0 ** max(0, job.attempts - 1))
    return max(patience, min(LONGEST_RETRY_S, error.retry_after or 0.0))
