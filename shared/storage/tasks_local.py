"""Tasks kept in the document store, for a runner on the same machine (``local``) to send.

A task is ``task_queues/{queue}/tasks/{id}``. While it has ``due`` (Unix seconds) it is to be sent
then; whoever sends it moves ``due`` on first, so that a sender that is killed lets go of it by
itself. What is done or deleted stays a day as ``released`` (when its name is free again).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from shared.clock import Clock, SystemClock
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import AlreadyExists
from shared.storage.tasks import RELEASED_AFTER_S, NewTask, TaskExists
from shared.storage.values import Changes

DUE, RELEASED = "due", "released"


class LocalTasks:
    """Stands behind ``Tasks``. ``on_enqueued`` is told of every task of this process."""

    __slots__ = ("_clock", "_on_enqueued", "_store")

    def __init__(
        self,
        store: DocumentStore,
        *,
        clock: Clock | None = None,
        on_enqueued: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._clock: Clock = clock or SystemClock()
        self._on_enqueued = on_enqueued

    async def create(self, task: NewTask, timeout_s: float) -> str:
        """A new document, or a released one written over."""
        identifier = task.id or secrets.token_hex(16)
        path = f"{tasks_path(task.queue)}/{identifier}"
        now = self._clock.wall()
        content = _content(task, now)

        def over(document: Document | None) -> Changes | None:
            return content if document is None or _free(document, now) else None

        try:
            if task.id is None:
                await self._store.create(path, content, timeout_s=timeout_s)
            elif await self._store.change(path, over, timeout_s=timeout_s) is None:
                raise TaskExists(f"there is a task of that name in {task.queue}")
        except AlreadyExists:
            raise TaskExists(f"there is a task of that name in {task.queue}") from None
        if self._on_enqueued is not None:
            self._on_enqueued()
        return identifier

    async def delete(self, queue: str, identifier: str, timeout_s: float) -> bool:
        """Releases the document, whoever holds it."""

        def release(document: Document | None) -> Changes | None:
            if document is None or DUE not in document.data:
                return None
            return released(self._clock.wall())

        path = f"{tasks_path(queue)}/{identifier}"
        return await self._store.change(path, release, timeout_s=timeout_s) is not None

    async def close(self) -> None:
        """The store is its owner's to close."""


def tasks_path(queue: str) -> str:
    """The collection of a queue's tasks."""
    return f"task_queues/{queue}/tasks"


def released(now: float) -> Changes:
    """What remains of a task: its name, taken for a day."""
    return {RELEASED: now + RELEASED_AFTER_S}


def _free(document: Document, now: float) -> bool:
    until = document.data.get(RELEASED)
    return isinstance(until, float) and until <= now


def _content(task: NewTask, now: float) -> Changes:
    due = max(now, now if task.at is None else task.at)
    return {
        DUE: due,
        # Due as scheduled, told to the receiver; ``due`` itself moves with every attempt.
        "eta": due,
        "path": task.path,
        "body": task.body,
        "headers": dict(task.headers),
        # Two who make the same task at the same moment differ in this, so one of them is refused.
        "made_by": secrets.token_hex(8),
        "attempts": 0,
        "answers": 0,
        "first_at": None,
        "previous": None,
    }
