"""Queries as values, and their checked form.

Semantics are Firestore's (https://firebase.google.com/docs/firestore/query-data/queries): a
document without a filtered or ordered field is not found; comparisons hold inside one type; ``!=``
and ``not-in`` find neither missing fields nor null; results are ordered by the fields of
inequalities where nothing else is said, and by path last of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from shared.storage.document import Document
from shared.storage.errors import InvalidArgument
from shared.storage.paths import (
    DOCUMENT_ID,
    FieldPath,
    check_id,
    split_collection,
    split_document,
    split_field,
)
from shared.storage.values import Input, Value, Vector, checked, checked_list

Op = Literal[
    "==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array-contains", "array-contains-any"
]
_RANGES = ("<", "<=", ">", ">=")
_UNEQUAL = (*_RANGES, "!=", "not-in")
_LISTS = ("in", "not-in", "array-contains-any")
_IN_LIMIT = 30  # disjunctions of one query
_NOT_IN_LIMIT = 10
NEAREST_LIMIT = 1_000


class Direction(StrEnum):
    """Which way an order goes."""

    UP = "up"
    DOWN = "down"


Ordering = tuple[tuple[FieldPath, Direction], ...]


class Measure(StrEnum):
    """How the distance of two vectors is measured."""

    COSINE = "cosine"  # 1 - cos, 0 to 2
    EUCLIDEAN = "euclidean"
    DOT_PRODUCT = "dot_product"  # larger is nearer


class Filter(Struct, frozen=True):
    """``field op value``; ``field`` is a dotted path or ``DOCUMENT_ID`` (ranges of whole paths)."""

    field: str
    op: Op
    value: Input


class Order(Struct, frozen=True):
    """By ``field`` (a dotted path or ``DOCUMENT_ID``)."""

    field: str
    direction: Direction = Direction.UP


class Query(Struct, frozen=True):
    """Documents of one collection, or with ``group`` of every collection of that id.

    All filters hold. ``start_after`` is a document of the results, or its values of the first
    fields ordered by (the last of all may be its path). ``select`` names the fields to return, None
    all of them.
    """

    collection: str
    filters: Sequence[Filter] = ()
    order: Sequence[Order] = ()
    limit: int | None = None
    start_after: Document | tuple[Value, ...] | None = None
    select: Sequence[str] | None = None
    group: bool = False


class Clause(Struct, frozen=True):
    """A checked filter. ``path`` () is the document's own path."""

    path: FieldPath
    op: Op
    value: Value


class Search(Struct, frozen=True):
    """A checked query, with its order complete; the last order is always the document's path."""

    collection: str
    group: bool
    clauses: tuple[Clause, ...]
    order: Ordering
    limit: int | None
    start_after: tuple[Value, ...] | None
    select: tuple[FieldPath, ...] | None


class Near(Struct, frozen=True):
    """A checked search for neighbours; ``limit`` of them, none beyond ``threshold``."""

    path: FieldPath
    vector: Vector
    limit: int
    measure: Measure
    threshold: float | None


def near(
    query: Query, field: str, vector: Vector, limit: int, measure: Measure, threshold: float | None
) -> Near:
    """The checked form of a search for neighbours. Raises ``InvalidArgument``."""
    if query.order or query.limit is not None or query.start_after is not None:
        raise InvalidArgument("nearest has its own order and limit; the query gives filters only")
    if not 1 <= limit <= NEAREST_LIMIT:
        raise InvalidArgument(f"nearest finds 1 to {NEAREST_LIMIT} documents, not {limit}")
    if measure is Measure.COSINE and not any(vector):
        raise InvalidArgument("a vector of zeros has no direction to measure a cosine from")
    if threshold is not None:
        checked(threshold)
    path = split_field(field)
    if len(path) > 1:
        raise InvalidArgument(f"{field}: vectors are searched in fields of the document itself")
    return Near(path, vector, limit, measure, threshold)


def search(query: Query) -> Search:
    """The checked form of a query. Raises ``InvalidArgument``."""
    if query.group:
        check_id(query.collection, "collection group")
    else:
        split_collection(query.collection)
    if query.limit is not None and query.limit < 1:
        raise InvalidArgument(f"limit {query.limit}: at least 1")
    clauses = tuple(_clause(each) for each in query.filters)
    _check_together(clauses)
    order = _full_order(query, clauses)
    return Search(
        query.collection,
        query.group,
        clauses,
        order,
        query.limit,
        None if query.start_after is None else _cursor(query.start_after, order),
        None if query.select is None else tuple(map(split_field, query.select)),
    )


