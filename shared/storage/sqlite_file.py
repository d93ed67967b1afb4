"""The SQLite file: how it is opened, and what lies in it.

WAL mode with ``synchronous=NORMAL``: a commit is in the file before it is answered for, so killing
any process loses nothing; a power cut may lose the last commits, never the file. Several processes
use it at once; one writes at a time.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT = 1  # of the tables below, kept as SQLite's user_version
OPEN_PATIENCE_S = 10.0
_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS documents (
        path TEXT PRIMARY KEY,
        parent TEXT NOT NULL,       -- path of the collection
        collection TEXT NOT NULL,   -- its id
        data TEXT NOT NULL,         -- sqlite_codec.py
        created INTEGER NOT NULL,   -- microseconds since 1970
        version INTEGER NOT NULL,
        expires INTEGER             -- microseconds; only where the collection expires
    )
    """,
    "CREATE INDEX IF NOT EXISTS by_parent ON documents (parent)",
    "CREATE INDEX IF NOT EXISTS by_collection ON documents (collection)",
    """
    CREATE INDEX IF NOT EXISTS by_expiry ON documents (expires) WHERE expires IS NOT NULL
    """,
    # The last version given, so that versions grow across processes and clocks set back.
    "CREATE TABLE IF NOT EXISTS clock (last INTEGER NOT NULL)",
    "INSERT INTO clock (last) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM clock)",
)


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the store's file, which is made where there is none.

    Raises ``sqlite3.DatabaseError``, also for a file of a newer format.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes that make or recover the file at once get in each other's way.
        with _alone(path.with_suffix(".lock")):
            return _prepared(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
    except OSError as error:
        raise sqlite3.OperationalError(f"{path}: {error.strerror}") from error


def identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at ``path`` now; None: none does (about 2 us)."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_memory() -> sqlite3.Connection:
    """A connection to a store of its own that ends with it."""
    return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def set_patience(connection: sqlite3.Connection, seconds: float) -> None:
    """How long to wait for the locks of others."""
    connection.execute(f"PRAGMA busy_timeout = {max(1, int(seconds * 1_000))}")


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        set_patience(connection, OPEN_PATIENCE_S)
        connection.execute("PRAGMA journal_mode = WAL").close()
        connection.execute("PRAGMA synchronous = NORMAL")
        found = _format(connection)
        if found > FORMAT:
            raise sqlite3.DatabaseError(f"the store's format {found} is newer than {FORMAT}")
        # A file that is ready is opened without the write lock, which another may hold for long.
        if found < FORMAT:
            _make_tables(connection)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _format(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
