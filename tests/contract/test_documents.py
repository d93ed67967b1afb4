"""Single documents on both databases: reading, writing, preconditions, transforms, commits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest

from shared.storage.document import live
from shared.storage.documents import DocumentStore
from shared.storage.errors import (
    AlreadyExists,
    DocumentTooLarge,
    InvalidArgument,
    Missing,
    VersionConflict,
)
from shared.storage.paths import field
from shared.storage.values import (
    INT_MAX,
    TEXT_LIMIT,
    ArrayRemove,
    ArrayUnion,
    Changes,
    Data,
    DeleteField,
    Increment,
    ServerTime,
    Vector,
)
from shared.storage.writes import Create, Delete, Set, Update

JOB = "users/u1/jobs/j1"
EVERYTHING: Data = {
    "null": None,
    "flag": True,
    "whole": INT_MAX,
    "real": 0.1,
    "text": "\0 ä 😀 \" \\ '",
    "bytes": b"\x00\xff",
    "time": datetime(2026, 11, 23, 14, 15, 16, 123457, tzinfo=UTC),
    "vector": Vector([0.25, -1.0, 1e-9]),
    "list": [1, 1.0, None, {"inner": [b"", datetime(1, 1, 1, tzinfo=UTC)]}],
    "map": {"a.b": {"`": {}}, "_": {"x": Vector([1])}, "deep": {"er": {"still": []}}},
    "gemini-2.5-flash": 5,
}


async def content(store: DocumentStore, path: str = JOB) -> Data:
    document = await store.get(path)
    assert document is not None
    return document.data


async def test_every_kind_of_value_comes_back_as_it_was(documents: DocumentStore) -> None:
    await documents.set(JOB, EVERYTHING)
    found = await content(documents)
    assert found == EVERYTHING
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in EVERYTHING.items()
    }


async def test_times_are_kept_in_utc_and_enums_as_text(documents: DocumentStore) -> None:
    class State(StrEnum):
        QUEUED = "queued"

    noon = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    await documents.set(JOB, {"at": noon, "state": State.QUEUED})
    found = await content(documents)
    assert found == {"at": datetime(2026, 1, 1, 12, tzinfo=UTC), "state": "queued"}
    assert type(found["state"]) is str


async def test_what_is_read_is_the_readers_own(documents: DocumentStore) -> None:
    await documents.set(JOB, {"list": [1]})
    found = await content(documents)
    found["list"] = []
    assert await content(documents) == {"list": [1]}


async def test_a_document_knows_its_name_and_times(documents: DocumentStore) -> None:
    first = await documents.create(JOB, {"n": 1})
    second = await documents.update(JOB, {"n": 2})
    found = await documents.get(JOB)
    assert found is not None
    assert (found.path, found.id, found.collection) == (JOB, "j1", "jobs")
    assert (found.created, found.version) == (first, second)
    assert first < second
    assert found.updated_at - found.created_at == timedelta(microseconds=second - first)


async def test_missing_documents_are_none(documents: DocumentStore) -> None:
    await documents.set("a/1", {})
    await documents.set("a/3", {"n": 3})
    found = await documents.get_many(["a/3", "a/2", "a/1", "a/3"])
    assert [each and each.data for each in found] == [{"n": 3}, None, {}, {"n": 3}]
    assert await documents.get("a/2") is None
    assert await documents.get("a/1/b/1") is None


async def test_set_replaces_and_merge_goes_deep(documents: DocumentStore) -> None:
    await documents.set(JOB, {"keep": 1, "map": {"a": 1, "b": {"c": 1}}, "list": [1, 2]})
    await documents.set(
        JOB, {"map": {"b": {"d": 2}, "a": DeleteField()}, "list": [3], "x.y": 1}, merge=True
    )
    assert await content(documents) == {
        "keep": 1,
        "map": {"b": {"c": 1, "d": 2}},
        "list": [3],
        "x.y": 1,
    }
    await documents.set(JOB, {"map": {}}, merge=True)
    assert (await content(documents))["map"] == {}
    await documents.set(JOB, {"only": 1})
    assert await content(documents) == {"only": 1}


async def test_merge_makes_what_is_missing(documents: DocumentStore) -> None:
    await documents.set(JOB, {"used": {"gemini-2.5-flash": Increment(3)}}, merge=True)
    await documents.set(JOB, {"used": {"gemini-2.5-flash": Increment(4)}}, merge=True)
    assert await content(documents) == {"used": {"gemini-2.5-flash": 7}}


async def test_create_claims_once(documents: DocumentStore) -> None:
    await documents.create(JOB, {"owner": 1})
    with pytest.raises(AlreadyExists) as raised:
        await documents.create(JOB, {"owner": 2})
    assert raised.value.path == JOB
    assert await content(documents) == {"owner": 1}


async def test_update_takes_field_paths(documents: DocumentStore) -> None:
    await documents.set(JOB, {"a": {"b": 1, "c": 2}, "plain": 1, "models": {"x-1.5": 1}})
    changes: Changes = {
        "a.b": {"new": True},
        "plain.now.a.map": 2,
        field("models", "x-1.5"): 9,
        "a.gone": DeleteField(),
        "`a.b`": "a name with a dot",
    }
    await documents.update(JOB, changes)
    assert await content(documents) == {
        "a": {"b": {"new": True}, "c": 2},
        "plain": {"now": {"a": {"map": 2}}},
        "models": {"x-1.5": 9},
        "a.b": "a name with a dot",
    }


async def test_update_needs_a_document(documents: DocumentStore) -> None:
    with pytest.raises(Missing) as raised:
        await documents.update(JOB, {"a": 1})
    assert raised.value.path == JOB
    assert await documents.get(JOB) is None


async def test_versions_guard_every_kind_of_write(documents: DocumentStore) -> None:
    old = await documents.set(JOB, {"n": 1})
    new = await documents.update(JOB, {"n": 2}, if_version=old)
    for refused in (
        documents.update(JOB, {"n": 3}, if_version=old),
        documents.set(JOB, {"n": 3}, if_version=old),
        documents.set(JOB, {"n": 3}, merge=True, if_version=old),
        documents.delete(JOB, if_version=old),
    ):
        with pytest.raises(VersionConflict) as raised:
            await refused
        assert raised.value.path == JOB
    assert await content(documents) == {"n": 2}
    await documents.delete(JOB, if_version=new)
    for refused in (
        documents.update(JOB, {"n": 3}, if_version=new),
        documents.set(JOB, {"n": 3}, if_version=new),
        documents.delete(JOB, if_version=new),
    ):
        with pytest.raises(VersionConflict):
            await refused
    assert await documents.get(JOB) is None


async def test_a_write_that_changes_nothing_keeps_the_version(documents: DocumentStore) -> None:
    """So a claim must name its holder: see ``DocumentStore.change``."""
    first = await documents.set(JOB, {"n": 1, "m": {"b": 1, "a": [2]}})
    assert await documents.set(JOB, {"m": {"a": [2], "b": 1}, "n": 1}) == first
    assert await documents.update(JOB, {"m.b": 1, "none": DeleteField()}) == first
    assert await documents.update(JOB, {"n": 1.0}) > first


async def test_a_deleted_document_comes_back_with_a_later_version(
    documents: DocumentStore,
) -> None:
    first = await documents.set(JOB, {"n": 1})
    await documents.delete(JOB)
    await documents.delete(JOB)
    assert await documents.create(JOB, {"n": 1}) > first


async def test_increments_start_at_zero_and_stop_at_64_bits(documents: DocumentStore) -> None:
    await documents.set(JOB, {"text": "x", "most": INT_MAX - 1, "real": 0.5})
    changes: Changes = {
        "new.n": Increment(2),
        "text": Increment(1),
        "most": Increment(5),
        "real": Increment(1),
    }
    await documents.update(JOB, changes)
    await documents.update(JOB, {"new.n": Increment(0.5)})
    assert await content(documents) == {
        "new": {"n": 2.5},
        "text": 1,
        "most": INT_MAX,
        "real": 1.5,
    }


async def test_lists_unite_and_lose_values(documents: DocumentStore) -> None:
    await documents.set(JOB, {"a": [1, "x", 1], "b": [1, {"k": [2]}, 1.0, None], "c": 5})
    changes: Changes = {
        "a": ArrayUnion([1.0, "y", "y", {"k": 1}]),
        "b": ArrayRemove([1, {"k": [2]}]),
        "c": ArrayUnion([True]),
        "d": ArrayUnion([2, 2]),
        "e": ArrayRemove([1]),
    }
    await documents.update(JOB, changes)
    assert await content(documents) == {
        "a": [1, "x", 1, "y", {"k": 1}],
        "b": [None],
        "c": [True],
        "d": [2],
        "e": [],
    }


async def test_server_time_is_the_commits_to_the_millisecond(documents: DocumentStore) -> None:
    version = await documents.set(JOB, {"at": ServerTime(), "in": {"it": ServerTime()}})
    found = await documents.get(JOB)
    assert found is not None
    at = found.data["at"]
    assert isinstance(at, datetime)
    assert found.data["in"] == {"it": at}
    assert at.microsecond % 1_000 == 0
    assert abs(found.updated_at - at) < timedelta(seconds=5)
    assert found.version == version


async def test_a_commit_is_all_or_nothing(documents: DocumentStore) -> None:
    version = await documents.set("a/1", {"n": 1})
    versions = await documents.commit(
        [
            Update("a/1", {"n": Increment(1)}, if_version=version),
            Create("a/2", {"n": 2}),
            Set("a/3", {"n": 3}, merge=True),
            Delete("a/4"),
        ]
    )
    found = await documents.get_many(["a/1", "a/2", "a/3", "a/4"])
    assert [each and each.data["n"] for each in found] == [2, 2, 3, None]
    assert versions == [each.version if each else 0 for each in found]
    with pytest.raises(VersionConflict):
        await documents.commit(
            [Set("a/5", {}), Delete("a/3"), Update("a/1", {"n": 0}, if_version=version)]
        )
    with pytest.raises(AlreadyExists):
        await documents.commit([Set("a/5", {}), Create("a/2", {})])
    with pytest.raises(Missing):
        await documents.commit([Set("a/5", {}), Update("a/6", {"n": 1})])
    assert await documents.get_many(["a/1", "a/2", "a/3", "a/5"]) == [*found[:3], None]


async def test_a_commit_takes_500_writes(documents: DocumentStore) -> None:
    writes = [Set(f"many/{n}", {"n": n}) for n in range(500)]
    versions = await documents.commit(writes)
    assert len(versions) == 500
    assert (await content(documents, "many/499")) == {"n": 499}
    with pytest.raises(InvalidArgument, match="501 writes"):
        await documents.commit([*writes, Set("many/500", {})])
    assert await documents.commit([]) == []


async def test_a_document_may_be_one_mebibyte_and_no_more(documents: DocumentStore) -> None:
    await documents.set(JOB, {"text": "x" * TEXT_LIMIT})
    with pytest.raises(DocumentTooLarge, match=JOB):
        await documents.set(JOB, {"text": "x" * TEXT_LIMIT, "more": "y" * 100})
    with pytest.raises(DocumentTooLarge):
        await documents.set(JOB, {"text": "x" * (TEXT_LIMIT + 1)})
    with pytest.raises(DocumentTooLarge):
        await documents.update(JOB, {"more": "y" * 100_000})
    assert list(await content(documents)) == ["text"]


async def test_expired_documents_are_not_live(documents: DocumentStore) -> None:
    at = datetime(2999, 1, 1, tzinfo=UTC)
    await documents.set(JOB, {"expires_at": at})
    found = await documents.get(JOB)
    assert live(found, at.timestamp() - 1)
    assert not live(found, at.timestamp())
    assert not live(None, 0)
    await documents.set(JOB, {})
    assert live(await documents.get(JOB), at.timestamp())


async def test_what_is_done_is_counted_as_it_is_billed(documents: DocumentStore) -> None:
    await documents.set(JOB, {"n": 1})
    await documents.get_many([JOB, "users/u1/jobs/none", "users/u1"])
    await documents.commit([Delete("users/u1"), Set("users/u2", {})])
    with pytest.raises(AlreadyExists):
        await documents.create(JOB, {})
    with pytest.raises(InvalidArgument):
        await documents.set("bad path", {})
    assert documents.operations.to_json() == {
        "jobs": {"reads": 3, "writes": 1, "deletes": 0},
        "users": {"reads": 1, "writes": 1, "deletes": 1},
    }


async def test_many_callers_at_once_lose_nothing(documents: DocumentStore) -> None:
    await documents.set(JOB, {"n": 0})
    await asyncio.gather(*(documents.update(JOB, {"n": Increment(1)}) for _ in range(50)))
    assert await content(documents) == {"n": 50}
