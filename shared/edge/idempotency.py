"""``Idempotency-Key``: a request sent again gets the answer of the first (contract, Idempotency).

The first request under a key is answered in a task of its own, which its clients follow; leaving
does not end it. What it answers is stored for an hour. A request that comes again follows it: here,
in memory; made by another instance, through the store. One whose instance has died is run anew by
whoever asks for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Send

from shared.clock import Clock
from shared.edge.app import KEY_HEADER
from shared.edge.asgi import HttpRequest, unless_client_leaves
from shared.edge.call import Call
from shared.edge.dialect import OPENAI
from shared.edge.idempotency_recording import Follower, cut_short
from shared.edge.idempotency_request import Asked
from shared.edge.idempotency_work import Perform, StillHere, Work, have_a_look
from shared.errors import ClientCancelled, Conflict, InvalidRequest
from shared.idempotency.record import Record, State, record_path
from shared.idempotency.store import RecordLost, RecordStore, key_used
from shared.storage.tasks import Tasks

MAX_KEY_CHARS = 255
# A request that so many runs did not survive may be what ended them: no worker takes it up again.
MAX_RUNS = 5
# How often another instance's answer is looked at: at first, and at the slowest.
POLL_S, SLOWEST_POLL_S, POLL_GROWTH = 0.5, 1.0, 1.25


class IdempotencyParts(Struct, frozen=True):
    """``resumable``: the paths whose requests a worker can finish, if there are ``tasks`` to send
    it. ``watch`` is told of every task that an instance's end has to wait for."""

    store: RecordStore
    clock: Clock
    tasks: Tasks | None
    resumable: frozenset[str]
    stopping: Callable[[], bool]
    watch: Callable[[asyncio.Task[None]], None]


class _Request(Struct, frozen=True):
    """One request under a key. ``path`` is its record's, ``mark`` its fingerprint."""

    http: HttpRequest
    send: Send
    call: Call
    body: bytes
    path: str
    mark: str


