"""Which queries need an index, and that the deployed ones have theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.storage.queries import Direction, Filter, Order, Query, search
from tests.support.firestore_indexes import Indexes, read_indexes

DOWN = Direction.DOWN
A, B = Filter("a", "==", 1), Filter("b", "==", 2)
OVER = Filter("n", ">", 3)


@pytest.fixture
def indexes(tmp_path: Path) -> Indexes:
    """Two indexes of ``things`` and overrides of two of its fields."""
    fields = [
        {"fieldPath": "a", "order": "ASCENDING"},
        {"fieldPath": "b", "order": "ASCENDING"},
        {"fieldPath": "n", "order": "DESCENDING"},
    ]
    path = tmp_path / "indexes.json"
    grouped = [{"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"}]
    content = {
        "indexes": [
            {"collectionGroup": "things", "queryScope": "COLLECTION", "fields": fields},
            {"collectionGroup": "things", "queryScope": "COLLECTION_GROUP", "fields": fields[::2]},
        ],
        "fieldOverrides": [
            {"collectionGroup": "things", "fieldPath": "big", "indexes": []},
            {"collectionGroup": "things", "fieldPath": "due", "indexes": grouped},
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_indexes(path)


SERVED = [
    Query("things"),
    Query("things", group=True),
    Query("things", [A, B]),
    Query("things", [OVER]),
    Query("users/u/things", order=[Order("n", DOWN)]),
    Query("things", [A, B], [Order("n", DOWN)]),
    Query("things", [B, A, OVER]),
    Query("things", [A, OVER], [Order("n")], group=True),
    Query("things", [Filter("due", "<", 5)], group=True),
    Query("others", [Filter("big", "==", 5)]),
]
LACKING = [
    (Query("things", [A], [Order("n", DOWN)]), "collection things: a ==, n down"),
    (Query("things", order=[Order("n"), Order("m")]), "collection things: n up, m up"),
    (Query("things", [A], group=True), "collection group things: a =="),
    (Query("things", [A, B, OVER], group=True), "collection group things: a ==, b ==, n up"),
    (Query("things", [Filter("big", "==", 5)]), "collection things: big =="),
    (Query("things", [Filter("due", "<", 5)]), "collection things: due up"),
    (Query("others", [A, B, OVER]), "collection others: a ==, b ==, n up"),
]


@pytest.mark.parametrize("query", SERVED, ids=str)
def test_query_that_an_index_serves(indexes: Indexes, query: Query) -> None:
    assert indexes.lacking(search(query)) is None


@pytest.mark.parametrize(("query", "lacking"), LACKING, ids=lambda one: str(one))
def test_query_that_no_index_serves(indexes: Indexes, query: Query, lacking: str) -> None:
    assert indexes.lacking(search(query)) == lacking
