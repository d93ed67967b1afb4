"""A request under an Idempotency-Key at work: in a task of its own, whoever of its clients stays.

Beside it, its answer is stored as it grows and its lease is renewed. What takes longer than a
moment is handed over while its client is still there: what it was asked is stored and a task is
enqueued, so that a worker finishes it should this instance get no processor, or die, before the
answer is whole. Nothing of that may wait for the client to leave: from then on there may be no
processor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace
from starlette.types import Message, Send

from shared.clock import Clock
from shared.edge.asgi import HttpRequest
from shared.edge.call import Call
from shared.edge.idempotency_recording import Recording
from shared.errors import StoreUnavailable
from shared.idempotency.record import LEASE_S, Part, Record, State, cut
from shared.idempotency.store import RecordLost, RecordStore
from shared.storage.tasks import Tasks

Perform = Callable[[HttpRequest, Send, Call], Awaitable[None]]
"""Answers a request that was let in, whatever comes of it."""

TASK_PATH = "/tasks/idempotency"
TASK_QUEUE = "interactive"
# What is new is stored at most so often, so that other instances can follow.
STORE_S = 1.0
RENEW_S = 5.0
# A worker looks once the lease must have lapsed, had this instance stopped at once.
LOOK_AFTER_S = LEASE_S + 5.0
ENQUEUE_TIMEOUT_S = 3.0


async def have_a_look(tasks: Tasks, record: str) -> None:
    """Have a worker look at a record once nobody may have been heard of. Raises
    ``StoreUnavailable``, and then the worker may come or not."""
    await tasks.enqueue(
        TASK_QUEUE,
        TASK_PATH,
        {"record": record},
        delay_s=LOOK_AFTER_S,
        timeout_s=ENQUEUE_TIMEOUT_S,
    )


class StillHere:
    """A ``receive`` that gives the whole body, then waits: this client never leaves."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self) -> Message:
        """The next message."""
        if self._body is None:
            await asyncio.Event().wait()
        body, self._body = self._body or b"", None
        return {"type": "http.request", "body": body, "more_body": False}


