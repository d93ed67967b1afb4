"""Which queries Firestore would refuse for want of an index, by ``firestore.indexes.json``.

The emulator answers every query; production refuses those no index serves
(https://firebase.google.com/docs/firestore/query-data/index-overview). Every field has an index of
its own for queries of one collection, unless an override takes it away; fields together, and
queries of a collection group, need what the file names. Stricter than Firestore in one point: that
it could also merge several of the named indexes is not counted on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.package import ROOT
from shared.storage.backend import Backend, Unit
from shared.storage.document import Document, Neighbour
from shared.storage.paths import split_collection
from shared.storage.queries import Direction, Near, Search
from shared.storage.writes import Plan

_EQUAL = ("==", "in", "array-contains", "array-contains-any")
Fields = tuple[tuple[str, Direction], ...]


@dataclass(frozen=True, slots=True)
class Composite:
    """An index of several fields."""

    collection: str
    group: bool
    fields: Fields


@dataclass(frozen=True, slots=True)
class Indexes:
    """What the file says. ``single``: (collection, field) to whether collection queries and
    whether group queries find an index of this field."""

    composites: tuple[Composite, ...]
    single: dict[tuple[str, str], tuple[bool, bool]]

    def lacking(self, search: Search) -> str | None:
        """What there is no index for; None where the query is served."""
        collection = search.collection if search.group else split_collection(search.collection)[-1]
        equal = {".".join(c.path) for c in search.clauses if c.op in _EQUAL and c.path}
        order = tuple(
            (name, way)
            for name, way in ((".".join(path), way) for path, way in search.order if path)
            if name not in equal
        )
        if self._composite(collection, search.group, equal, order):
            return None
        singles = equal if not order else equal | {name for name, _ in order}
        served = all(self._single(collection, name, search.group) for name in singles)
        if served and (not order or (len(order) == 1 and not equal)):
            return None
        where = "collection group" if search.group else "collection"
        wanted = [f"{name} ==" for name in sorted(equal)] + [f"{n} {w}" for n, w in order]
        return f"{where} {collection}: {', '.join(wanted)}"

    def _single(self, collection: str, field: str, group: bool) -> bool:
        one, all_of_them = self.single.get((collection, field), (True, False))
        return all_of_them if group else one

    def _composite(self, collection: str, group: bool, equal: set[str], order: Fields) -> bool:
        return any(
            index.collection == collection
            and index.group == group
            and len(index.fields) == len(equal) + len(order)
            and {name for name, _ in index.fields[: len(equal)]} == equal
            and index.fields[len(equal) :] in (order, _backwards(order))
            for index in self.composites
        )


def _backwards(order: Fields) -> Fields:
    """An index is read from either end."""
    other = {Direction.UP: Direction.DOWN, Direction.DOWN: Direction.UP}
    return tuple((name, other[way]) for name, way in order)


def read_indexes(path: Path = ROOT / "firestore.indexes.json") -> Indexes:
    """The file as Firestore understands it."""
    file = json.loads(path.read_text(encoding="utf-8"))
    ways = {"ASCENDING": Direction.UP, "DESCENDING": Direction.DOWN}
    composites = tuple(
        Composite(
            one["collectionGroup"],
            one["queryScope"] == "COLLECTION_GROUP",
            tuple((field["fieldPath"], ways[field["order"]]) for field in one["fields"]),
        )
        for one in file["indexes"]
    )
    single = {}
    for one in file["fieldOverrides"]:
        scopes = {index["queryScope"] for index in one["indexes"]}
        key = (one["collectionGroup"], one["fieldPath"])
        single[key] = ("COLLECTION" in scopes, "COLLECTION_GROUP" in scopes)
    return Indexes(composites, single)


class IndexedBackend:
    """A database that answers as the one behind it, and keeps what Firestore would refuse.

    ``lacking`` holds a line for each such query; ``asked`` counts queries of any kind.
    """

    def __init__(self, backend: Backend, indexes: Indexes) -> None:
        self._backend = backend
        self._indexes = indexes
        self.lacking: list[str] = []
        self.asked = 0

    def check(self, search: Search) -> None:
        """Note a query that no index serves."""
        self.asked += 1
        found = self._indexes.lacking(search)
        if found is not None:
            self.lacking.append(found)

    async def open(self) -> None:
        """As the database behind."""
        await self._backend.open()

    async def close(self) -> None:
        """As the database behind."""
        await self._backend.close()

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        """As the database behind."""
        return await self._backend.read(paths, timeout_s)

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """As the database behind."""
        return await self._backend.commit(plans, timeout_s)

    async def query(self, search: Search, timeout_s: float) -> list[Document]:
        """Looked at, then asked."""
        self.check(search)
        return await self._backend.query(search, timeout_s)

    async def count(self, search: Search, timeout_s: float) -> int:
        """Looked at, then asked."""
        self.check(search)
        return await self._backend.count(search, timeout_s)

    async def nearest(self, search: Search, near: Near, timeout_s: float) -> list[Neighbour]:
        """As the database behind."""
        return await self._backend.nearest(search, near, timeout_s)

    async def begin(self, timeout_s: float, after: Unit | None) -> Unit:
        """As the database behind."""
        return await self._backend.begin(timeout_s, after)
