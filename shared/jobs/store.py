"""Jobs in the document store: claims, moves and counts, each safe against whoever comes between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from shared.clock import Clock
from shared.jobs.content import Contents
from shared.jobs.job import BULK, INTERACTIVE, Job, State, job_path, jobs_path
from shared.messages import JsonObject
from shared.storage.blobs import BlobStore
from shared.storage.document import Document, live
from shared.storage.documents import ATTEMPTS, DocumentStore
from shared.storage.errors import InvalidArgument, PreconditionFailed, VersionConflict
from shared.storage.queries import Direction, Filter, Order, Query
from shared.storage.writes import Set, Write

GROUP = "jobs"
OVERVIEW_ROWS = 50
# A worker looks at so many of the best jobs first, then at so many of those that may run, and at
# pages only where others were quicker with all of these.
FIRST, READY, PAGE, PAGES = 3, 8, 25, 20
# A job may run this much before its time: tickets come early where clocks differ.
EARLY_S = 1.0
_BEST_FIRST = (Order("priority", Direction.DOWN), Order("created"))
_SEEN = ("priority", "created", "not_before")
_ID_BITS = 96


class JobStore:
    """``users/{uid}/jobs/{id}``. Every call can raise ``StoreUnavailable``."""

    __slots__ = ("_clock", "_rng", "contents", "documents")

    def __init__(
        self, documents: DocumentStore, blobs: BlobStore, clock: Clock, rng: random.Random
    ) -> None:
        self.documents = documents
        self.contents = Contents(blobs)
        self._clock = clock
        self._rng = rng

    def new_name(self, prefix: str) -> str:
        """A name nobody has: of a job, or of a run."""
        return f"{prefix}_{self._rng.getrandbits(_ID_BITS):024x}"

    async def create(self, job: Job) -> Job:
        """Keep a new job."""
        return replace(job, version=await self.documents.create(job.path, job.to_data()))

    async def get(self, uid: str, identifier: str) -> Job | None:
        """A user's job that has not expired, or None."""
        try:
            document = await self.documents.get(job_path(uid, identifier))
        except InvalidArgument:  # no id a document could have
            return None
        return self._job(document)

    async def again(self, job: Job) -> Job | None:
        """The same job as it is now."""
        return self._job(await self.documents.get(job.path))

    async def write(self, job: Job, beside: Sequence[Write] = ()) -> Job:
        """Write a job over the version it was made from, with ``beside`` or not at all.

        Raises ``PreconditionFailed``. The writes beside must not say what ``job`` may not.
        """
        own = Set(job.path, job.to_data(), if_version=job.version)
        versions = await self.documents.commit([own, *beside])
        return replace(job, version=versions[0])

    async def move(self, job: Job, decide: Callable[[Job], Job | None]) -> Job | None:
        """Read the job and write what ``decide`` makes of it, again for every writer that came
        first. None: it is gone, or ``decide`` said so. Raises ``VersionConflict``."""
        for _ in range(ATTEMPTS):
            found = await self.again(job)
            moved = None if found is None else decide(found)
            if moved is None:
                return None
            try:
                return await self.write(moved)
            except PreconditionFailed:
                await self._clock.sleep(0.05 * self._rng.random())
        raise VersionConflict(f"{job.path}: others came first {ATTEMPTS} times", job.path)

    async def page(self, uid: str, limit: int, after: Job | None) -> tuple[list[Job], bool]:
        """Up to ``limit`` jobs of a user, newest first, and whether there are more."""
        order = (Order("created", Direction.DOWN),)
        start = None if after is None else (after.created, after.path)
        query = Query(jobs_path(uid), order=order, limit=limit + 1, start_after=start)
        found = await self.documents.query(query)
        jobs = [job for document in found[:limit] if (job := self._job(document)) is not None]
        return jobs, len(found) > limit and bool(jobs)

    async def claim(self, queue: str, lease_s: float) -> Job | None:
        """Take the best job of a queue that may run now, or None where there is none.

        Mostly that is one of the first. Where those are held back, it is the best of the few that
        could have run for longest: a claim reads a handful of documents however many wait.
        """
        mine = (Filter("state", "==", State.QUEUED.value), Filter("queue", "==", queue))
        best = Query(GROUP, mine, _BEST_FIRST, limit=FIRST, select=_SEEN, group=True)
        first = await self.documents.query(best)
        claimed = await self._claim_first(first, lease_s)
        if claimed is not None or len(first) < FIRST:
            return claimed
        over = Filter("not_before", "<=", self._clock.wall() + EARLY_S)
        ready = replace(best, filters=(*mine, over), order=(Order("not_before"),), limit=READY)
        found = await self.documents.query(ready)
        claimed = await self._claim_first(sorted(found, key=_rank), lease_s)
        if claimed is not None or len(found) < READY:
            return claimed
        return await self._claim_paging(replace(best, limit=PAGE), first[-1], lease_s)

    async def _claim_paging(self, best: Query, place: Document, lease_s: float) -> Job | None:
        """The first to be had behind ``place``."""
        for _ in range(PAGES):
            found = await self.documents.query(replace(best, start_after=place))
            claimed = await self._claim_first(found, lease_s)
            if claimed is not None or len(found) < PAGE:
                return claimed
            place = found[-1]
        return None

    async def _claim_first(self, found: Sequence[Document], lease_s: float) -> Job | None:
        for document in found:
            if _ready_at(document) <= self._clock.wall() + EARLY_S:
                claimed = await self._claim(document, lease_s)
                if claimed is not None:
                    return claimed
        return None

    async def _claim(self, document: Document, lease_s: float) -> Job | None:
        job = self._job(await self.documents.get(document.path))
        now = self._clock.wall()
        if job is None or job.state is not State.QUEUED or job.not_before > now + EARLY_S:
            return None
        try:
            return await self.write(job.claimed(self.new_name("run"), now, lease_s))
        except PreconditionFailed:  # another worker's, or cancelled
            return None

    async def due(self, state: State, limit: int) -> list[Job]:
        """Jobs of a state whose time for a look has passed, the longest first."""
        now = self._clock.wall()
        query = Query(
            GROUP,
            (Filter("state", "==", state.value), Filter("due", "<=", now)),
            (Order("due"),),
            limit=limit,
            group=True,
        )
        found = await self.documents.query(query)
        return [Job.from_data(document.data, document.version) for document in found]

    async def ahead(self, job: Job) -> int:
        """How many queued jobs a worker would take before this one."""
        mine = (Filter("state", "==", State.QUEUED.value), Filter("queue", "==", job.queue))
        above = Query(
            GROUP, (*mine, Filter("priority", ">", job.priority)), _BEST_FIRST, group=True
        )
        same = (Filter("priority", "==", job.priority), Filter("created", "<", job.created))
        before = Query(GROUP, (*mine, *same), (Order("created"),), group=True)
        return await self.documents.count(above) + await self.documents.count(before)

    async def overview(self) -> JsonObject:
        """Waiting and running jobs of all users: how many of each state, and the first 50 without
        a word of what they hold or whose they are."""
        counts: JsonObject = {}
        rows: list[JsonObject] = []
        for state in (State.RUNNING, State.QUEUED):
            number = 0
            for queue in (INTERACTIVE, BULK):
                query = Query(
                    GROUP,
                    (Filter("state", "==", state.value), Filter("queue", "==", queue)),
                    _BEST_FIRST,
                    group=True,
                )
                number += await self.documents.count(query)
                if len(rows) < OVERVIEW_ROWS:
                    rows += await self._rows(replace(query, limit=OVERVIEW_ROWS - len(rows)))
            counts[state.value] = number
        return {"object": "list", "counts": counts, "data": [*rows]}

    async def _rows(self, query: Query) -> list[JsonObject]:
        found = await self.documents.query(query)
        rows = []
        for position, document in enumerate(found):
            job = Job.from_data(document.data, document.version)
            waits = {"position": position} if job.state is State.QUEUED else {}
            rows.append({**job.to_json(), "queue": job.queue, "priority": job.priority, **waits})
        return rows

    def _job(self, document: Document | None) -> Job | None:
        if document is None or not live(document, self._clock.wall()):
            return None
        return Job.from_data(document.data, document.version)


def _ready_at(document: Document) -> float:
    return _number(document, "not_before")


def _rank(document: Document) -> tuple[float, float]:
    """The best first."""
    return -_number(document, "priority"), _number(document, "created")


def _number(document: Document, field: str) -> float:
    found = document.data.get(field)
    return float(found) if isinstance(found, int | float) else 0.0
