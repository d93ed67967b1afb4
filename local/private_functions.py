"""The functions only the platform calls: where they are under ``make run``, and who calls them.

Deployed, IAM lets nobody but a service account in (contract, Identity). Here a secret of this
process stands for it: the task runner and the scheduler know it, nobody else does, and to everybody
else these addresses do not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import logging
import random
from collections.abc import Mapping

import aiohttp
from starlette.types import ASGIApp, Receive, Scope, Send

from local.tasks_queue import QueueConfig, Retry
from local.tasks_runner import TasksRunner
from local.tasks_target import HttpTarget, Target
from shared.clock import Clock
from shared.composition.stores import BULK, INTERACTIVE
from shared.jobs.job import SKEW_S
from shared.jobs.run import LEASE_S
from shared.storage.documents import DocumentStore

PREFIX = "/_private/"
PRIVATE = ("worker", "health-cron")
SWEEP_PATH = "/cron/health"
# As Terraform's schedule.
SWEEP_EVERY_S = 60.0
# Soon after a start work may have lost its ticket when the process before was killed, and a little
# later the lease of what that process worked on is over.
FIRST_SWEEPS_S = (5.0, LEASE_S + SKEW_S)
# As Terraform's queues: the worker takes four at a time.
_RETRY = Retry(max_attempts=-1, min_backoff_s=1.0, max_backoff_s=60.0, max_doublings=6)
QUEUES = (
    QueueConfig(INTERACTIVE, max_concurrent=4, retry=_RETRY),
    QueueConfig(BULK, max_concurrent=2, retry=_RETRY),
)

_log = logging.getLogger("codeex.scheduler")


class PrivateFunctions:
    """Serves ``/_private/{function}/...`` to who knows the secret."""

    def __init__(self, functions: Mapping[str, ASGIApp], secret: str) -> None:
        self._functions = functions
        self._expected = f"Bearer {secret}".encode()

    def allows(self, scope: Scope) -> bool:
        """Whether the request may know that these functions exist."""
        sent = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(sent, self._expected)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand an allowed request to the function its path names."""
        name, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
        path = f"/{rest}"
        await self._functions[name](
            {**scope, "path": path, "raw_path": path.encode()}, receive, send
        )

    def has(self, path: str) -> bool:
        """Whether the path names a private function."""
        return path.removeprefix(PREFIX).partition("/")[0] in self._functions


class Platform:
    """What Cloud Tasks and Cloud Scheduler do for a deployment, in one background task."""

    def __init__(
        self,
        store: DocumentStore,
        session: aiohttp.ClientSession,
        base_url: str,
        secret: str,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        headers = {"authorization": f"Bearer {secret}"}
        worker = HttpTarget(session, f"{base_url}{PREFIX}worker", headers)
        self._cron: Target = HttpTarget(session, f"{base_url}{PREFIX}health-cron", headers)
        self._runner = TasksRunner(store, QUEUES, worker, clock=clock, rng=rng)
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send tasks and to call the cron."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """There is a new task."""
        self._runner.wake()

    async def stop(self) -> None:
        """Let go of what is being sent; it comes again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._runner.run())
            group.create_task(self._schedule())

    async def _schedule(self) -> None:
        for pause_s in itertools.chain(FIRST_SWEEPS_S, itertools.repeat(SWEEP_EVERY_S)):
            await self._clock.sleep(pause_s)
            answer = await self._cron.post(SWEEP_PATH, {}, b"")
            if not answer.succeeded:
                _log.warning("The health cron ended in %s.", answer.status or "no answer")
