"""Sends the tasks kept in the document store, as Cloud Tasks sends its own.

At least once, again with a growing wait until the answer is 2xx, with the headers Cloud Tasks sends
(https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler). A runner that is killed
loses nothing: what it was sending is due again when its lease is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence

from local.tasks_queue import Claim, QueueConfig, TaskQueue
from local.tasks_target import Target, TaskAnswer
from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.storage.documents import DocumentStore
from shared.storage.tasks import DISPATCH_DEADLINE_S

_log = logging.getLogger("codeex.tasks")
_CONTENDED_S = 0.05
_SWEEP_EVERY_S = 3_600.0
# Retry-After is a worker's wish; a task does not vanish for a week because of one.
_RETRY_AFTER_LIMIT_S = 3_600.0


class TasksRunner:
    """Runs until cancelled; ``wake`` tells it of tasks made in this process.

    ``poll_s``: how soon tasks of other processes are noticed at the latest. Idle, each queue costs
    a query of no documents that often.
    """

    def __init__(
        self,
        store: DocumentStore,
        queues: Sequence[QueueConfig],
        target: Target,
        *,
        clock: Clock,
        rng: random.Random,
        poll_s: float = 2.0,
    ) -> None:
        self._lanes = [
            _Lane(TaskQueue(store, config, clock), target, clock, rng, poll_s) for config in queues
        ]

    async def run(self) -> None:
        """Send what is due, for ever. Cancelled, it lets go of what it is sending."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run())

    def wake(self) -> None:
        """Look now."""
        for lane in self._lanes:
            lane.changed.set()


class _Lane:
    """One queue's part of a runner."""

    def __init__(
        self, queue: TaskQueue, target: Target, clock: Clock, rng: random.Random, poll_s: float
    ) -> None:
        self.changed = asyncio.Event()
        self._queue = queue
        self._target = target
        self._clock = clock
        self._random = rng
        self._poll_s = poll_s
        self._under_way = 0
        self._swept_at: float | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self.changed.clear()
                try:
                    await self._sweep()
                    wait_s = await self._send_due(group)
                except StoreUnavailable:
                    wait_s = self._poll_s
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self.changed.wait()

    async def _send_due(self, group: asyncio.TaskGroup) -> float:
        """Begin what is due and has room; seconds until there can be more, unless told before."""
        room = self._queue.config.max_concurrent - self._under_way
        if room <= 0:
            return self._poll_s  # the end of any of them is a change
        found = await self._queue.upcoming(room + 1)
        begun = 0
        for document in found:
            due = document.data["due"]
            assert isinstance(due, (int, float))
            wait_s = due - self._clock.wall()
            if wait_s > 0:
                return min(wait_s, self._poll_s)
            if begun == room:
                return self._poll_s
            claim = await self._queue.claim(document)
            if claim is not None:
                begun += 1
                self._under_way += 1
                group.create_task(self._send(claim))
        if len(found) <= room and begun == len(found):
            return self._poll_s
        # Others were first with some of these; behind them there may be more.
        return _CONTENDED_S * self._random.random()

    async def _send(self, claim: Claim) -> None:
        """One attempt, and what follows from its answer."""
        lease = asyncio.Lock()
        renewing = asyncio.create_task(self._renew(claim, lease))
        try:
            answer = await self._answer(claim)
            # Whoever writes next must know the version of the last sign of life.
            async with lease:
                renewing.cancel()
                await self._conclude(claim, answer)
        except asyncio.CancelledError:
            renewing.cancel()
            with contextlib.suppress(StoreUnavailable):
                await asyncio.shield(self._queue.give_back(claim))
            raise
        except StoreUnavailable:
            renewing.cancel()
            _log.warning("The end of task %s could not be noted; it will be sent again.", claim.id)
        finally:
            self._under_way -= 1
            self.changed.set()

    async def _answer(self, claim: Claim) -> TaskAnswer:
        try:
            async with asyncio.timeout(DISPATCH_DEADLINE_S):
                return await self._target.post(claim.target, self._headers(claim), claim.body)
        except TimeoutError:
            return TaskAnswer(None)

    async def _conclude(self, claim: Claim, answer: TaskAnswer) -> None:
        if answer.succeeded:
            await self._queue.done(claim)
            return
        wait_s = min(answer.retry_after_s, _RETRY_AFTER_LIMIT_S)
        again = await self._queue.failed(claim, answer.status, wait_s)
        _log.warning(
            "Task %s of %s: attempt %d ended in %s; %s.",
            claim.id,
            self._queue.config.name,
            claim.attempts,
            answer.status or "no answer",
            "it will be sent again" if again else "it was given up",
        )

    async def _renew(self, claim: Claim, lease: asyncio.Lock) -> None:
        while not claim.lost:
            await self._clock.sleep(self._queue.config.lease_s / 3)
            async with lease:
                with contextlib.suppress(StoreUnavailable):
                    await self._queue.renew(claim)

    async def _sweep(self) -> None:
        now = self._clock.monotonic()
        if self._swept_at is None or now >= self._swept_at + _SWEEP_EVERY_S:
            self._swept_at = now
            await self._queue.sweep()

    def _headers(self, claim: Claim) -> dict[str, str]:
        headers = {
            **claim.headers,
            "user-agent": "Google-Cloud-Tasks",
            "x-cloudtasks-queuename": self._queue.config.name,
            "x-cloudtasks-taskname": claim.id,
            "x-cloudtasks-taskretrycount": str(claim.attempts - 1),
            "x-cloudtasks-taskexecutioncount": str(claim.answers),
            "x-cloudtasks-tasketa": f"{claim.eta:.6f}",
        }
        if claim.previous is not None:
            headers["x-cloudtasks-taskpreviousresponse"] = str(claim.previous)
        return headers
