"""One run of a job by one worker: its lease, its steps, and the fence around all it writes.

Whatever a run writes, it writes over the version of the job it knows, so a run that was cancelled
or taken for dead changes nothing any more. A write whose answer was lost is looked up, not guessed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from shared.clock import Clock
from shared.errors import CodeexError, StoreUnavailable
from shared.jobs.content import Kept, folder
from shared.jobs.job import Job, step_path
from shared.jobs.store import JobStore
from shared.messages import JsonObject, JsonValue
from shared.storage.document import Document
from shared.storage.errors import InvalidArgument, PreconditionFailed
from shared.storage.values import Changes
from shared.storage.writes import Create, Write

# A worker that has not been heard of for so long is taken for dead.
LEASE_S = 30.0
# A cancelled job is noticed, and its provider call stopped, within this.
RENEW_S = 5.0
RETRY_S = 0.5
_STEP = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


class LeaseLost(Exception):
    """The job is somebody else's by now, or nobody's: this run has no say in it any more."""


class Run:
    """What a handler gets. ``since`` is a monotonic reading from before the claim was made."""

    __slots__ = ("_claim", "_clock", "_held_until", "_lock", "_store", "job")

    def __init__(self, store: JobStore, job: Job, clock: Clock, since: float) -> None:
        self._store = store
        self._clock = clock
        self._claim = job.claim
        self._held_until = since + LEASE_S
        self._lock = asyncio.Lock()
        self.job = job

    async def payload(self) -> JsonObject:
        """What the job was given."""
        return await self._store.contents.payload(self.job)

    async def step(self, name: str, work: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """What ``work`` returns, or returned when this step was finished before.

        The result and the job's progress are one commit: a step that is not kept did not count.
        ``name`` is unique in the job. Raises what ``work`` raises, and ``LeaseLost``.
        """
        if not _STEP.fullmatch(name):
            raise InvalidArgument(f"{name[:200]!r} is no name of a step")
        path = step_path(self.job, name)
        # Without progress nothing was kept; the two are one commit.
        found = await self._store.documents.get(path) if self.job.done else None
        if found is not None:
            return await self._store.contents.get(_kept(found))
        result = await work()
        kept = await self._put(f"steps/{name}", result)
        expires = datetime.fromtimestamp(self.job.expires, UTC)
        content: Changes = {"result": kept.text, "result_blob": kept.blob, "expires_at": expires}
        await self._write(
            lambda job: job.advanced(self._clock.wall(), LEASE_S), [Create(path, content)]
        )
        return result

    async def keep(self) -> None:
        """Renew the lease until it is lost, which ends this with ``LeaseLost``."""
        while True:
            await self._clock.sleep(RENEW_S)
            await self._write(lambda job: job.renewed(self._clock.wall(), LEASE_S))

    async def succeed(self, result: JsonValue) -> None:
        """End the job with its result. Raises ``LeaseLost``."""
        payload_blob = self.job.payload_blob
        kept = await self._put("result", result)
        await self._write(lambda job: job.succeeded(self._clock.wall(), kept.text, kept.blob))
        await self._drop(payload_blob)

    async def fail(self, error: CodeexError) -> None:
        """End the job with an error. Raises ``LeaseLost``."""
        payload_blob = self.job.payload_blob
        await self._write(lambda job: job.failed(self._clock.wall(), error))
        await self._drop(payload_blob)

    async def give_back(self, delay_s: float, *, counted: bool) -> None:
        """Put the job back in the queue for ``delay_s`` from now. Raises ``LeaseLost``."""
        await self._write(lambda job: job.requeued(self._clock.wall(), delay_s, counted=counted))

    async def _put(self, name: str, value: JsonValue) -> Kept:
        # The claim is in the name: a run that is late overwrites nothing of the run after it.
        where = folder(self.job.uid, self.job.id)
        return await self._store.contents.put(where, f"{name}-{self._claim}", value)

    async def _drop(self, blob: str) -> None:
        try:
            await self._store.contents.drop(blob)
        except StoreUnavailable:  # the bucket's own rule takes it later
            return

    async def _write(self, change: Callable[[Job], Job], beside: Sequence[Write] = ()) -> None:
        """Write, through faults of the store, for as long as the lease lasts."""
        async with self._lock:
            while True:
                began = self._clock.monotonic()
                wanted = change(self.job)
                try:
                    self.job = await self._store.write(wanted, beside)
                    self._held_until = began + LEASE_S
                    return
                except PreconditionFailed:
                    if await self._caught_up(wanted, beside):
                        return
                except StoreUnavailable:
                    await self._wait()

    async def _caught_up(self, wanted: Job, beside: Sequence[Write]) -> bool:
        """Read what stands there now: whether it is this very write, made before its answer was
        lost. Raises ``LeaseLost`` where the job is not this run's."""
        while True:
            try:
                found = await self._store.again(self.job)
                made = found is not None and await self._made(found, wanted, beside)
                break
            except StoreUnavailable:
                await self._wait()
        if found is not None and made:
            self.job = found
            return True
        if found is None or not found.held_by(self._claim):
            raise LeaseLost(f"{self.job.path} is not held by this run any more")
        self.job = found
        return False

    async def _made(self, found: Job, wanted: Job, beside: Sequence[Write]) -> bool:
        if beside:
            there = await self._store.documents.get_many([write.path for write in beside])
            return found.held_by(self._claim) and all(one is not None for one in there)
        if wanted.state.finished:
            return found.state is wanted.state and found.claim == self._claim
        return found.to_data() == wanted.to_data()

    async def _wait(self) -> None:
        if self._clock.monotonic() + RETRY_S >= self._held_until:
            raise LeaseLost("the store could not be reached for as long as the lease lasted")
        await self._clock.sleep(RETRY_S)


def _kept(document: Document) -> Kept:
    return Kept(str(document.data.get("result", "")), str(document.data.get("result_blob", "")))
