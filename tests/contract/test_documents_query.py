"""Queries on both databases; test_documents_equal.py compares them at random."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest

from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument
from shared.storage.paths import DOCUMENT_ID, field
from shared.storage.queries import Direction, Filter, Op, Order, Query
from shared.storage.values import Changes, Input, Value, Vector
from shared.storage.writes import Set

DOWN = Direction.DOWN
FIRST, SECOND = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
JOBS: dict[str, Changes] = {
    "jobs/a": {
        "state": "queued",
        "priority": 5,
        "tags": ["x", "y"],
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    },
    "jobs/b": {
        "state": "queued",
        "priority": 9,
        "tags": ["y"],
        "at": datetime(2026, 1, 2, tzinfo=UTC),
    },
    "jobs/c": {"state": "running", "priority": 5.0, "tags": []},
    "jobs/d": {"state": None, "priority": "high", "model": {"id": "gemini-2.5"}},
    "jobs/e": {"priority": 1, "model": {"id": "gpt"}},
    "users/u1/jobs/f": {"state": "queued", "priority": 7},
    "users/u2/jobs/a": {"state": "done", "priority": 7},
    "jobs/a/steps/1": {"state": "queued", "priority": 5},
}


@pytest.fixture
async def jobs(documents: DocumentStore) -> DocumentStore:
    """A store with the documents above."""
    await documents.commit([Set(path, data) for path, data in JOBS.items()])
    return documents


async def ids(store: DocumentStore, query: Query) -> str:
    """Ids of what is found, in order; counting must come to the same."""
    found = await store.query(query)
    assert await store.count(query) == len(found)
    return "".join(each.id for each in found)


@pytest.mark.parametrize(
    ("path", "op", "value", "expected"),
    [
        ("state", "==", "queued", "ab"),
        ("state", "==", None, "d"),
        ("state", "!=", "queued", "c"),
        ("state", "!=", None, "abc"),
        ("state", "in", ["running", "queued"], "abc"),
        ("state", "not-in", ["running", "done"], "ab"),
        ("priority", "==", 5, "ac"),
        ("priority", "<", 9, "eac"),
        ("priority", "<=", 9.0, "eacb"),
        ("priority", ">", 1, "acb"),
        ("priority", ">=", "high", "d"),
        ("priority", "!=", 5, "ebd"),
        ("at", ">", FIRST, "b"),
        ("at", "==", FIRST, "a"),
        ("at", "in", [SECOND], "b"),
        ("tags", "==", ["x", "y"], "a"),
        ("tags", "array-contains", "y", "ab"),
        ("tags", "array-contains-any", ["x", "z"], "a"),
        ("model.id", "==", "gpt", "e"),
        ("model", "==", {"id": "gemini-2.5"}, "d"),
        ("model.id", ">=", "gemini", "de"),
        ("nothing", "!=", 1, ""),
        (DOCUMENT_ID, ">", "jobs/c", "de"),
    ],
)
async def test_filters(jobs: DocumentStore, path: str, op: Op, value: Input, expected: str) -> None:
    assert await ids(jobs, Query("jobs", [Filter(path, op, value)])) == expected


async def test_filters_hold_together(jobs: DocumentStore) -> None:
    asked = [
        Filter("state", "==", "queued"),
        Filter("priority", ">", 5),
        Filter("priority", "<", 10),
    ]
    assert await ids(jobs, Query("jobs", asked)) == "b"
    asked = [Filter("state", "in", ["queued", "running"]), Filter("tags", "array-contains", "y")]
    assert await ids(jobs, Query("jobs", asked)) == "ab"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([], "abcde"),
        ([Order("priority")], "eacbd"),
        ([Order("priority", DOWN)], "dbcae"),
        ([Order("state"), Order("priority", DOWN)], "dbac"),
        ([Order("priority"), Order(DOCUMENT_ID, DOWN)], "ecabd"),
        ([Order("model.id", DOWN)], "ed"),
        ([Order(DOCUMENT_ID)], "abcde"),
    ],
)
async def test_orders_leave_out_what_lacks_the_field(
    jobs: DocumentStore, order: list[Order], expected: str
) -> None:
    assert await ids(jobs, Query("jobs", order=order)) == expected


async def test_all_kinds_of_values_stand_in_one_order(documents: DocumentStore) -> None:
    lists: list[Value] = [[], [1], [1, 1], [2]]
    maps: list[Value] = [{}, {"a": 1}, {"a": 1, "b": 0}, {"b": 0}]
    values: list[Value] = [
        *(None, False, True, -1, 0.5, 1, FIRST),
        *("", "B", "a", "a\0", "ä", "\uffff", "😀", b"", b"a"),
        *(*lists, Vector([9]), Vector([1, 1]), *maps),
    ]
    await documents.commit([Set(f"v/{n:02}", {"v": value}) for n, value in enumerate(values)])
    found = await documents.query(Query("v", order=[Order("v")]))
    assert [each.data["v"] for each in found] == values


async def test_limits_and_places_to_go_on_from(jobs: DocumentStore) -> None:
    order = [Order("priority", DOWN)]
    seen = ""
    page = await jobs.query(Query("jobs", order=order, limit=2))
    while page:
        seen += "".join(each.id for each in page)
        page = await jobs.query(Query("jobs", order=order, limit=2, start_after=page[-1]))
    assert seen == "dbcae"
    assert await ids(jobs, Query("jobs", order=order, start_after=(5,))) == "e"
    assert await ids(jobs, Query("jobs", order=order, start_after=(5, "jobs/c"))) == "ae"
    asked = [Filter("priority", ">", 1)]
    first = await jobs.query(Query("jobs", asked, limit=1))
    assert await ids(jobs, Query("jobs", asked, start_after=first[0])) == "cb"
    assert await ids(jobs, Query("jobs", start_after=("jobs/c",))) == "de"


async def test_groups_find_every_collection_of_the_name(jobs: DocumentStore) -> None:
    found = await jobs.query(Query("jobs", group=True))
    paths = [path for path in JOBS if "/steps/" not in path]
    assert [each.path for each in found] == sorted(paths)
    best = Query(
        "jobs",
        [Filter("state", "==", "queued")],
        [Order("priority", DOWN), Order("at")],
        limit=1,
        group=True,
    )
    assert [each.path for each in await jobs.query(best)] == ["jobs/b"]
    own = Query("users/u1/jobs", [Filter("state", "==", "queued")])
    assert [each.path for each in await jobs.query(own)] == ["users/u1/jobs/f"]


async def test_group_order_is_by_segments(documents: DocumentStore) -> None:
    paths = ["a!/1/c/1", "a/1/c/1", "a/1/c/1!", "a/1!/c/1", "c/1", "c/1/c/1"]
    await documents.commit([Set(path, {}) for path in paths])
    found = await documents.query(Query("c", group=True))
    assert [each.path for each in found] == sorted(paths, key=lambda path: path.split("/"))


async def test_selection_brings_these_fields_alone(jobs: DocumentStore) -> None:
    query = Query("jobs", [Filter("priority", "==", 5)], select=["state", "tags", "none"])
    found = await jobs.query(query)
    assert [each.data for each in found] == [
        {"state": "queued", "tags": ["x", "y"]},
        {"state": "running", "tags": []},
    ]
    assert [each.version > 0 for each in found] == [True, True]
    (found_one,) = await jobs.query(
        Query("jobs", [Filter("model.id", "==", "gpt")], select=["model.id", "model.none"])
    )
    assert found_one.data == {"model": {"id": "gpt"}}
    nothing = await jobs.query(Query("users/u1/jobs", select=[]))
    assert [each.data for each in nothing] == [{}]


async def test_odd_names_of_fields(documents: DocumentStore) -> None:
    names = ["a.b", "`", 'quote"', "back\\slash", " ", "ä", "1", "a/b"]
    await documents.commit([Set(f"c/{n}", {"m": {name: n}}) for n, name in enumerate(names)])
    for n, name in enumerate(names):
        path = field("m", name)
        assert await ids(documents, Query("c", [Filter(path, "==", n)])) == str(n), name
        assert await ids(documents, Query("c", order=[Order(path)])) == str(n), name


async def test_queries_are_counted_as_billed(documents: DocumentStore) -> None:
    await documents.query(Query("users/u/jobs"))
    assert documents.operations.of("jobs").reads == 1
    await documents.count(Query("jobs", group=True))
    assert documents.operations.of("jobs").reads == 2
    await documents.commit([Set(f"jobs/{n}", {}) for n in range(3)])
    await documents.query(Query("jobs", limit=2))
    assert documents.operations.of("jobs").reads == 4
    assert documents.operations.total().writes == 3


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query("users/u1"), "path of a document"),
        (Query("a/b/c", group=True), "cannot be an id"),
        (Query("jobs", limit=0), "at least 1"),
        (Query("jobs", [Filter("a", "<", None)]), "null"),
        (Query("jobs", [Filter("a", "in", [])]), "1 to 30"),
        (Query("jobs", [Filter("a", "in", "text")]), "list"),
        (Query("jobs", [Filter("a", "not-in", list(range(11)))]), "1 to 10"),
        (Query("jobs", [Filter("a", "in", [1, None])]), "null"),
        (Query("jobs", [Filter("a", "==", cast(Input, object()))]), "cannot hold"),
        (Query("jobs", [Filter("a..b", "==", 1)]), "field path"),
        (Query("jobs", [Filter("a", "!=", 1), Filter("b", "not-in", [1])]), "one !="),
        (Query("jobs", [Filter("a", "in", [1]), Filter("b", "not-in", [1])]), "not-in"),
        (
            Query("jobs", [Filter("a", "array-contains", 1), Filter("b", "array-contains", 1)]),
            "one array",
        ),
        (
            Query("jobs", [Filter("a", "in", list(range(6))), Filter("b", "in", list(range(6)))]),
            "36",
        ),
        (Query("jobs", [Filter(DOCUMENT_ID, "==", "jobs/a")]), "get finds it"),
        (Query("jobs", [Filter(DOCUMENT_ID, ">", "jobs")]), "path of a collection"),
        (Query("jobs", order=[Order("a"), Order("a")]), "once"),
        (Query("jobs", order=[Order(DOCUMENT_ID), Order("a")]), "nothing can follow"),
        (Query("jobs", order=[Order(DOCUMENT_ID, DOWN)]), "upwards only"),
        (Query("jobs", [Filter("a", ">", 1)], [Order(DOCUMENT_ID)]), "inequalities before"),
        (Query("jobs", start_after=()), "1 to 1"),
        (Query("jobs", start_after=("jobs/a", "b")), "1 to 1"),
        (Query("jobs", start_after=(5,)), "document's path"),
        (Query("jobs", select=[""]), "field path"),
    ],
)
async def test_queries_that_cannot_be_are_refused(
    documents: DocumentStore, query: Query, said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        await documents.query(query)
    assert documents.operations.total().reads == 0
