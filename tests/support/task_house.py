"""A store, its tasks and runners on virtual time, with a worker that answers as a test says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from local.tasks_queue import QueueConfig, Retry
from local.tasks_runner import TasksRunner
from local.tasks_target import TaskAnswer
from shared.storage.documents import DocumentStore
from shared.storage.queries import Query
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.tasks import Tasks
from shared.storage.tasks_local import LocalTasks, tasks_path
from shared.storage.writes import Plan
from tests.support.virtual_time import VirtualClock

RETRY = Retry(max_attempts=5, min_backoff_s=10.0, max_backoff_s=300.0, max_doublings=3)
QUEUE = QueueConfig("interactive", max_concurrent=3, retry=RETRY, lease_s=30.0)


@dataclass(frozen=True, slots=True)
class Sent:
    """A task as it arrived, ``at`` so many virtual seconds."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """The value of ``X-CloudTasks-{name}``."""
        return self.headers[f"x-cloudtasks-{name.lower()}"]


Answering = Callable[[Sent], Awaitable[TaskAnswer]]


async def succeed(sent: Sent) -> TaskAnswer:
    """The usual worker."""
    return TaskAnswer(204)


def in_turn(*answers: int | TaskAnswer | None) -> Answering:
    """These statuses or answers, the last again and again."""
    left = list(answers)

    async def answer(sent: Sent) -> TaskAnswer:
        found = left.pop(0) if len(left) > 1 else left[0]
        return found if isinstance(found, TaskAnswer) else TaskAnswer(found)

    return answer


class SlowAnswers(SqliteBackend):
    """Writes at once and says so ``wait_s`` later."""

    wait_s = 0.0

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """As the store does."""
        versions = await super().commit(plans, timeout_s)
        await asyncio.sleep(self.wait_s)
        return versions


class House:
    """``sent`` is what arrived, in order."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = VirtualClock(loop)
        self.backend = SlowAnswers(None, clock=self.clock)
        self.store = DocumentStore(self.backend, clock=self.clock, rng=random.Random(1))
        self.sent: list[Sent] = []
        self.answering: Answering = succeed
        self.runners: list[tuple[TasksRunner, asyncio.Task[None]]] = []
        local = LocalTasks(self.store, clock=self.clock, on_enqueued=self._wake)
        self.tasks = Tasks(local, self.clock)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> TaskAnswer:
        """The worker."""
        sent = Sent(self.clock.monotonic(), path, headers, body)
        self.sent.append(sent)
        return await self.answering(sent)

    def start(self, *queues: QueueConfig) -> asyncio.Task[None]:
        """One more runner, as another process would have one."""
        runner = TasksRunner(
            self.store,
            queues or (QUEUE,),
            self,
            clock=self.clock,
            rng=random.Random(len(self.runners)),
        )
        task = asyncio.create_task(runner.run())
        self.runners.append((runner, task))
        return task

    async def stop(self) -> None:
        """Stop every runner as Ctrl-C does."""
        for _, task in self.runners:
            task.cancel()
        await asyncio.gather(*(task for _, task in self.runners), return_exceptions=True)
        self.runners.clear()

    async def remaining(self) -> int:
        """Tasks still to be sent."""
        found = await self.store.query(Query(tasks_path("interactive")))
        return sum("due" in document.data for document in found)

    def _wake(self) -> None:
        for runner, _ in self.runners:
            runner.wake()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Stopped and closed at the end."""
    made = House()
    try:
        yield made
    finally:
        await made.stop()
        await made.store.close()