class Idempotency:
    """Serves the requests that carry a key. Belongs to one event loop."""

    __slots__ = ("_parts", "_works")

    def __init__(self, parts: IdempotencyParts) -> None:
        self._parts = parts
        self._works: dict[str, Work] = {}

    async def serve(self, http: HttpRequest, send: Send, call: Call, perform: Perform) -> None:
        """Answer a request that was let in.

        Raises ``InvalidRequest`` for a bad key, ``Conflict`` where it was used for another request
        and ``StoreUnavailable`` where nobody can say; else as ``perform`` answers.
        """
        key = _key(http)
        body = await http.body()
        path = record_path(call.identity.uid, _identifier(http, call, key))
        request = _Request(http, send, call, body, path, _fingerprint(http, call, body))
        while True:
            work = self._work(path)
            if work is not None:
                if work.unsure:
                    await work.make_sure()
                    continue
                await self._follow_here(request, work, replayed=True)
                return
            # Not given up when the client leaves: what is claimed has to be run.
            record, mine = await self._parts.store.claim(path, request.mark)
            if mine:
                work = self._start(record, http, replace(call), body, perform)
                await self._follow_here(request, work, replayed=False)
                return
            if self._work(path) is not None:
                continue
            follower = Follower(send, call, replayed=True)
            if await unless_client_leaves(http.receive, self._follow_there(record, follower)):
                return

    async def finish(self, path: str, perform: Perform) -> bool:
        """Do what a task was enqueued for: finish the request of a record whose owner has died.

        Where that still lives another task is enqueued: one that fails slows the whole queue down
        (https://cloud.google.com/tasks/docs/common-pitfalls). False: this run did not get to the
        end, so this task has to come again. Raises ``StoreUnavailable``.
        """
        store, clock, tasks = self._parts.store, self._parts.clock, self._parts.tasks
        record = await store.get(path)
        if record is None or record.state is State.DONE or not record.request:
            return True
        if not record.lapsed(clock.wall()):
            if tasks is not None:
                await have_a_look(tasks, path)
            return tasks is not None
        if record.runs >= MAX_RUNS:
            await store.free(record)
            return True
        taken = await store.take(record)
        if taken is None:
            return False
        try:
            body = await store.body(taken.body_parts())
        except RecordLost:  # it was taken over, or its parts have expired
            await store.free(taken)
            return True
        asked = Asked.from_text(taken.request)
        http = asked.http(StillHere(body))
        work = self._start(taken, http, asked.call(clock.monotonic()), body, perform)
        await work.over()
        return work.settled

    def _work(self, path: str) -> Work | None:
        """The run of this instance, if there is one and it still has the record."""
        work = self._works.get(path)
        return None if work is None or work.lost or work.recording.closed else work

    def _start(
        self, record: Record, http: HttpRequest, call: Call, body: bytes, perform: Perform
    ) -> Work:
        parts = self._parts
        resumable = parts.tasks is not None and http.path in parts.resumable
        asked = Asked.of(http, call).to_text() if resumable else ""
        work = Work(record, parts.store, parts.tasks, parts.clock, call, body, asked)
        task = work.begin(perform, HttpRequest(http.scope, StillHere(body)), parts.stopping)
        self._works[record.path] = work

        def over(_: asyncio.Task[None]) -> None:
            if self._works.get(record.path) is work:
                del self._works[record.path]

        task.add_done_callback(over)
        parts.watch(task)
        return work

    async def _follow_here(self, request: _Request, work: Work, *, replayed: bool) -> None:
        """Pass on what a run of this instance makes."""
        if work.record.fingerprint != request.mark:
            raise key_used()
        call = request.call
        follower = Follower(request.send, call, replayed=replayed)
        try:
            with work.client():
                await unless_client_leaves(request.http.receive, follower.follow(work.recording))
        except ClientCancelled:
            if not work.recording.ended:
                await work.client_left()
                raise
            # It has read the end of a stream and needs no more; that has to be stored, though.
            await work.over()
        call.code = work.call.code
        call.recorded = not replayed  # the run has written it down

    async def _follow_there(self, record: Record, follower: Follower) -> bool:
        """Pass on what another instance makes, or made. False: nothing was sent, and the record
        is gone or its owner dead: claim it. Raises ``Conflict`` for an answer kept nowhere, and
        ``AllModelsFailed`` where a stream that was begun ends here."""
        parts, store, path = self._parts, self._parts.store, record.path
        sent, wait, owner = 0, POLL_S, record.owner
        while True:
            done = record.state is State.DONE
            if record.sealed and done:
                raise _sealed()
            try:
                names = [record.answer_part(number) for number in range(sent, record.parts)]
                body = await store.body(names)
            except RecordLost:
                return self._lost(follower)
            sent = record.parts
            if record.status and not follower.started and not record.sealed:
                headers = [(name.encode(), text.encode("latin-1")) for name, text in record.headers]
                await follower.begin(record.status, headers)
            if done:
                await follower.end(body)
                return True
            if body:
                await follower.more(body)
                wait = POLL_S
            await parts.clock.sleep(wait)
            wait = min(SLOWEST_POLL_S, wait * POLL_GROWTH)
            found = await store.get(path)
            if found is None or found.lapsed(parts.clock.wall()) or found.owner != owner:
                return self._lost(follower)
            record = found

    @staticmethod
    def _lost(follower: Follower) -> bool:
        if follower.started:
            raise cut_short()
        return False


def _key(http: HttpRequest) -> str:
    key = http.header(KEY_HEADER) or ""
    if not (key.isascii() and key.isprintable() and 1 <= len(key) <= MAX_KEY_CHARS):
        raise InvalidRequest(
            f"Idempotency-Key: must be 1 to {MAX_KEY_CHARS} printable ASCII characters, "
            "a random UUID for example",
            param="Idempotency-Key",
        )
    return key


def _identifier(http: HttpRequest, call: Call, key: str) -> str:
    """The record's id among the user's. What the caller may do is part of it: nobody gets an
    answer by a key that was asked for with more rights."""
    rights = f"{call.identity.admin:d}{call.identity.by_key:d}"
    return _digest(http.method.encode(), http.path.encode(), rights.encode(), key.encode())


def _fingerprint(http: HttpRequest, call: Call, body: bytes) -> str:
    """What makes two requests the same. Where the dialect depends on what a client accepts, that
    is part of it: a stored answer cannot be told in another way."""
    accepted = b"" if call.dialect is OPENAI else http.headers.get(b"accept", b"").lower()
    return _digest(http.query, accepted, body)


def _digest(*pieces: bytes) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(b"%d:" % len(piece))
        digest.update(piece)
    return digest.hexdigest()


def _sealed() -> Conflict:
    return Conflict(
        "the request of this Idempotency-Key was carried out, and what it answered is shown once "
        "and kept nowhere: look up what it made (GET), or send it again with a new key",
        param="Idempotency-Key",
    )