def value_at(data: Value, path: FieldPath) -> tuple[bool, Value]:
    """Whether ``data`` has the field, and what it holds."""
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return False, None
        data = data[name]
    return True, data


def _path(field: str) -> FieldPath:
    return () if field == DOCUMENT_ID else split_field(field)


def _clause(given: Filter) -> Clause:
    path, op = _path(given.field), given.op
    if op in _LISTS:
        if isinstance(given.value, (str, bytes)) or not isinstance(given.value, Sequence):
            raise InvalidArgument(f"{op} takes a list of values")
        values = given.value
        most = _NOT_IN_LIMIT if op == "not-in" else _IN_LIMIT
        if not 1 <= len(values) <= most:
            raise InvalidArgument(f"{op} takes 1 to {most} values, not {len(values)}")
        if any(each is None for each in values):
            raise InvalidArgument(f"{op} with null finds nothing; ask == null by itself")
        value: Value = list(checked_list(values))
    else:
        value = checked(given.value)
        if value is None and op not in ("==", "!="):
            raise InvalidArgument(f"{op} null finds nothing")
    if not path:
        _check_id_range(op, value)
    return Clause(path, op, value)


def _check_id_range(op: Op, value: Value) -> None:
    if op not in _RANGES:
        raise InvalidArgument(
            f"a document's path is compared by {', '.join(_RANGES)}; get finds it"
        )
    if not isinstance(value, str):
        raise InvalidArgument("a document's path is compared with a path")
    split_document(value)


def _check_together(clauses: tuple[Clause, ...]) -> None:
    """What Firestore does not combine (docs, "Query limitations")."""
    ops = [clause.op for clause in clauses]
    if sum(op.startswith("array") for op in ops) > 1:
        raise InvalidArgument("a query takes one array filter")
    if sum(op in ("!=", "not-in") for op in ops) > 1:
        raise InvalidArgument("a query takes one != or not-in")
    if "not-in" in ops and {"in", "array-contains-any"} & set(ops):
        raise InvalidArgument("not-in does not go with in or array-contains-any")
    branches = 1
    for clause in clauses:
        if clause.op in ("in", "array-contains-any") and isinstance(clause.value, list):
            branches *= len(clause.value)
    if branches > _IN_LIMIT:
        raise InvalidArgument(f"in and array-contains-any multiply to {branches}, over {_IN_LIMIT}")


def _full_order(
    query: Query, clauses: tuple[Clause, ...]
) -> tuple[tuple[FieldPath, Direction], ...]:
    order = [(_path(each.field), each.direction) for each in query.order]
    named = [path for path, _ in order]
    if len(set(named)) < len(named):
        raise InvalidArgument("a query orders by each field once")
    if () in named[:-1]:
        raise InvalidArgument("nothing can follow the document's path in an order")
    last = order[-1][1] if order else Direction.UP
    unequal = {clause.path for clause in clauses if clause.op in _UNEQUAL} - set(named)
    if () in named and unequal:
        raise InvalidArgument("order by the fields of inequalities before the document's path")
    order += [(path, last) for path in sorted(unequal - {()})]
    if () not in named:
        order.append(((), last))
    if order == [((), Direction.DOWN)]:
        raise InvalidArgument("a document's path by itself is ordered upwards only")
    return tuple(order)


def _cursor(place: Document | tuple[Value, ...], order: Ordering) -> tuple[Value, ...]:
    if isinstance(place, Document):
        return tuple(_place_value(place, path) for path, _ in order)
    values = tuple(checked(value) for value in place)
    if not 1 <= len(values) <= len(order):
        raise InvalidArgument(f"start_after takes 1 to {len(order)} values, not {len(values)}")
    if len(values) == len(order):
        path = values[-1]
        if not isinstance(path, str):
            raise InvalidArgument("the last value of start_after is a document's path")
        split_document(path)
    return values


def _place_value(document: Document, path: FieldPath) -> Value:
    if not path:
        return document.path
    there, value = value_at(document.data, path)
    if not there:
        raise InvalidArgument(f"start_after: {document.path} has no field {'.'.join(path)}")
    return value
