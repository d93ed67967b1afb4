"""What no document store takes: refused at the door, before any database is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument
from shared.storage.paths import field, split_field
from shared.storage.sqlite_codec import dumps, loads
from shared.storage.values import (
    VECTOR_LIMIT,
    ArrayUnion,
    Changes,
    Data,
    DeleteField,
    Increment,
    Input,
    Vector,
    checked,
)
from shared.storage.writes import Set, Update, Write
from tests.support.document_moves import values
from tests.support.stores import memory_store


@pytest.fixture
async def store() -> AsyncIterator[DocumentStore]:
    """Any store: the door is the same."""
    made = memory_store()
    yield made
    assert made.operations.to_json() == {}
    await made.close()


@pytest.mark.parametrize(
    "path",
    [
        *("", "users", "users/", "/users/u1", "users//u1", "users/u1/jobs", "users/./x/y"),
        *("users/..", "users/__x__", "__x__/a", "users/" + "x" * 1_501, "users/" + "ä" * 751),
        *("users/\ud800", "/".join(["a"] * 202)),
    ],
)
async def test_paths(store: DocumentStore, path: str) -> None:
    with pytest.raises(InvalidArgument):
        await store.get(path)
    with pytest.raises(InvalidArgument):
        await store.set(path, {})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**63, "64 bits"),
        (float("nan"), "finite"),
        (float("-inf"), "finite"),
        (datetime(2026, 1, 1), "time zone"),
        ("\ud800", "Unicode"),
        ([[1]], "directly hold a list"),
        ({"a": [{"b": [[]]}]}, "directly hold a list"),
        ({"__x__": 1}, "reserved"),
        ({"": 1}, "empty"),
        ({"x" * 1_501: 1}, "1501 bytes"),
        (cast(Input, {1: 2}), "name is text"),
        (cast(Input, {1, 2}), "cannot hold a set"),
        (cast(Input, bytearray(b"x")), "cannot hold a bytearray"),
        (cast(Input, object()), "cannot hold a object"),
        (cast(Input, [Increment(1)]), "cannot hold a Increment"),
    ],
)
async def test_values(store: DocumentStore, value: Input, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        await store.set("a/1", {"field": value})
    with pytest.raises(InvalidArgument, match=said):
        await store.update("a/1", {"field": value})
    with pytest.raises(InvalidArgument, match=said):
        await store.update("a/1", {"field": ArrayUnion([value])})


def nested(levels: int) -> Input:
    value: Input = 1
    for _ in range(levels):
        value = {"in": value}
    return value


async def test_depth(store: DocumentStore) -> None:
    deepest = {"field": nested(20)}
    assert checked(deepest, 0) == deepest
    for refused in (
        Set("a/1", {"field": nested(21)}),
        Update("a/1", {"field": nested(21)}),
        Update("a/1", {"field.in": nested(20)}),
        Update("a/1", {"field": ArrayUnion([nested(20)])}),
    ):
        with pytest.raises(InvalidArgument, match="20 levels"):
            await store.commit([refused])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "without changes"),
        ({"a": 1, "a.b": 2}, "overlap"),
        ({"a.b": 1, "a": 2, "a-b": 3}, "overlap"),
        ({"a": {"b": Increment(1)}}, "field path of its own"),
        ({"a": {"b": DeleteField()}}, "field path of its own"),
        ({"a": Increment(cast(int, "1"))}, "takes a number"),
        ({"a": Increment(True)}, "takes a number"),
        ({"a": Increment(2**63)}, "64 bits"),
        *[({path: 1}, "field path|empty|reserved") for path in ("", ".", "a.", ".a", "a..b")],
        *[
            ({path: 1}, "field path|empty|reserved")
            for path in ("`a", "a`b", "`a`b", "``", "__a__")
        ],
    ],
)
async def test_changes(store: DocumentStore, changes: Changes, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        await store.update("a/1", changes)


@pytest.mark.parametrize(
    ("writes", "said"),
    [
        ([Set("a/1", {}), Set("a/1", {})], "at most once"),
        ([Set("a/1", {"b": DeleteField()})], "set with merge"),
        ([Set("a/1", {"b": "x" * 1_048_000, "c": "y" * 1_000})], "over the limit"),
    ],
)
async def test_commits(store: DocumentStore, writes: Sequence[Write], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        await store.commit(writes)


@pytest.mark.parametrize("numbers", [[], [1.0] * (VECTOR_LIMIT + 1), [float("nan")]])
def test_vectors(numbers: list[float]) -> None:
    with pytest.raises(InvalidArgument):
        Vector(numbers)


async def test_nothing_asked_is_nothing_done(store: DocumentStore) -> None:
    assert await store.get_many([]) == []
    assert await store.commit([]) == []


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda name: not (name.startswith("__") and name.endswith("__"))
)


@given(st.lists(names, min_size=1, max_size=4))
def test_field_paths_take_any_names(given_names: list[str]) -> None:
    assert split_field(field(*given_names)) == tuple(given_names)


@given(st.dictionaries(names, values))
def test_text_of_a_document_is_one_for_one(data: dict[str, Input]) -> None:
    kept = checked(data)
    assert isinstance(kept, dict)
    back: Data = loads(dumps(kept))
    assert back == kept
    assert repr(_sorted(back)) == repr(_sorted(kept))
    assert dumps(back) == dumps(dict(reversed(kept.items())))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return [(name, _sorted(value[name])) for name in sorted(value)]
    return [_sorted(item) for item in value] if isinstance(value, list) else value
