"""Tasks: calls of our own functions, to be made later, at least once, and again until they succeed.

By Cloud Tasks or, on one machine, by a runner that keeps them in the document store. What is given
here is the same for both; so is what arrives: a POST with the headers ``X-CloudTasks-*``, where any
answer but 2xx means another attempt. Every call ends in a result or in ``TaskExists``,
``errors.InvalidArgument`` (a fault of the calling code) or ``shared.errors.StoreUnavailable``; an
``enqueue`` that ended in the last may have been made or not.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

import orjson
from msgspec import Struct

from shared.clock import Clock, SystemClock
from shared.messages import JsonObject
from shared.storage.budget import Within
from shared.storage.errors import InvalidArgument

TIMEOUT_S = 20.0
DISPATCH_DEADLINE_S = 1_800  # the longest Cloud Tasks waits for an HTTP answer
# Larger content belongs into a blob: a task is a ticket. Cloud Tasks takes 1 MB with all headers.
BODY_LIMIT = 262_144
SCHEDULE_LIMIT_S = 30 * 86_400  # https://cloud.google.com/tasks/docs/quotas
RELEASED_AFTER_S = 86_400
"""How long a name stays taken after its task is done or deleted, at the most (CreateTask)."""
_QUEUE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_TASK = re.compile(r"[a-z][a-z0-9-]{0,62}/[A-Za-z0-9_-]{1,500}")
_PATH = re.compile(r"/(?!/)[\x21-\x7e]{0,999}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_VALUE = re.compile(r"[\x20-\x7e]{0,1000}")
# Set by whoever sends the task.
_RESERVED = ("x-cloudtasks-", "x-google-", "x-appengine-")
_RESERVED_NAMES = frozenset({"host", "content-length", "user-agent", "authorization"})


class TaskExists(Exception):
    """There is a task of that name, or was within the last day.

    After a lost answer it can be the caller's own.
    """


class NewTask(Struct, frozen=True):
    """A checked task. ``at`` in Unix seconds; None is now. ``id`` None: any unused one."""

    queue: str
    id: str | None
    path: str
    body: bytes
    headers: Mapping[str, str]
    at: float | None


class TaskBackend(Protocol):
    """What keeps tasks and sees to it that they are sent."""

    async def create(self, task: NewTask, timeout_s: float) -> str:
        """Keep a task; its id in its queue. Raises ``TaskExists``."""
        ...

    async def delete(self, queue: str, identifier: str, timeout_s: float) -> bool:
        """Take a task away; whether it was there."""
        ...

    async def close(self) -> None:
        """Let connections go; a later call makes them anew."""
        ...


class Tasks:
    """Checks what is asked, counts it (``operations``, by method) and hands it on.

    ``timeout_s`` bounds each call; past it the call ends in ``StoreUnavailable``.
    """

    __slots__ = ("_backend", "_clock", "operations")

    def __init__(self, backend: TaskBackend, clock: Clock | None = None) -> None:
        self._backend = backend
        self._clock: Clock = clock or SystemClock()
        self.operations: Counter[str] = Counter()

    async def enqueue(
        self,
        queue: str,
        path: str,
        payload: bytes | JsonObject = b"",
        *,
        name: str | None = None,
        delay_s: float = 0.0,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> str:
        """Have ``payload`` posted to the worker's ``path``, ``delay_s`` from now (to 30 days).

        Returns the task, as ``delete`` takes it. ``name`` is any text and makes the task unique:
        raises ``TaskExists`` where one of that name is or was lately. Of two calls without a name
        whose answers were lost, both may have made a task. An object is sent as JSON.
        """
        _check_queue(queue)
        if not _PATH.fullmatch(path):
            raise InvalidArgument(f"{path[:200]!r} is no path of a function")
        if not 0.0 <= delay_s <= SCHEDULE_LIMIT_S:
            raise InvalidArgument(f"a task waits 0 to {SCHEDULE_LIMIT_S} s, not {delay_s}")
        given = _checked_headers(headers or {})
        if isinstance(payload, bytes):
            body = payload
            given.setdefault("content-type", "application/octet-stream")
        else:
            body = orjson.dumps(payload)
            given.setdefault("content-type", "application/json")
        if len(body) > BODY_LIMIT:
            raise InvalidArgument(f"a task's payload of {len(body)} bytes is over {BODY_LIMIT}")
        identifier = None if name is None else task_id(name)
        at = self._clock.wall() + delay_s if delay_s else None
        self.operations["enqueue"] += 1
        async with Within(timeout_s):
            task = NewTask(queue, identifier, path, body, given, at)
            return f"{queue}/{await self._backend.create(task, timeout_s)}"

    async def delete(self, task: str, *, timeout_s: float = TIMEOUT_S) -> bool:
        """Take away a task (what ``enqueue`` returned, or ``named``); whether it was still there.

        One that is being sent at this moment is still there: it is not stopped, but not sent again.
        """
        if not _TASK.fullmatch(task):
            raise InvalidArgument(f"{task[:200]!r} is no task")
        queue, identifier = task.split("/")
        self.operations["delete"] += 1
        async with Within(timeout_s):
            return await self._backend.delete(queue, identifier, timeout_s)

    async def close(self) -> None:
        """Let connections go; a later call makes them anew."""
        await self._backend.close()


def named(queue: str, name: str) -> str:
    """The task that ``enqueue`` makes of this name. Raises ``InvalidArgument``."""
    _check_queue(queue)
    return f"{queue}/{task_id(name)}"


def task_id(name: str) -> str:
    """The id a name becomes.

    Hashed, because neighbouring names would crowd one part of Cloud Tasks' index (CreateTask), and
    because any text can then be a name.
    """
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _check_queue(queue: str) -> None:
    if not _QUEUE.fullmatch(queue):
        raise InvalidArgument(f"{queue[:100]!r} is no queue")


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case."""
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InvalidArgument(f"{name[:100]!r} is no header a task can carry")
        if lower in _RESERVED_NAMES or lower.startswith(_RESERVED):
            raise InvalidArgument(f"the header {name} is set by whoever sends the task")
        checked[lower] = value
    return checked
