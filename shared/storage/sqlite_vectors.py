"""Nearest vectors in SQLite: every vector of the collection is measured, in plain Python.

Measured at 768 dimensions with ``math.dist`` on tuples: 20 ms for 2,000 vectors (the most a user's
memory holds), 200 ms the first time. numpy would be ten times faster, and every ``make run`` and
every deployed function would have to install it. Vectors that were read are kept by version.
"""

from __future__ import annotations

import math
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from heapq import nsmallest
from operator import mul

from msgspec import Struct

from shared.storage.document import Document, Neighbour
from shared.storage.paths import FieldPath
from shared.storage.queries import Measure, Near, Search, value_at
from shared.storage.searching import matches, selected
from shared.storage.sqlite_codec import loads
from shared.storage.sqlite_rows import condition, json_path, read_documents, snapshot
from shared.storage.values import Vector

KEPT_NUMBERS = 4_000_000  # about 130 MB


class _Kept(Struct, frozen=True):
    """A document's vector at one version; ``numbers`` is () where it has none."""

    version: int
    numbers: tuple[float, ...]
    norm: float


class Vectors:
    """Vectors by document and field; the least lately used are let go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, FieldPath], _Kept] = OrderedDict()
        self._numbers = 0

    def nearest(
        self, connection: sqlite3.Connection, search: Search, near: Near
    ) -> list[Neighbour]:
        """The nearest of the documents that ``search`` finds."""
        with snapshot(connection):
            versions = dict(_matching(connection, search, near.path))
            self._load(connection, versions, near.path)
            measured = self._measured(versions, near)
            winners = nsmallest(near.limit, measured)
            documents = read_documents(connection, [path for _, path in winners])
        sign = _sign(near.measure)
        return [
            Neighbour(selected(search, document), sign * rank)
            for (rank, _), document in zip(winners, documents, strict=True)
            if document is not None
        ]

    def _measured(self, versions: dict[str, int], near: Near) -> Iterator[tuple[float, str]]:
        """Rank and path of all that are near enough; a smaller rank is nearer."""
        asked, norm = tuple(near.vector), math.hypot(*near.vector)
        sign = _sign(near.measure)
        most = math.inf if near.threshold is None else sign * near.threshold
        for path in versions:
            kept = self._kept[path, near.path]
            if len(kept.numbers) == len(asked):
                found = distance(near.measure, asked, kept.numbers, norm, kept.norm)
                if found is not None and sign * found <= most:
                    yield sign * found, path

    def _load(
        self, connection: sqlite3.Connection, versions: dict[str, int], field: FieldPath
    ) -> None:
        """Have the vectors of all these documents at hand."""
        missing: list[str] = []
        for path, version in versions.items():
            kept = self._kept.get((path, field))
            if kept is None or kept.version != version:
                missing.append(path)
            else:
                self._kept.move_to_end((path, field))
        for document in read_documents(connection, missing):
            if document is not None:
                _, value = value_at(document.data, field)
                numbers = tuple(value) if isinstance(value, Vector) else ()
                self._keep((document.path, field), document.version, numbers)
        while self._numbers > KEPT_NUMBERS and len(self._kept) > len(versions):
            _, let_go = self._kept.popitem(last=False)
            self._numbers -= len(let_go.numbers)

    def _keep(self, place: tuple[str, FieldPath], version: int, numbers: tuple[float, ...]) -> None:
        before = self._kept.pop(place, None)
        self._numbers += len(numbers) - (len(before.numbers) if before else 0)
        self._kept[place] = _Kept(version, numbers, math.hypot(*numbers))


def distance(
    measure: Measure, one: tuple[float, ...], other: tuple[float, ...], norm: float, its_norm: float
) -> float | None:
    """Between two vectors of these norms; None at no angle: one of them has no direction."""
    if measure is Measure.DOT_PRODUCT:
        product: float = sum(map(mul, one, other))
        return product
    apart = math.dist(one, other)
    if measure is Measure.EUCLIDEAN:
        return apart
    if norm * its_norm == 0.0:
        return None
    # The product follows from the sides of the triangle, six times faster than by itself.
    product = (norm * norm + its_norm * its_norm - apart * apart) / 2
    return min(2.0, max(0.0, 1.0 - product / (norm * its_norm)))


def _sign(measure: Measure) -> float:
    """What makes a distance a rank: a larger product is nearer."""
    return -1.0 if measure is Measure.DOT_PRODUCT else 1.0


def _matching(
    connection: sqlite3.Connection, search: Search, field: FieldPath
) -> Iterator[tuple[str, int]]:
    """Paths and versions of the documents found; their vectors are not read for that."""
    where, values = condition(search)
    if not search.clauses:
        yield from connection.execute(f"SELECT path, version FROM documents WHERE {where}", values)
        return
    place = json_path(field)
    asked = any(field[: len(clause.path)] == clause.path for clause in search.clauses)
    text = "data" if place is None or asked else "json_remove(data, ?)"
    rows = connection.execute(
        f"SELECT path, version, {text} FROM documents WHERE {where}",
        values if place is None or asked else [place, *values],
    )
    matching = matches(search)
    for path, version, rest in rows:
        if matching(Document(path, loads(rest), version, version)):
            yield path, version
