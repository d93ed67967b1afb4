"""Nearest vectors in SQLite: every vector of the collection is measured, in plain Python.

Measured at 768 dimensions: 5 us a vector (``math.dist`` on tuples), so 2,000 take 10 ms and a
search of that size needs no numpy in every deployed function. Read vectors are kept by version.
"""

from __future__ import annotations

import math
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest

from shared.storage.document import Document, Neighbour
from shared.storage.paths import FieldPath
from shared.storage.queries import Measure, Near, Search, value_at
from shared.storage.searching import matches, selected
from shared.storage.sqlite_codec import loads
from shared.storage.sqlite_rows import condition, json_path, read_documents, snapshot
from shared.storage.values import Vector

KEPT_NUMBERS = 4_000_000  # about 130 MB


@dataclass(frozen=True, slots=True)
class _Kept:
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
        sign = -1.0 if near.measure is Measure.DOT_PRODUCT else 1.0
        return [
            Neighbour(selected(search, document), sign * distance)
            for (distance, _), document in zip(winners, documents, strict=True)
            if document is not None
        ]

    def _measured(self, versions: dict[str, int], near: Near) -> Iterator[tuple[float, str]]:
        """Distances of all that are near enough; products negated, so that less is nearer."""
        asked, norm = tuple(near.vector), math.hypot(*near.vector)
        most = math.inf if near.threshold is None else near.threshold
        if near.measure is Measure.DOT_PRODUCT and near.threshold is not None:
            most = -near.threshold
        for path in versions:
            kept = self._kept[path, near.path]
            if len(kept.numbers) != len(asked):
                continue
            distance = _distance(near.measure, math.dist(asked, kept.numbers), norm, kept.norm)
            if distance is not None and distance <= most:
                yield distance, path

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


def _distance(measure: Measure, apart: float, one: float, other: float) -> float | None:
    """From the Euclidean distance and the two norms, which give the product of the vectors too."""
    if measure is Measure.EUCLIDEAN:
        return apart
    product = (one * one + other * other - apart * apart) / 2
    if measure is Measure.DOT_PRODUCT:
        return -product
    # What has no direction is at no angle.
    return None if other == 0.0 else min(2.0, max(0.0, 1.0 - product / (one * other)))


def _matching(
    connection: sqlite3.Connection, search: Search, field: FieldPath
) -> Iterator[tuple[str, int]]:
    """Paths and versions of the documents found; their vectors are not read for that."""
    where, values = condition(search)
    place = json_path(field)
    text = "'{}'"
    if search.clauses:
        asked = any(field[: len(clause.path)] == clause.path for clause in search.clauses)
        text = "data" if place is None or asked else "json_remove(data, ?)"
    rows = connection.execute(
        f"SELECT path, version, {text} FROM documents WHERE {where}",
        [place, *values] if text.startswith("json_remove") else values,
    )
    matching = matches(search)
    for path, version, rest in rows:
        if matching(Document(path, loads(rest), version, version)):
            yield path, version
