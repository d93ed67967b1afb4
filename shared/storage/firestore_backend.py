"""Firestore behind the document store.

One connection, made on first use in the instance's one loop. Reads are made again after UNAVAILABLE
and ABORTED; writes after ABORTED, which says that nothing was written, and after UNAVAILABLE only
where doing them twice is doing them once. All of it within the call's time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from shared.clock import Clock, SystemClock
from shared.errors import StoreUnavailable
from shared.storage import firestore_calls as calls
from shared.storage.backend import Contended, Unit
from shared.storage.document import Document, Neighbour
from shared.storage.firestore_connection import Connection, connect
from shared.storage.firestore_errors import (
    SAFE,
    TRANSIENT,
    code_of,
    is_contended,
    translate,
)
from shared.storage.queries import Near, Search
from shared.storage.writes import Plan

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

T = TypeVar("T")
TRIES = 4
FIRST_WAIT_S = 0.02


class FirestoreBackend:
    """One database of one project.

    ``emulator_host`` is FIRESTORE_EMULATOR_HOST, ``host:port``; ``credentials`` None are those of
    the environment, as Google's clients find them. Calls spend their time on Firestore
    alone: the first one also loads the library, which ``open`` does beforehand.
    """

    def __init__(
        self,
        project: str,
        *,
        database: str = "(default)",
        emulator_host: str | None = None,
        credentials: Credentials | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._database = f"projects/{project}/databases/{database}"
        self._emulator_host = emulator_host
        self._credentials = credentials
        self._clock: Clock = clock or SystemClock()
        self._random = rng or random.Random()
        self._opening: asyncio.Task[Connection] | None = None

    async def open(self) -> None:
        """Load the library and make the channel. Raises ``StoreUnavailable``."""
        await self.connection()

    async def close(self) -> None:
        """Close the channel; calls under way end with ``StoreUnavailable``."""
        opening, self._opening = self._opening, None
        if opening is not None:
            with suppress(StoreUnavailable):
                await (await opening).channel.close(None)

    async def connection(self) -> Connection:
        """The one connection. A caller that gives up does not stop its making."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.create_task(
                connect(self._database, self._emulator_host, self._credentials)
            )
        return await asyncio.shield(self._opening)

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        """One document by GetDocument, several by BatchGetDocuments."""
        connection = await self.connection()

        async def one(timeout: float) -> list[Document | None]:
            return [await calls.get_document(connection, paths[0], timeout)]

        async def several(timeout: float) -> list[Document | None]:
            return await calls.get_documents(connection, paths, timeout)

        return await self._tried(one if len(paths) == 1 else several, timeout_s)

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """One Commit."""
        connection = await self.connection()
        again = TRANSIENT if all(plan.repeatable for plan in plans) else SAFE

        async def call(timeout: float) -> list[int]:
            return await calls.commit(connection, plans, timeout)

        return await self._tried(call, timeout_s, again, plans)

    async def query(self, search: Search, timeout_s: float) -> list[Document]:
        """One RunQuery."""
        connection = await self.connection()
        return await self._tried(
            lambda timeout: calls.run_query(connection, search, timeout), timeout_s
        )

    async def count(self, search: Search, timeout_s: float) -> int:
        """One RunAggregationQuery."""
        connection = await self.connection()
        return await self._tried(
            lambda timeout: calls.run_count(connection, search, timeout), timeout_s
        )

    async def nearest(self, search: Search, near: Near, timeout_s: float) -> list[Neighbour]:
        """One RunQuery; it needs a vector index on the field (emulator: none)."""
        connection = await self.connection()
        return await self._tried(
            lambda timeout: calls.run_nearest(connection, search, near, timeout), timeout_s
        )

    async def begin(self, timeout_s: float, after: Unit | None) -> Unit:
        """One BeginTransaction."""
        connection = await self.connection()
        before = after.id if isinstance(after, FirestoreUnit) else b""
        id = await self._tried(lambda timeout: calls.begin(connection, timeout, before), timeout_s)
        return FirestoreUnit(connection, id, timeout_s)

    async def _tried(
        self,
        call: Callable[[float], Awaitable[T]],
        timeout_s: float,
        again: frozenset[str] = TRANSIENT,
        plans: Sequence[Plan] = (),
    ) -> T:
        """``call`` with the time left, repeated after the codes in ``again``."""
        from grpc.aio import AioRpcError

        end = self._clock.monotonic() + timeout_s
        left, wait = timeout_s, FIRST_WAIT_S
        tries = 1
        while True:
            try:
                return await call(left)
            except AioRpcError as error:
                scattered = wait * (0.5 + self._random.random())
                left = end - self._clock.monotonic() - scattered
                if tries == TRIES or code_of(error) not in again or left <= 0:
                    raise translate(error, plans) from error
            await self._clock.sleep(scattered)
            tries, wait = tries + 1, wait * 2


class FirestoreUnit:
    """One attempt at a transaction."""

    def __init__(self, connection: Connection, id: bytes, timeout_s: float) -> None:
        self._connection = connection
        self.id = id
        self._timeout_s = timeout_s

    async def read(self, paths: Sequence[str]) -> list[Document | None]:
        """One BatchGetDocuments."""
        return await self._do(
            lambda: calls.get_documents(self._connection, paths, self._timeout_s, self.id)
        )

    async def query(self, search: Search) -> list[Document]:
        """One RunQuery."""
        return await self._do(
            lambda: calls.run_query(self._connection, search, self._timeout_s, None, self.id)
        )

    async def commit(self, plans: Sequence[Plan]) -> None:
        """One Commit."""
        await self._do(
            lambda: calls.commit(self._connection, plans, self._timeout_s, self.id), plans
        )

    async def abandon(self) -> None:
        """One Rollback; where it fails the database gives up on the transaction by itself."""
        from grpc.aio import AioRpcError

        try:
            await calls.rollback(self._connection, self.id, self._timeout_s)
        except AioRpcError:
            return

    async def _do(self, call: Callable[[], Awaitable[T]], plans: Sequence[Plan] = ()) -> T:
        from grpc.aio import AioRpcError

        try:
            return await call()
        except AioRpcError as error:
            if is_contended(error):
                raise Contended from error
            raise translate(error, plans) from error
