"""The embedded store: SQLite behind the document store, for any processes of one machine.

Writes are carried out by the rules of ``applying.py`` under SQLite's write lock; queries are judged
by ``searching.py``. Reads have a connection of their own, so they never wait for writers.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from shared.clock import Clock, SystemClock
from shared.storage.applying import apply
from shared.storage.backend import Contended, Unit
from shared.storage.document import EXPIRES_AT, Document, Neighbour, microseconds, moment
from shared.storage.errors import AlreadyExists, Missing, VersionConflict
from shared.storage.paths import collection_id
from shared.storage.queries import Near, Search
from shared.storage.searching import find
from shared.storage.sqlite_codec import dumps, loads
from shared.storage.sqlite_file import identity, open_file, open_memory
from shared.storage.sqlite_lane import InlineLane, Lane, ThreadLane
from shared.storage.sqlite_rows import candidates, read_documents
from shared.storage.sqlite_vectors import Vectors
from shared.storage.values import Data, check_size
from shared.storage.writes import Plan

FILE = "store.db"
OPEN_TIMEOUT_S = 10.0
State = tuple[tuple[str, int] | None, ...]
"""What a read saw: paths and versions."""
Seen = tuple[Callable[[sqlite3.Connection], State], State]
"""How to look again, and what was seen."""
SWEEP_EVERY_US = 60_000_000
SWEEP_MOST = 500  # documents in one go, so that no writer waits long


def expiring_collections() -> frozenset[str]:
    """Ids of the collections whose documents go when their ``expires_at`` has passed."""
    return frozenset(json.loads(Path(__file__).with_name("expiring.json").read_text("utf-8")))


def _lane(path: Path, name: str) -> Lane:
    return ThreadLane(lambda: open_file(path), name, lambda: identity(path))


class SqliteBackend:
    """The store under ``data_dir`` (None: in memory, in the caller's thread)."""

    def __init__(
        self,
        data_dir: Path | None,
        *,
        expiring: Collection[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._expiring = expiring_collections() if expiring is None else frozenset(expiring)
        self._swept = 0
        self._vectors = Vectors()
        if data_dir is None:
            self._writer: Lane = InlineLane(open_memory)
            self._reader: Lane = self._writer
        else:
            path = data_dir / FILE
            self._writer = _lane(path, "store-writer")
            self._reader = _lane(path, "store-reader")

    async def open(self) -> None:
        """Open the file."""
        await self._writer.run(lambda connection: None, OPEN_TIMEOUT_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()
        await self._writer.close()

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        """Found by their primary key."""
        return await self._reader.run(
            lambda connection: read_documents(connection, paths), timeout_s
        )

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """One transaction of SQLite."""
        return await self._writer.run(
            lambda connection: self._commit(connection, plans, ()), timeout_s
        )

    async def query(self, search: Search, timeout_s: float) -> list[Document]:
        """Reads the collection as far as SQLite cannot rule documents out."""
        return await self._reader.run(
            lambda connection: find(search, candidates(connection, search)), timeout_s
        )

    async def count(self, search: Search, timeout_s: float) -> int:
        """As ``query``."""
        return len(await self.query(search, timeout_s))

    async def nearest(self, search: Search, near: Near, timeout_s: float) -> list[Neighbour]:
        """Measures every vector of the collection."""
        return await self._reader.run(
            lambda connection: self._vectors.nearest(connection, search, near), timeout_s
        )

    async def begin(self, timeout_s: float, after: Unit | None) -> Unit:
        """Nothing is held: what was read is looked at again at the commit."""
        return SqliteUnit(self, timeout_s)

    async def sweep(self, timeout_s: float = OPEN_TIMEOUT_S) -> int:
        """Delete up to 500 expired documents; how many. Commits do this once a minute."""
        return await self._writer.run(self._sweep, timeout_s)

    async def commit_if_unchanged(
        self, plans: Sequence[Plan], seen: Sequence[Seen], timeout_s: float
    ) -> None:
        """A commit that raises ``Contended`` where a read would now see something else."""
        await self._writer.run(lambda connection: self._commit(connection, plans, seen), timeout_s)

    def _commit(
        self, connection: sqlite3.Connection, plans: Sequence[Plan], seen: Sequence[Seen]
    ) -> list[int]:
        connection.execute("BEGIN IMMEDIATE")
        if any(look(connection) != state for look, state in seen):
            raise Contended
        now = int(self._clock.wall() * 1_000_000)
        (last,) = connection.execute("SELECT last FROM clock").fetchone()
        version = max(now, last + 1)
        time = moment(now)
        versions = [self._write(connection, plan, version, time) for plan in plans]
        if version in versions:
            connection.execute("UPDATE clock SET last = ?", (version,))
        connection.execute("COMMIT")
        if not 0 <= now - self._swept < SWEEP_EVERY_US:
            self._swept = now
            self._sweep(connection)
        return versions

    def _write(
        self, connection: sqlite3.Connection, plan: Plan, version: int, now: datetime
    ) -> int:
        """Carry out one plan; the document's version, 0 where it is deleted."""
        row = connection.execute(
            "SELECT data, version FROM documents WHERE path = ?", (plan.path,)
        ).fetchone()
        check_precondition(plan, None if row is None else row[1])
        if plan.data is None:
            connection.execute("DELETE FROM documents WHERE path = ?", (plan.path,))
            return 0
        data = apply(plan, None if row is None else loads(row[0]), now)
        text = dumps(data)
        if row is not None and row[0] == text:
            return int(row[1])
        check_size(plan.path, data)
        parent = plan.path.rpartition("/")[0]
        collection = collection_id(plan.path)
        expires = self._expires(collection, data)
        connection.execute(
            "INSERT INTO documents (path, parent, collection, data, created, version, expires)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET"
            " data = excluded.data, version = excluded.version, expires = excluded.expires",
            (plan.path, parent, collection, text, version, version, expires),
        )
        return version

    def _expires(self, collection: str, data: Data) -> int | None:
        expires = data.get(EXPIRES_AT) if collection in self._expiring else None
        return microseconds(expires) if isinstance(expires, datetime) else None

    def _sweep(self, connection: sqlite3.Connection) -> int:
        return connection.execute(
            "DELETE FROM documents WHERE rowid IN"
            " (SELECT rowid FROM documents WHERE expires <= ? LIMIT ?)",
            (int(self._clock.wall() * 1_000_000), SWEEP_MOST),
        ).rowcount


class SqliteUnit:
    """One attempt at a transaction: remembers what was seen, and commits only if it still is so."""

    def __init__(self, backend: SqliteBackend, timeout_s: float) -> None:
        self._backend = backend
        self._timeout_s = timeout_s
        self._seen: list[Seen] = []

    async def read(self, paths: Sequence[str]) -> list[Document | None]:
        """As a read outside."""
        found = await self._backend.read(paths, self._timeout_s)
        self._seen.append((lambda at: _state(read_documents(at, paths)), _state(found)))
        return found

    async def query(self, search: Search) -> list[Document]:
        """As a query outside."""
        found = await self._backend.query(search, self._timeout_s)
        self._seen.append((lambda at: _state(find(search, candidates(at, search))), _state(found)))
        return found

    async def commit(self, plans: Sequence[Plan]) -> None:
        """Looks again at everything seen, under the write lock."""
        await self._backend.commit_if_unchanged(plans, self._seen, self._timeout_s)

    async def abandon(self) -> None:
        """Nothing is held."""


def check_precondition(plan: Plan, version: int | None) -> None:
    """Raise where the document (None: there is none) is not as ``plan`` demands."""
    if plan.version is not None:
        if version != plan.version:
            raise VersionConflict(f"{plan.path}: the document is at another version", plan.path)
    elif plan.exists is True and version is None:
        raise Missing(f"{plan.path}: there is no such document", plan.path)
    elif plan.exists is False and version is not None:
        raise AlreadyExists(f"{plan.path}: the document exists already", plan.path)


def _state(found: Sequence[Document | None]) -> State:
    return tuple(None if each is None else (each.path, each.version) for each in found)
