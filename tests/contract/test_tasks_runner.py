"""The local runner as processes of their own, over sockets and one SQLite file, killed at will."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from infra.package import ROOT
from shared.storage.documents import DocumentStore
from shared.storage.queries import Query
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.tasks import Tasks
from shared.storage.tasks_local import LocalTasks, tasks_path
from tests.support.tasks_runner_process import QUEUE

TASKS = 15
LIMIT_S = 30.0


class Worker:
    """Counts what arrives and what it answered with success, by task."""

    def __init__(self) -> None:
        self.arrived: Counter[str] = Counter()
        self.succeeded: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.url = ""
        self._change = asyncio.Condition()

    async def serve(self, request: web.Request) -> web.Response:
        """Every task fails once; an answer takes 20 ms."""
        self.arrived[request.path] += 1
        self.tokens.add(request.headers.get("x-token", ""))
        await self._changed()
        await asyncio.sleep(0.02)
        if request.headers["X-CloudTasks-TaskRetryCount"] == "0":
            return web.Response(status=503)
        self.succeeded[request.path] += 1
        await self._changed()
        return web.Response()

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait for a state of the counts."""
        async with asyncio.timeout(LIMIT_S), self._change:
            await self._change.wait_for(met)

    async def _changed(self) -> None:
        async with self._change:
            self._change.notify_all()


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    application = web.Application()
    application.router.add_post("/{path:.*}", made.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


class Runners:
    """Processes, all of them ended at the end."""

    def __init__(self, data_dir: Path, worker: Worker) -> None:
        self._arguments = (str(data_dir), worker.url)
        self._running: list[asyncio.subprocess.Process] = []

    async def start(self) -> asyncio.subprocess.Process:
        """A process that is running."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.tasks_runner_process",
            *self._arguments,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        self._running.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return process

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        """kill -9."""
        self._running.remove(process)
        process.kill()
        await process.communicate()

    async def end(self) -> None:
        """Kill all."""
        for process in list(self._running):
            await self.kill(process)


@pytest.fixture
async def runners(tmp_path: Path, worker: Worker) -> AsyncIterator[Runners]:
    made = Runners(tmp_path, worker)
    yield made
    await made.end()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DocumentStore]:
    made = DocumentStore(SqliteBackend(tmp_path))
    yield made
    await made.close()


async def remaining(store: DocumentStore) -> int:
    found = await store.query(Query(tasks_path("interactive")))
    return sum("due" in document.data for document in found)


async def all_sent(store: DocumentStore) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await remaining(store):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)


async def test_killed_runners_lose_no_task(
    store: DocumentStore, worker: Worker, runners: Runners
) -> None:
    tasks = Tasks(LocalTasks(store))
    paths = [f"/{n}" for n in range(TASKS)]
    for path in paths:
        await tasks.enqueue("interactive", path, name=path)
    kills = 4
    for _ in range(kills):
        process = await runners.start()
        goal = worker.arrived.total() + 4
        await worker.until(lambda goal=goal: worker.arrived.total() >= goal)  # type: ignore[misc]
        await runners.kill(process)
    await runners.start()
    await all_sent(store)
    assert set(worker.succeeded) == set(paths)
    # A killed runner can have had an answer it did not note, for each task it held.
    assert worker.succeeded.total() <= TASKS + kills * QUEUE.max_concurrent
    assert worker.tokens == {"of this runner"}


async def test_several_runners_share_the_work_and_one_may_die(
    store: DocumentStore, worker: Worker, runners: Runners
) -> None:
    first, _, _ = [await runners.start() for _ in range(3)]
    tasks = Tasks(LocalTasks(store))
    for n in range(2 * TASKS):
        await tasks.enqueue("interactive", f"/{n}")
    await worker.until(lambda: worker.succeeded.total() >= 3)
    await runners.kill(first)
    await all_sent(store)
    assert len(worker.succeeded) == 2 * TASKS
    assert worker.succeeded.total() <= 2 * TASKS + QUEUE.max_concurrent
