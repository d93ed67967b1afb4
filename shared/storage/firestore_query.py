"""Checked queries as Firestore's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.storage.firestore_values import encode
from shared.storage.paths import DOCUMENT_ID, FieldPath, field
from shared.storage.queries import Clause, Direction, Measure, Near, Search
from shared.storage.values import Value

if TYPE_CHECKING:
    from google.cloud.firestore_v1 import types

DISTANCE = "nearest_distance_"
"""The field that carries a neighbour's distance; no document of ours has it."""
_OPS = {
    "==": "EQUAL",
    "!=": "NOT_EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "in": "IN",
    "not-in": "NOT_IN",
    "array-contains": "ARRAY_CONTAINS",
    "array-contains-any": "ARRAY_CONTAINS_ANY",
}


def parent_of(search: Search, root: str) -> str:
    """Full name of what the searched collection lies below."""
    above = search.collection.rpartition("/")[0]
    return f"{root}/{above}" if above else root


def structured(search: Search, root: str, near: Near | None = None) -> types.StructuredQuery:
    """The whole query; with ``near`` it is ordered by distance alone."""
    from google.cloud.firestore_v1 import types

    query = types.StructuredQuery(
        from_=[
            types.StructuredQuery.CollectionSelector(
                collection_id=search.collection.rpartition("/")[2], all_descendants=search.group
            )
        ]
    )
    filters = [_filter(clause, root) for clause in search.clauses]
    if len(filters) == 1:
        query.where = filters[0]
    elif filters:
        query.where = types.StructuredQuery.Filter(
            composite_filter=types.StructuredQuery.CompositeFilter(op="AND", filters=filters)
        )
    if search.select is not None:
        names = [_name(path) for path in search.select] or [DOCUMENT_ID]
        if near is not None:
            names.append(DISTANCE)
        query.select = types.StructuredQuery.Projection(fields=[_reference(n) for n in names])
    if near is not None:
        query.find_nearest = _nearest(near)
        return query
    query.order_by = [
        types.StructuredQuery.Order(
            field=_reference(_name(path)),
            direction="ASCENDING" if direction is Direction.UP else "DESCENDING",
        )
        for path, direction in search.order
    ]
    if search.limit is not None:
        query.limit = search.limit
    if search.start_after is not None:
        values = [
            _value(value, root if not path else None)
            for value, (path, _) in zip(search.start_after, search.order, strict=False)
        ]
        query.start_at = types.Cursor(values=values, before=False)
    return query


def _filter(clause: Clause, root: str) -> types.StructuredQuery.Filter:
    from google.cloud.firestore_v1 import types

    name = _reference(_name(clause.path))
    if clause.value is None:
        op = "IS_NULL" if clause.op == "==" else "IS_NOT_NULL"
        unary = types.StructuredQuery.UnaryFilter(field=name, op=op)
        return types.StructuredQuery.Filter(unary_filter=unary)
    value = _value(clause.value, root if not clause.path else None)
    compared = types.StructuredQuery.FieldFilter(field=name, op=_OPS[clause.op], value=value)
    return types.StructuredQuery.Filter(field_filter=compared)


def _nearest(near: Near) -> types.StructuredQuery.FindNearest:
    from google.cloud.firestore_v1 import types

    measures = types.StructuredQuery.FindNearest.DistanceMeasure
    return types.StructuredQuery.FindNearest(
        vector_field=_reference(_name(near.path)),
        query_vector=_value(near.vector, None),
        distance_measure={
            Measure.COSINE: measures.COSINE,
            Measure.EUCLIDEAN: measures.EUCLIDEAN,
            Measure.DOT_PRODUCT: measures.DOT_PRODUCT,
        }[near.measure],
        limit=near.limit,
        distance_result_field=DISTANCE,
        distance_threshold=near.threshold,
    )


def _name(path: FieldPath) -> str:
    return field(*path) if path else DOCUMENT_ID


def _reference(name: str) -> types.StructuredQuery.FieldReference:
    from google.cloud.firestore_v1 import types

    return types.StructuredQuery.FieldReference(field_path=name)


def _value(value: Value, root: str | None) -> types.Value:
    """A value's message; below ``root`` paths become references."""
    from google.cloud.firestore_v1 import types

    made = types.Value()
    message = types.Value.pb(made)
    if root is None:
        encode(value, message)
    elif isinstance(value, list):
        for path in value:
            message.array_value.values.add().reference_value = f"{root}/{path!s}"
    else:
        message.reference_value = f"{root}/{value!s}"
    return made
