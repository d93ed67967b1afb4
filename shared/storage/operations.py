"""What the store was asked for, by collection, as Firestore bills it.

https://firebase.google.com/docs/firestore/pricing: a document returned is a read, a query at least
one; a count is one read for every thousand entries; deleting what is not there is a delete. How a
refused precondition is billed is not published; it is counted as a read of every document the
commit names.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from shared.messages import JsonObject
from shared.storage.paths import collection_id


class Tally(Struct):
    """Documents read, written and deleted."""

    reads: int = 0
    writes: int = 0
    deletes: int = 0


class Operations:
    """Tallies by collection id (``jobs`` for ``users/u1/jobs/j1``), since this was made."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}

    def of(self, collection: str) -> Tally:
        """The running tally of a collection id."""
        tally = self._tallies.get(collection)
        if tally is None:
            tally = self._tallies[collection] = Tally()
        return tally

    def read(self, paths: Iterable[str]) -> None:
        """A read of each of these documents, found or not."""
        for path in paths:
            self.of(collection_id(path)).reads += 1

    def queried(self, collection: str, paths: Iterable[str]) -> None:
        """A query that returned these documents: a read each, at least one."""
        before = self.of(collection).reads
        self.read(paths)
        tally = self.of(collection)
        if tally.reads == before:
            tally.reads += 1

    def counted(self, collection: str, entries: int) -> None:
        """A count that came to ``entries``."""
        self.of(collection).reads += max(1, -(-entries // 1_000))

    def wrote(self, path: str, *, deleted: bool) -> None:
        """One write carried out."""
        tally = self.of(collection_id(path))
        if deleted:
            tally.deletes += 1
        else:
            tally.writes += 1

    def total(self) -> Tally:
        """All collections together."""
        tallies = self._tallies.values()
        return Tally(
            sum(tally.reads for tally in tallies),
            sum(tally.writes for tally in tallies),
            sum(tally.deletes for tally in tallies),
        )

    def to_json(self) -> JsonObject:
        """By collection, names sorted: ``{"jobs": {"reads": 1, "writes": 0, "deletes": 0}}``."""
        return {
            name: {"reads": tally.reads, "writes": tally.writes, "deletes": tally.deletes}
            for name, tally in sorted(self._tallies.items())
        }
