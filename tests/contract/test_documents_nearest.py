"""Nearest neighbours on both databases."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument
from shared.storage.paths import field
from shared.storage.queries import Filter, Measure, Order, Query
from shared.storage.sqlite_vectors import distance
from shared.storage.values import VECTOR_LIMIT, Changes, Vector
from shared.storage.writes import Set

MEMORIES: dict[str, Changes] = {
    "m/a": {"kind": "fact", "at": Vector([1, 0, 0]), "n": 1},
    "m/b": {"kind": "fact", "at": Vector([2, 2, 0]), "n": 2},
    "m/c": {"kind": "skill", "at": Vector([0, 3, 0]), "n": 3},
    "m/d": {"kind": "skill", "at": Vector([-1, 0, 0]), "n": 4},
    "m/flat": {"kind": "fact", "at": Vector([1, 0])},
    "m/list": {"kind": "fact", "at": [1, 0, 0]},
    "m/none": {"kind": "fact"},
    "users/u/m/e": {"kind": "fact", "at": Vector([1, 0.1, 0])},
}
ASKED = Vector([1, 0, 0])


@pytest.fixture
async def memories(documents: DocumentStore) -> DocumentStore:
    """A store with the documents above."""
    await documents.commit([Set(path, data) for path, data in MEMORIES.items()])
    return documents


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (Measure.COSINE, {"a": 0.0, "b": 1 - math.sqrt(0.5), "c": 1.0, "d": 2.0}),
        (Measure.EUCLIDEAN, {"a": 0.0, "d": 2.0, "b": math.sqrt(5), "c": math.sqrt(10)}),
        (Measure.DOT_PRODUCT, {"b": 2.0, "a": 1.0, "c": 0.0, "d": -1.0}),
    ],
)
async def test_the_nearest_come_first_with_their_distance(
    memories: DocumentStore, measure: Measure, expected: dict[str, float]
) -> None:
    found = await memories.nearest(Query("m"), "at", ASKED, 10, measure=measure)
    assert [each.document.id for each in found] == list(expected)
    for each in found:
        assert each.distance == pytest.approx(expected[each.document.id], abs=1e-9)
        assert each.document.data == MEMORIES[each.document.path]


async def test_filters_limits_and_selection_hold(memories: DocumentStore) -> None:
    facts = Query("m", [Filter("kind", "==", "fact")], select=["n"])
    found = await memories.nearest(facts, "at", ASKED, 10)
    assert [each.document.data for each in found] == [{"n": 1}, {"n": 2}]
    found = await memories.nearest(Query("m"), "at", ASKED, 3)
    assert [each.document.id for each in found] == ["a", "b", "c"]
    grouped = await memories.nearest(Query("m", group=True), "at", ASKED, 2)
    assert [each.document.path for each in grouped] == ["m/a", "users/u/m/e"]


@pytest.mark.parametrize(
    ("measure", "threshold", "expected"),
    [
        (Measure.COSINE, 0.5, "ab"),
        (Measure.EUCLIDEAN, 2.0, "ad"),
        (Measure.DOT_PRODUCT, 1.0, "ba"),
    ],
)
async def test_nothing_beyond_the_threshold(
    memories: DocumentStore, measure: Measure, threshold: float, expected: str
) -> None:
    found = await memories.nearest(Query("m"), "at", ASKED, 9, measure=measure, threshold=threshold)
    assert "".join(each.document.id for each in found) == expected


async def test_changes_show_at_once(memories: DocumentStore) -> None:
    await memories.nearest(Query("m"), "at", ASKED, 1)
    await memories.update("m/d", {"at": Vector([5, 0, 0]), "n": 40})
    await memories.update("m/a", {"at": 5})
    await memories.delete("m/b")
    found = await memories.nearest(Query("m"), "at", ASKED, 10)
    assert [(each.document.id, each.document.data["n"]) for each in found] == [("d", 40), ("c", 3)]


async def test_odd_names_and_filters_on_the_vector_itself(documents: DocumentStore) -> None:
    at = field("gemini-001")
    await documents.set("m/1", {"gemini-001": Vector([1, 1])})
    for asked in (Query("m"), Query("m", [Filter(at, "==", Vector([1, 1]))])):
        (found,) = await documents.nearest(asked, at, Vector([1, 0]), 1)
        assert found.distance == pytest.approx(1 - math.sqrt(0.5))


async def test_as_many_dimensions_as_are_allowed(documents: DocumentStore) -> None:
    numbers = [math.sin(n) for n in range(VECTOR_LIMIT)]
    await documents.set("m/1", {"at": Vector(numbers)})
    (found,) = await documents.nearest(Query("m"), "at", Vector(numbers), 1)
    assert found.distance == pytest.approx(0.0, abs=1e-9)
    assert found.document.data["at"] == Vector(numbers)


async def test_neighbours_are_counted_as_reads(memories: DocumentStore) -> None:
    await memories.nearest(Query("m"), "at", ASKED, 3)
    await memories.nearest(Query("nobody"), "at", ASKED, 3)
    assert memories.operations.of("m").reads == 3
    assert memories.operations.of("nobody").reads == 1


@pytest.mark.parametrize(
    ("query", "vector", "limit", "said"),
    [
        (Query("m", order=[Order("n")]), ASKED, 1, "filters only"),
        (Query("m", limit=1), ASKED, 1, "filters only"),
        (Query("m"), ASKED, 0, "1 to 1000"),
        (Query("m"), ASKED, 1_001, "1 to 1000"),
        (Query("m"), Vector([0, 0]), 1, "no direction"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    documents: DocumentStore, query: Query, vector: Vector, limit: int, said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        await documents.nearest(query, "at", vector, limit)
    with pytest.raises(InvalidArgument, match="fields of the document itself"):
        await documents.nearest(Query("m"), "a.at", ASKED, 1)


numbers = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3)


@given(one=numbers, other=numbers, measure=st.sampled_from(Measure))
def test_distances_are_those_of_the_definitions(
    one: list[float], other: list[float], measure: Measure
) -> None:
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    norms = math.hypot(*one) * math.hypot(*other)
    found = distance(measure, tuple(one), tuple(other), math.hypot(*one), math.hypot(*other))
    if measure is Measure.EUCLIDEAN:
        assert found == pytest.approx(math.dist(one, other))
    elif measure is Measure.DOT_PRODUCT:
        assert found == pytest.approx(product, abs=1e-6)
    elif min(math.hypot(*one), math.hypot(*other)) < 1e-3:
        assert found is None or 0.0 <= found <= 2.0
    else:
        assert found == pytest.approx(1 - product / norms, abs=1e-6)
