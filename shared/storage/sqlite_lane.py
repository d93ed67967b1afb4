"""Where the work on a SQLite file is done: one thread with one connection, in order of arrival."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from shared.errors import StoreUnavailable
from shared.storage.sqlite_file import set_patience

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Lane(Protocol):
    """Runs work on a connection of its own."""

    async def run(self, work: Work[T], timeout_s: float) -> T:
        """The result of ``work``. Raises ``StoreUnavailable`` past ``timeout_s`` seconds."""
        ...

    async def close(self) -> None:
        """Close the connection; the next work opens another."""
        ...


class ThreadLane:
    """A thread, so that the loop never waits for a disk or for another process' lock.

    ``identity`` says which file lies there now: one that was deleted or replaced is left, so that
    nothing is written into a file that nobody will ever open again.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        name: str,
        identity: Callable[[], object],
    ) -> None:
        self._connect = connect
        self._name = name
        self._identity = identity
        self._opened: object = None
        self._executor: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Work[T], timeout_s: float) -> T:
        """Work that has begun when its time ends goes on unseen."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                return await loop.run_in_executor(self._executor, self._do, work, timeout_s)
        except TimeoutError:
            raise too_slow(timeout_s) from None

    async def close(self) -> None:
        """Waits for the work that was handed in."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.get_running_loop().run_in_executor(executor, self._disconnect)
            executor.shutdown(wait=True)

    def _do(self, work: Work[T], timeout_s: float) -> T:
        try:
            if self._connection is not None and self._identity() != self._opened:
                self._disconnect()
            if self._connection is None:
                self._connection = self._connect()
                self._opened = self._identity()
            return perform(self._connection, work, timeout_s)
        except sqlite3.DatabaseError as error:
            # A file that was replaced or damaged is looked at afresh next time.
            if getattr(error, "sqlite_errorname", "") != "SQLITE_BUSY":
                self._disconnect()
            raise unavailable(error) from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class InlineLane:
    """The caller's own thread: for a database in memory, and for tests on virtual time.

    Others get their turn before each piece of work, as they would with a real database.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Work[T], timeout_s: float) -> T:
        """The result of ``work``."""
        await asyncio.sleep(0)
        if self._connection is None:
            self._connection = self._connect()
        try:
            return perform(self._connection, work, timeout_s)
        except sqlite3.DatabaseError as error:
            raise unavailable(error) from error

    async def close(self) -> None:
        """What is in memory alone is gone with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def perform(connection: sqlite3.Connection, work: Work[T], timeout_s: float) -> T:
    """Run ``work``, waiting up to ``timeout_s`` for locks; what it leaves open is rolled back."""
    set_patience(connection, timeout_s)
    try:
        return work(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def too_slow(timeout_s: float) -> StoreUnavailable:
    """The store's time is over."""
    return StoreUnavailable(f"the store did not answer within {timeout_s:g} s", retry_after=1.0)


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """SQLite could not: a lock held too long, a full disk, a damaged file."""
    return StoreUnavailable(f"the embedded store failed: {error}", retry_after=1.0)
