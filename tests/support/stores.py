"""Document stores for tests: both databases, and one in memory for virtual time."""

from __future__ import annotations

import uuid
from pathlib import Path

from shared.clock import Clock
from shared.storage.documents import DocumentStore
from shared.storage.firestore_backend import FirestoreBackend
from shared.storage.sqlite_backend import SqliteBackend


def memory_store(clock: Clock | None = None) -> DocumentStore:
    """The embedded store without file or thread: at home on any loop, virtual time too.

    It ends with ``close``.
    """
    return DocumentStore(SqliteBackend(None, clock=clock), clock=clock)


def sqlite_store(folder: Path, clock: Clock | None = None) -> DocumentStore:
    """The embedded store in ``folder``."""
    return DocumentStore(SqliteBackend(folder, clock=clock), clock=clock)


def firestore_store(emulator_host: str, project: str | None = None) -> DocumentStore:
    """Firestore, on a project nobody else uses unless one is named."""
    name = project or f"demo-{uuid.uuid4().hex[:12]}"
    return DocumentStore(FirestoreBackend(name, emulator_host=emulator_host))
