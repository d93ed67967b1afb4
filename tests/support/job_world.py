"""Jobs, tickets and processes that can be killed before or after any write, on virtual time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.jobs.job import Job, State
from shared.jobs.queue import JobQueue
from shared.jobs.store import JobStore
from shared.jobs.sweep import Sweep
from shared.jobs.worker import Handler, JobWorker
from shared.storage.backend import Backend, Unit
from shared.storage.blobs import BlobInfo, BlobMissing, BlobStore, Method
from shared.storage.document import Document, Neighbour
from shared.storage.documents import DocumentStore
from shared.storage.queries import Near, Query, Search
from shared.storage.tasks import NewTask, Tasks
from shared.storage.writes import Plan

UID = "u1"


class Killed(BaseException):
    """The process is gone: nothing of it goes on."""


@dataclass
class Gate:
    """Lets a process write until its ``kill_at``-th write, which is made (``after``) or not.

    With ``faults`` the process lives on and is told that the store did not answer, that once.
    """

    kill_at: int = 0
    after: bool = False
    faults: bool = False
    writes: int = 0
    dead: bool = False

    def enter(self) -> bool:
        """Before a write; whether the process ends behind it."""
        self.alive()
        self.writes += 1
        if self.writes != self.kill_at:
            return False
        if not self.after:
            self.end()
        return True

    def end(self) -> None:
        """The process dies here, or the answer is lost."""
        if self.faults:
            raise StoreUnavailable("the answer was lost")
        self.dead = True
        raise Killed

    def alive(self) -> None:
        """The dead do nothing."""
        if self.dead:
            raise Killed


class GatedBackend:
    """A database behind a gate."""

    def __init__(self, inner: Backend, gate: Gate, commits: list[Plan]) -> None:
        self._inner = inner
        self._gate = gate
        self._commits = commits

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        return

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        self._gate.alive()
        return await self._inner.read(paths, timeout_s)

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        last = self._gate.enter()
        versions = await self._inner.commit(plans, timeout_s)
        self._commits.extend(plans)
        if last:
            self._gate.end()
        return versions

    async def query(self, search: Search, timeout_s: float) -> list[Document]:
        self._gate.alive()
        return await self._inner.query(search, timeout_s)

    async def count(self, search: Search, timeout_s: float) -> int:
        self._gate.alive()
        return await self._inner.count(search, timeout_s)

    async def nearest(self, search: Search, near: Near, timeout_s: float) -> list[Neighbour]:
        return await self._inner.nearest(search, near, timeout_s)

    async def begin(self, timeout_s: float, after: Unit | None) -> Unit:
        return await self._inner.begin(timeout_s, after)


@dataclass
class MemoryBlobs:
    """Blobs in a dictionary."""

    kept: dict[str, bytes] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)

    async def put(
        self, name: str, data: bytes, content_type: str, if_absent: bool, timeout_s: float
    ) -> BlobInfo:
        last = self.gate.enter()
        self.kept[name] = data
        if last:
            self.gate.end()
        return BlobInfo(name, len(data), content_type, "1", 0.0)

    async def put_pieces(
        self,
        name: str,
        pieces: AsyncIterator[bytes],
        content_type: str,
        if_absent: bool,
        timeout_s: float,
    ) -> BlobInfo:
        raise NotImplementedError

    async def read(
        self, name: str, start: int, end: int | None, etag: str | None, timeout_s: float
    ) -> bytes:
        self.gate.alive()
        if name not in self.kept:
            raise BlobMissing(name)
        return self.kept[name][start:end]

    async def stat(self, name: str, timeout_s: float) -> BlobInfo:
        raise NotImplementedError

    async def delete(self, name: str, timeout_s: float) -> None:
        last = self.gate.enter()
        self.kept.pop(name, None)
        if last:
            self.gate.end()

    async def list(
        self, prefix: str, start_after: str, limit: int, timeout_s: float
    ) -> list[BlobInfo]:
        raise NotImplementedError

    async def signed_url(
        self, name: str, expires_s: int, method: Method, content_type: str | None, timeout_s: float
    ) -> str:
        return f"/blobs/{name}?expires={expires_s}"

    async def close(self) -> None:
        return


@dataclass
class MemoryTasks:
    """Tasks in a list all processes share."""

    waiting: list[NewTask]
    gate: Gate = field(default_factory=Gate)

    async def create(self, task: NewTask, timeout_s: float) -> str:
        last = self.gate.enter()
        self.waiting.append(task)
        if last:
            self.gate.end()
        return f"t{len(self.waiting)}"

    async def delete(self, queue: str, identifier: str, timeout_s: float) -> bool:
        raise NotImplementedError

    async def close(self) -> None:
        return


@dataclass(slots=True)
class Process:
    """One instance of the functions that work with jobs."""

    queue: JobQueue
    worker: JobWorker
    sweep: Sweep
    gate: Gate


class JobWorld:
    """What processes share."""

    def __init__(self, documents: DocumentStore, clock: Clock, seed: int = 1) -> None:
        self.documents = documents
        self.clock = clock
        self.rng = random.Random(seed)
        self.tasks: list[NewTask] = []
        self.blobs: dict[str, bytes] = {}
        self.commits: list[Plan] = []
        self.returns_in = 0.0

    def process(self, handlers: Mapping[str, Handler], gate: Gate | None = None) -> Process:
        """A fresh one."""
        gate = gate or Gate()
        backend = GatedBackend(self.documents.backend, gate, self.commits)
        documents = DocumentStore(backend, clock=self.clock, rng=self.rng)
        blobs = BlobStore(MemoryBlobs(self.blobs, gate))
        store = JobStore(documents, blobs, self.clock, self.rng)
        tasks = Tasks(MemoryTasks(self.tasks, gate), self.clock)
        queue = JobQueue(store, tasks, self.clock, lambda: self.returns_in)
        worker = JobWorker(queue, handlers, self.clock)
        return Process(queue, worker, Sweep(queue, self.clock), gate)

    def take_ticket(self) -> NewTask | None:
        """A ticket whose time has come."""
        for index, task in enumerate(self.tasks):
            if task.at is None or task.at <= self.clock.wall():
                return self.tasks.pop(index)
        return None

    async def settle(self, process: Process, *, hours: float = 2.0) -> None:
        """Deliver tickets and sweep every minute, until all jobs have ended."""
        end = self.clock.monotonic() + hours * 3600
        swept = self.clock.monotonic()
        while self.clock.monotonic() < end:
            while (task := self.take_ticket()) is not None:
                if not await process.worker.run_ticket(task.queue):
                    self.tasks.append(task)
                    break
            if all(job.state.finished for job in await self.jobs()):
                return
            await self.clock.sleep(1.0)
            if self.clock.monotonic() - swept >= 60.0:
                swept = self.clock.monotonic()
                await process.sweep.run()
        raise AssertionError([job.to_json() for job in await self.jobs()])

    async def jobs(self) -> list[Job]:
        """All jobs there are."""
        found = await self.documents.query(Query("jobs", group=True))
        return [Job.from_data(document.data, document.version) for document in found]

    def endings(self, job: Job) -> int:
        """How often the job was written as finished."""
        return sum(
            plan.path == job.path
            and plan.data is not None
            and State(str(plan.data["state"])).finished
            for plan in self.commits
        )
