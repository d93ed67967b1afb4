"""What a database has to do to stand behind ``DocumentStore``. Two do: Firestore and SQLite.

Everything that arrives here is checked; what leaves is the port's own types. ``timeout_s`` bounds
each call; past it, and where the database does not answer, it is ``StoreUnavailable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.storage.document import Document, Neighbour
from shared.storage.queries import Near, Search
from shared.storage.writes import Plan


class Unit(Protocol):
    """One attempt at a transaction."""

    async def read(self, paths: Sequence[str]) -> list[Document | None]:
        """Documents in the order of ``paths``."""
        ...

    async def query(self, search: Search) -> list[Document]:
        """Documents found."""
        ...

    async def commit(self, plans: Sequence[Plan]) -> None:
        """All writes, if nothing read here has changed.

        Raises ``Contended`` where that is not so, ``PreconditionFailed`` as a commit does.
        """
        ...

    async def abandon(self) -> None:
        """Let go of whatever the attempt holds; never raises."""
        ...


class Contended(Exception):
    """Another writer was in the way; the attempt left nothing behind and may be made again."""


class Backend(Protocol):
    """One database."""

    async def open(self) -> None:
        """Make connections ready; otherwise the first call does."""
        ...

    async def close(self) -> None:
        """Let connections go; a later call makes them anew."""
        ...

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        """Documents in the order of ``paths``, all at one moment."""
        ...

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """All or none. The version of each document afterwards; 0 for a delete.

        Raises ``PreconditionFailed``.
        """
        ...

    async def query(self, search: Search, timeout_s: float) -> list[Document]:
        """Documents found, in order."""
        ...

    async def count(self, search: Search, timeout_s: float) -> int:
        """How many would be found."""
        ...

    async def nearest(self, search: Search, near: Near, timeout_s: float) -> list[Neighbour]:
        """Documents found, the nearest first."""
        ...

    async def begin(self, timeout_s: float, after: Unit | None) -> Unit:
        """A new attempt at a transaction; ``after`` is the attempt before it that was contended."""
        ...
