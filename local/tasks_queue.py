"""A queue of tasks in the document store: what is due, who has it, when it comes again.

Any number of processes share a queue. Whoever sends a task first moves its ``due`` on, by compare
and set, and keeps moving it while it waits for the answer; a process that is killed stops, and the
task is due again for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.clock import Clock
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed
from shared.storage.queries import Filter, Order, Query
from shared.storage.tasks_local import DUE, RELEASED, released, tasks_path

SWEEP_MOST = 100


@dataclass(frozen=True, slots=True)
class Retry:
    """Cloud Tasks' ``RetryConfig``, with its defaults. Attempts count the first; -1: no end.

    A failed task is dropped when it was tried ``max_attempts`` times and ``max_duration_s`` has
    passed since the first attempt (0: attempts alone decide).
    """

    max_attempts: int = 100
    max_duration_s: float = 0.0
    min_backoff_s: float = 0.1
    max_backoff_s: float = 3_600.0
    max_doublings: int = 16

    def backoff_s(self, failures: int) -> float:
        """Seconds to the next attempt: doubled ``max_doublings`` times, then growing evenly."""
        doublings = min(failures - 1, self.max_doublings)
        step = self.min_backoff_s * 2.0**doublings
        return min(self.max_backoff_s, step * (1 + failures - 1 - doublings))

    def ends(self, attempts: int, age_s: float) -> bool:
        """Whether a task that failed ``attempts`` times, first ``age_s`` ago, is given up."""
        if self.max_attempts < 0 or attempts < self.max_attempts:
            return False
        return age_s >= self.max_duration_s


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """One queue. ``max_concurrent``: tasks one process sends at once.

    ``lease_s``: how long after the last sign of its sender a task is taken for lost.
    """

    name: str
    max_concurrent: int = 4
    retry: Retry = field(default_factory=Retry)
    lease_s: float = 30.0


@dataclass(slots=True)
class Claim:
    """A task one sender holds; ``version`` is the document's as the sender wrote it."""

    path: str
    version: int
    id: str
    target: str
    body: bytes
    headers: Mapping[str, str]
    eta: float
    attempts: int  # with the one now made
    answers: int
    first_at: float
    previous: int | None
    lost: bool = False


class TaskQueue:
    """One process' view of a queue."""

    def __init__(self, store: DocumentStore, config: QueueConfig, clock: Clock) -> None:
        self.config = config
        self._store = store
        self._clock = clock

    async def upcoming(self, limit: int) -> list[Document]:
        """The tasks that are next, those due included; the earliest first."""
        path = tasks_path(self.config.name)
        return await self._store.query(Query(path, order=[Order(DUE)], limit=limit))

    async def claim(self, document: Document) -> Claim | None:
        """Take a due task for ``lease_s``. None where another was first."""
        now = self._clock.wall()
        data = document.data
        attempts, first_at = _number(data["attempts"]) + 1, data["first_at"]
        started = float(first_at) if isinstance(first_at, (int, float)) else now
        changes = {DUE: now + self.config.lease_s, "attempts": int(attempts), "first_at": started}
        try:
            version = await self._store.update(document.path, changes, if_version=document.version)
        except PreconditionFailed:
            return None
        body, headers, previous = data["body"], data["headers"], data["previous"]
        assert isinstance(body, bytes)
        assert isinstance(headers, dict)
        return Claim(
            path=document.path,
            version=version,
            id=document.id,
            target=str(data["path"]),
            body=body,
            headers={name: str(value) for name, value in headers.items()},
            eta=_number(data["eta"]),
            attempts=int(attempts),
            answers=int(_number(data["answers"])),
            first_at=started,
            previous=int(previous) if isinstance(previous, int) else None,
        )

    async def renew(self, claim: Claim) -> None:
        """A sign of life. Notes where the task was deleted, or taken over after a silence."""
        await self._write(claim, {DUE: self._clock.wall() + self.config.lease_s})

    async def done(self, claim: Claim) -> None:
        """The task succeeded, or is given up."""
        if claim.lost:
            return
        try:
            await self._store.set(
                claim.path, released(self._clock.wall()), if_version=claim.version
            )
        except PreconditionFailed:
            claim.lost = True

    async def failed(self, claim: Claim, status: int | None, wait_s: float) -> bool:
        """Have it sent again, at the earliest in ``wait_s``; False: it was given up instead.

        ``status`` None: there was no answer. Without one, or with a 5xx, nothing was executed (docs
        of Cloud Tasks, "Create HTTP target tasks", X-CloudTasks-TaskExecutionCount).
        """
        now = self._clock.wall()
        retry = self.config.retry
        if retry.ends(claim.attempts, now - claim.first_at):
            await self.done(claim)
            return False
        answers = claim.answers + (status is not None and status < 500)
        due = now + max(wait_s, retry.backoff_s(claim.attempts))
        await self._write(claim, {DUE: due, "eta": due, "answers": answers, "previous": status})
        return True

    async def give_back(self, claim: Claim) -> None:
        """Let go of a task whose answer will not be waited for: it is due at once."""
        await self._write(claim, {DUE: self._clock.wall()})

    async def sweep(self) -> None:
        """Take away names that are free again, some at a time."""
        query = Query(
            tasks_path(self.config.name),
            [Filter(RELEASED, "<=", self._clock.wall())],
            limit=SWEEP_MOST,
            select=[RELEASED],
        )
        for document in await self._store.query(query):
            try:
                await self._store.delete(document.path, if_version=document.version)
            except PreconditionFailed:
                continue  # the name is in use again

    async def _write(self, claim: Claim, changes: dict[str, float | int | None]) -> None:
        if claim.lost:
            return
        try:
            claim.version = await self._store.update(claim.path, changes, if_version=claim.version)
        except PreconditionFailed:
            claim.lost = True


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return value
