"""The two homes of tasks as one kind of world, for a suite that both must pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from shared.storage.documents import DocumentStore
from shared.storage.queries import Order, Query
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.tasks import Tasks
from shared.storage.tasks_cloud import CloudTasks, Dispatch
from shared.storage.tasks_local import LocalTasks, released, tasks_path
from tests.support.cloud_tasks_servicer import LOCATION, PROJECT, CloudTasksServicer
from tests.support.virtual_time import ManualClock

WORKER_URL = "https://worker-123.europe-west1.run.app"
ACCOUNT = "tasks@demo-test.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class Kept:
    """A task that is to be sent. ``at`` in Unix seconds, None: at once."""

    task: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    at: float | None


class TaskWorld(Protocol):
    """Tasks, and what is kept of them."""

    tasks: Tasks
    clock: ManualClock

    async def kept(self) -> list[Kept]:
        """Of the queue ``interactive``, in no order."""
        ...

    async def finish(self, task: str) -> None:
        """As if it had been sent and had succeeded."""
        ...


@dataclass(slots=True)
class CloudTaskWorld:
    """Cloud Tasks."""

    tasks: Tasks
    clock: ManualClock
    servicer: CloudTasksServicer

    async def kept(self) -> list[Kept]:
        """What the servicer holds."""
        return [
            Kept(
                "interactive/" + name.rsplit("/", 1)[1],
                task.http_request.url.removeprefix(WORKER_URL),
                task.http_request.body,
                dict(task.http_request.headers),
                task.schedule_time.timestamp() if task.schedule_time else None,
            )
            for name, task in self.servicer.tasks.items()
            if "/codeex-interactive/" in name
        ]

    async def finish(self, task: str) -> None:
        """The servicer forgets it."""
        where = f"projects/{PROJECT}/locations/{LOCATION}/queues/codeex-"
        self.servicer.finish(where + task.replace("/", "/tasks/"))


@dataclass(slots=True)
class LocalTaskWorld:
    """Documents."""

    tasks: Tasks
    clock: ManualClock
    store: DocumentStore

    async def kept(self) -> list[Kept]:
        """What the store holds."""
        query = Query(tasks_path("interactive"), order=[Order("due")])
        found: list[Kept] = []
        for document in await self.store.query(query):
            path, body, headers = (document.data[key] for key in ("path", "body", "headers"))
            due = document.data["due"]
            assert isinstance(path, str)
            assert isinstance(body, bytes)
            assert isinstance(headers, dict)
            assert isinstance(due, float)
            at = due if due > self.clock.wall() else None
            every = {key: str(value) for key, value in headers.items()}
            found.append(Kept(f"interactive/{document.id}", path, body, every, at))
        return found

    async def finish(self, task: str) -> None:
        """What the runner writes."""
        queue, identifier = task.split("/")
        await self.store.set(f"{tasks_path(queue)}/{identifier}", released(self.clock.wall()))


@asynccontextmanager
async def cloud_task_world() -> AsyncIterator[CloudTaskWorld]:
    """A project of its own."""
    clock = ManualClock()
    async with CloudTasksServicer(clock) as servicer:
        queues = {"interactive": "codeex-interactive", "bulk": "codeex-bulk", "gone": "deleted"}
        dispatch = Dispatch(PROJECT, LOCATION, queues, WORKER_URL, ACCOUNT)
        tasks = Tasks(CloudTasks(dispatch, endpoint=servicer.address, clock=clock), clock)
        try:
            yield CloudTaskWorld(tasks, clock, servicer)
        finally:
            await tasks.close()


@asynccontextmanager
async def local_task_world() -> AsyncIterator[LocalTaskWorld]:
    """A store of its own."""
    clock = ManualClock()
    store = DocumentStore(SqliteBackend(None, clock=clock), clock=clock)
    try:
        yield LocalTaskWorld(Tasks(LocalTasks(store, clock=clock), clock), clock, store)
    finally:
        await store.close()