class Work:
    """One run. ``call`` is its own. ``asked``: what a worker has to know of the request beside its
    ``body``; empty where none can finish it."""

    __slots__ = (
        "_asked",
        "_body",
        "_clock",
        "_following",
        "_lock",
        "_renewed",
        "_store",
        "_stored",
        "_task",
        "_tasks",
        "_ticketed",
        "_tried",
        "call",
        "lost",
        "record",
        "recording",
        "settled",
    )

    def __init__(
        self,
        record: Record,
        store: RecordStore,
        tasks: Tasks | None,
        clock: Clock,
        call: Call,
        body: bytes,
        asked: str,
    ) -> None:
        self.record = record
        self.call = call
        self.recording = Recording()
        self.lost = False  # another run has it
        self.settled = False  # it is stored, or its key is free
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._body = body
        self._asked = asked
        self._following = 0
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._stored = 0  # pieces of the answer
        self._tried = 0  # the same, with those of a write of which nobody knows whether it was made
        # What a worker takes over has its task, which comes again should that worker die.
        self._ticketed = bool(record.request)
        self._renewed = clock.monotonic()

    def begin(
        self, perform: Perform, http: HttpRequest, stopping: Callable[[], bool]
    ) -> asyncio.Task[None]:
        """Make the answer to ``http``, whose client does not leave, in a task."""
        self._task = asyncio.create_task(self._run(perform, http, stopping))
        return self._task

    async def over(self) -> None:
        """Wait for the end; what it ended in is not this caller's business."""
        if self._task is not None:
            await asyncio.wait({self._task})

    @contextmanager
    def client(self) -> Iterator[None]:
        """While a client follows."""
        self._following += 1
        try:
            yield
        finally:
            self._following -= 1

    async def client_left(self) -> None:
        """A client is gone: if nobody else waits, see to it that the answer is made all the same.
        Never fails: without the store, the record lapses and its key can be used again."""
        if not self._following:
            await self._provide()

    @property
    def unsure(self) -> bool:
        """Whether the lease may have lapsed: another run may have the record without this one
        knowing, as when this process was stopped for a while."""
        return self._clock.monotonic() - self._renewed >= LEASE_S

    async def make_sure(self) -> None:
        """Renew the lease now, or learn that this is ``lost``. Raises ``StoreUnavailable``."""
        async with self._lock:
            if self.unsure and not self.lost and not self.recording.closed:
                await self._write(self._stored)

    @property
    def failed(self) -> bool:
        """Whether the answer is an error, or there is none."""
        return self.call.status >= 400 or self.recording.status >= 400 or not self.recording.ended

    async def _run(self, perform: Perform, http: HttpRequest, stopping: Callable[[], bool]) -> None:
        """Make the answer, then store it or free the key."""
        try:
            keeping = asyncio.create_task(self._keep())
            try:
                await perform(http, self.recording, self.call)
            finally:
                async with self._lock:  # a write under way is not torn
                    keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
            await self._settle(stopping())
        finally:
            self.recording.close()

    async def _provide(self) -> None:
        """Hand over, unless that is done or the answer is whole. Never fails; it is tried again."""
        tasks = self._tasks
        if tasks is None or not self._asked or self._ticketed or self.recording.ended:
            return
        try:
            await self._hand_over(tasks)
        except (RecordLost, StoreUnavailable):
            return

    async def _hand_over(self, tasks: Tasks) -> None:
        async with self._lock:
            if self.lost or self.record.state is State.DONE:
                return
            if not self.record.request:
                await self._keep_request()
        await have_a_look(tasks, self.record.path)
        self._ticketed = True

    async def _keep_request(self) -> None:
        pieces = cut(self._body)
        parts = [(self.record.request_part(at), piece) for at, piece in enumerate(pieces)]
        wanted = replace(self.record, request=self._asked, request_parts=len(parts))
        began = self._clock.monotonic()
        renewed = wanted.renewed(self._clock.wall())
        self.record = await self._store.write(self.record, renewed, parts)
        self._renewed = began

    async def _keep(self) -> None:
        """Store what is new, or renew the lease, until this is another run's."""
        while not self.lost:
            await self._clock.sleep(STORE_S)
            await self._provide()
            new = self.recording.ready > self._stored and not self.recording.sealed
            if not new and self._clock.monotonic() - self._renewed < RENEW_S:
                continue
            try:
                async with self._lock:
                    await self._write(self.recording.ready if new else self._stored)
            except StoreUnavailable:
                continue

    async def _settle(self, stopping: bool) -> None:
        """Store the end. Where the store does not answer, the client gets its answer all the same
        and this goes on trying for as long as the lease lasts."""
        until = self._clock.monotonic() + LEASE_S
        while not self.lost:
            try:
                async with self._lock:
                    await self._end(stopping)
                return
            except StoreUnavailable:
                self.recording.close()
                if stopping or self._clock.monotonic() >= until:
                    return
            await self._clock.sleep(STORE_S)

    async def _end(self, stopping: bool) -> None:
        if not self.failed:
            await self._write(len(self.recording.pieces), done=True)
            self.settled = not self.lost
        elif stopping and self.record.request and not self._following:
            # Nobody was told of the failure, and a worker comes.
            self.record = self.record.released(self._clock.wall())
            await self._commit(self.record, [])
        else:
            await self._store.free(self.record)
            self.settled = True

    async def _write(self, upto: int, *, done: bool = False) -> None:
        """Store the answer's pieces up to ``upto``, and that this run lives or is done."""
        if self._stored < self._tried < upto:
            # What a reader may have seen of a part must not grow: the same write again, first.
            await self._write(self._tried)
        self._tried = upto
        record, recording = self.record, self.recording
        parts: list[Part] = []
        if not recording.sealed:
            body = b"".join(recording.pieces[self._stored : upto])
            first = record.parts
            parts = [(record.answer_part(first + at), one) for at, one in enumerate(cut(body))]
        wanted = replace(
            record.renewed(self._clock.wall()),
            status=recording.status,
            headers=tuple((n.decode(), t.decode("latin-1")) for n, t in recording.headers),
            parts=record.parts + len(parts),
            sealed=recording.sealed,
        )
        await self._commit(wanted.done(self._clock.wall()) if done else wanted, parts)
        self._stored = upto

    async def _commit(self, wanted: Record, parts: list[Part]) -> None:
        began = self._clock.monotonic()
        try:
            self.record = await self._store.write(self.record, wanted, parts)
        except RecordLost:
            self.lost = True
        else:
            self._renewed = began
