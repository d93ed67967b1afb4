"""The document store: the one door to whatever is kept between requests.

Paths are ``collection/id/collection/id``. Every call ends in a result or in one of ``errors.py``,
or in ``shared.errors.StoreUnavailable`` when ``timeout_s`` is over or the database does not answer;
a write that ended so may have been made or not. Hot documents are changed by ``change`` (compare
and set), ``create`` as a claim, or increments; a transaction on one waits seconds for its lock.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from shared.clock import Clock, SystemClock
from shared.storage.backend import Backend, Contended
from shared.storage.budget import Within
from shared.storage.document import Document, Neighbour
from shared.storage.errors import PreconditionFailed, VersionConflict
from shared.storage.operations import Operations
from shared.storage.paths import split_document
from shared.storage.queries import Measure, Query, near, search
from shared.storage.transactions import Transaction
from shared.storage.values import Changes, Vector
from shared.storage.writes import Create, Delete, Plan, Set, Update, Write, plan_all

T = TypeVar("T")
TIMEOUT_S = 5.0
ATTEMPTS = 5
# Waits between attempts, in seconds: doubled each time, and scattered so that two who met part.
FIRST_WAIT_S = 0.01
LONGEST_WAIT_S = 0.5


class DocumentStore:
    """Checks what is asked, counts it, and hands it to the database behind."""

    __slots__ = ("_clock", "_random", "backend", "operations")

    def __init__(
        self,
        backend: Backend,
        *,
        operations: Operations | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.backend = backend
        self._clock: Clock = clock or SystemClock()
        self._random = rng or random.Random()
        self.operations = operations or Operations()

    async def open(self) -> None:
        """Make connections now, so that the first call does not wait for them."""
        await self.backend.open()

    async def close(self) -> None:
        """Let connections go."""
        await self.backend.close()

    async def get(self, path: str, *, timeout_s: float = TIMEOUT_S) -> Document | None:
        """The document, or None."""
        return (await self.get_many([path], timeout_s=timeout_s))[0]

    async def get_many(
        self, paths: Sequence[str], *, timeout_s: float = TIMEOUT_S
    ) -> list[Document | None]:
        """Documents in the order of ``paths``, all at one moment; None for each that is not."""
        for path in paths:
            split_document(path)
        if not paths:
            return []
        found = await self.backend.read(paths, timeout_s)
        self.operations.read(paths)
        return found

    async def set(
        self,
        path: str,
        data: Changes,
        *,
        merge: bool = False,
        if_version: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> int:
        """Write the document (with ``merge``: the fields named). Its version.

        Raises ``VersionConflict``.
        """
        write = Set(path, data, merge, if_version)
        return (await self.commit([write], timeout_s=timeout_s))[0]

    async def create(self, path: str, data: Changes, *, timeout_s: float = TIMEOUT_S) -> int:
        """Write a new document. Its version. Raises ``AlreadyExists``."""
        return (await self.commit([Create(path, data)], timeout_s=timeout_s))[0]

    async def update(
        self,
        path: str,
        changes: Changes,
        *,
        if_version: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> int:
        """Change fields by their paths. The version. Raises ``Missing``, ``VersionConflict``."""
        write = Update(path, changes, if_version)
        return (await self.commit([write], timeout_s=timeout_s))[0]

    async def delete(
        self, path: str, *, if_version: int | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Take the document away, or nothing where there is none. Raises ``VersionConflict``."""
        await self.commit([Delete(path, if_version)], timeout_s=timeout_s)

    async def commit(self, writes: Sequence[Write], *, timeout_s: float = TIMEOUT_S) -> list[int]:
        """All of up to 500 writes or none; the version of each document (0: deleted).

        Raises ``AlreadyExists``, ``Missing``, ``VersionConflict``.
        """
        plans = plan_all(writes)
        if not plans:
            return []
        try:
            versions = await self.backend.commit(plans, timeout_s)
        except PreconditionFailed:
            self.operations.read(plan.path for plan in plans)
            raise
        self._wrote(plans)
        return versions

    async def query(self, query: Query, *, timeout_s: float = TIMEOUT_S) -> list[Document]:
        """The documents found, in order."""
        found = await self.backend.query(search(query), timeout_s)
        self.operations.queried(_collection(query), (each.path for each in found))
        return found

    async def count(self, query: Query, *, timeout_s: float = TIMEOUT_S) -> int:
        """How many documents ``query`` would return."""
        number = await self.backend.count(search(query), timeout_s)
        self.operations.counted(_collection(query), number)
        return number

    async def nearest(
        self,
        query: Query,
        field: str,
        vector: Vector,
        limit: int,
        *,
        measure: Measure = Measure.COSINE,
        threshold: float | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> list[Neighbour]:
        """The up to ``limit`` (1,000) documents whose ``field`` is nearest to ``vector``.

        ``query`` gives collection, filters and selection. Documents without a vector of the same
        dimensions there are not found. ``threshold``: the largest distance, at DOT_PRODUCT the
        smallest product.
        """
        asked = near(query, field, vector, limit, measure, threshold)
        found = await self.backend.nearest(search(query), asked, timeout_s)
        self.operations.queried(_collection(query), (each.document.path for each in found))
        return found

    async def change(
        self,
        path: str,
        decide: Callable[[Document | None], Changes | None],
        *,
        attempts: int = ATTEMPTS,
        timeout_s: float = TIMEOUT_S,
    ) -> int | None:
        """Read a document, let ``decide`` say its whole new content, and write it if unchanged.

        ``decide`` is called again for every writer that came first; its None leaves the document
        and ends the call with None, else the new version is returned. A content equal to the old
        keeps the version, so two can both have "won" with equal contents: a claim names its holder.
        Raises ``VersionConflict`` after ``attempts``; ``timeout_s`` bounds the whole.
        """
        async with Within(timeout_s):
            for attempt in range(attempts):
                if attempt:
                    await self._wait(attempt)
                document = await self.get(path, timeout_s=timeout_s)
                content = decide(document)
                if content is None:
                    return None
                try:
                    if document is None:
                        return await self.create(path, content, timeout_s=timeout_s)
                    return await self.set(
                        path, content, if_version=document.version, timeout_s=timeout_s
                    )
                except PreconditionFailed:
                    continue
        raise VersionConflict(f"{path}: others came first {attempts} times", path)

    async def transaction(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        attempts: int = ATTEMPTS,
        timeout_s: float = TIMEOUT_S,
    ) -> T:
        """Run ``work``: reads first, then writes, which are made all at once if no read changed.

        ``work`` may run up to ``attempts`` times and must have no other effect. Raises what it
        raises, ``PreconditionFailed`` as ``commit`` does, and ``VersionConflict`` when others came
        in between at every attempt. ``timeout_s`` bounds the whole.
        """
        async with Within(timeout_s):
            unit = None
            for attempt in range(attempts):
                if attempt:
                    await self._wait(attempt)
                unit = await self.backend.begin(timeout_s, unit)
                transaction = Transaction(unit, self.operations)
                try:
                    result = await work(transaction)
                    self._wrote(await transaction.finish())
                except Contended:
                    continue
                except BaseException:
                    await unit.abandon()
                    raise
                return result
        raise VersionConflict(f"a transaction was contended {attempts} times")

    def _wrote(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            self.operations.wrote(plan.path, deleted=plan.data is None)

    async def _wait(self, attempt: int) -> None:
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
        await self._clock.sleep(longest * self._random.random())


def _collection(query: Query) -> str:
    return query.collection.rsplit("/", 1)[-1]
