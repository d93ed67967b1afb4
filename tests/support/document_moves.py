"""Random work on a document store, for the comparison of two: moves, and what came of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument, PreconditionFailed
from shared.storage.paths import DOCUMENT_ID, field
from shared.storage.queries import Direction, Filter, Op, Order, Query
from shared.storage.values import (
    ArrayRemove,
    ArrayUnion,
    Change,
    Changes,
    Data,
    DeleteField,
    Increment,
    Input,
    ServerTime,
    Value,
)
from shared.storage.writes import Create, Delete, Set, Update, Write

NAMES = ("a", "b", "c.d")
PATHS = (
    *("jobs/1", "jobs/2", "jobs/ä", "jobs/A", "jobs/a", "jobs/a!"),
    *("users/u/jobs/1", "users/u", "users/v/jobs/x-1"),
)
OUTCOME = str | int | list[tuple[str, Data]] | None
_START = datetime(2026, 1, 1, tzinfo=UTC)

numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, -1.5, 2**53, -(2**63), 2**63 - 1, 1e300]),
)
scalars: st.SearchStrategy[Input] = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.sampled_from(["", "a", "b", "a\0b", "ä", "😀", "_", '"', "1"]),
    st.sampled_from([b"", b"a", b"\xff"]),
    st.integers(-1, 1).map(lambda n: _START + timedelta(microseconds=n)),
)


def _lists(inner: st.SearchStrategy[Input]) -> st.SearchStrategy[Input]:
    return st.lists(inner, max_size=3)


def _maps(inner: st.SearchStrategy[Input]) -> st.SearchStrategy[Input]:
    return st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)


values: st.SearchStrategy[Input] = st.one_of(
    scalars, _lists(st.one_of(scalars, _maps(scalars))), _maps(st.one_of(scalars, _maps(scalars)))
)
transforms: st.SearchStrategy[Change] = st.one_of(
    numbers.map(Increment),
    st.lists(scalars, max_size=3).map(ArrayUnion),
    st.lists(scalars, max_size=3).map(ArrayRemove),
    st.just(ServerTime()),
)
fields = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda names: field(*names))
bodies: st.SearchStrategy[Changes] = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(values, values, transforms), max_size=3
)
merges: st.SearchStrategy[Changes] = st.dictionaries(
    st.sampled_from(NAMES),
    st.one_of(
        values,
        transforms,
        st.just(DeleteField()),
        st.dictionaries(
            st.sampled_from(NAMES),
            st.one_of(values, transforms, st.just(DeleteField())),
            max_size=2,
        ),
    ),
    max_size=3,
)
changes: st.SearchStrategy[Changes] = st.dictionaries(
    fields, st.one_of(values, transforms, st.just(DeleteField())), min_size=1, max_size=3
)
paths = st.sampled_from(PATHS)
# -1 and 0 stand for "the version the document has" and "one it does not have".
versions = st.sampled_from([None, None, None, None, -1, 0])


def _set(path: str, body: Changes, version: int | None) -> Write:
    return Set(path, body, if_version=version)


def _merge(path: str, body: Changes, version: int | None) -> Write:
    return Set(path, body, merge=True, if_version=version)


def _create(path: str, body: Data) -> Write:
    return Create(path, body)


def _update(path: str, body: Changes, version: int | None) -> Write:
    return Update(path, body, version)


writes: st.SearchStrategy[Write] = st.one_of(
    st.builds(_set, paths, bodies, versions),
    st.builds(_merge, paths, merges, versions),
    st.builds(_create, paths, bodies),
    st.builds(_update, paths, changes, versions),
    st.builds(Delete, paths, versions),
)
commits = st.one_of(
    writes.map(lambda write: [write]),
    st.lists(writes, min_size=2, max_size=3, unique_by=lambda write: write.path),
)

# A collection worth asking: every document has most fields, most values occur in several.
common = st.one_of(
    scalars,
    st.sampled_from([0, 1, 1.0, True, "a", "b", None]),
    st.lists(st.sampled_from([0, 1, "a", None, {"a": 1}]), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0, 1, "a", None]), max_size=2),
)
contents = st.lists(
    st.dictionaries(st.sampled_from(NAMES), common, min_size=1, max_size=3),
    min_size=3,
    max_size=len(PATHS),
)
_OPS: Sequence[Op] = ("==", "!=", "<", "<=", ">", ">=", "array-contains")
_LIST_OPS: Sequence[Op] = ("in", "not-in", "array-contains-any")
_asked = st.one_of(st.sampled_from(NAMES).map(field), fields)
filters = st.one_of(
    st.builds(Filter, _asked, st.sampled_from(_OPS), common),
    st.builds(Filter, _asked, st.sampled_from(_LIST_OPS), st.lists(common, min_size=1, max_size=3)),
    st.builds(
        Filter,
        st.just(DOCUMENT_ID),
        st.sampled_from(("<", ">=")),
        st.sampled_from(["jobs/1", "jobs/ä", "jobs/0"]),
    ),
)
orders = st.builds(Order, _asked, st.sampled_from(Direction))
queries = st.builds(
    Query,
    st.just("jobs"),
    st.lists(filters, max_size=2),
    st.lists(orders, max_size=2, unique_by=lambda order: order.field),
    st.sampled_from([None, None, 1, 3]),
    st.one_of(st.none(), st.none(), common.map(lambda value: (value,))),
    st.sampled_from([None, None, ["a"], ["b.a", "c"]]),
    st.booleans(),
)


async def carry_out(store: DocumentStore, commit: Sequence[Write]) -> OUTCOME:
    """What the commit ended in: the kind of its error, or the number of writes."""
    found = await store.get_many([write.path for write in commit])
    ready = [_with_version(write, document) for write, document in zip(commit, found, strict=True)]
    try:
        return len(await store.commit(ready))
    except (PreconditionFailed, InvalidArgument) as error:
        return type(error).__name__


def _with_version(write: Write, document: Document | None) -> Write:
    if isinstance(write, Create) or write.if_version is None:
        return write
    version = document.version if document is not None and write.if_version == -1 else 1
    if isinstance(write, Set):
        return Set(write.path, write.data, write.merge, version)
    if isinstance(write, Update):
        return Update(write.path, write.changes, version)
    return Delete(write.path, version)


async def ask(store: DocumentStore, query: Query) -> OUTCOME:
    """What was found, or the kind of error."""
    try:
        return [(each.path, _without_times(each.data)) for each in await store.query(query)]
    except InvalidArgument as error:
        return type(error).__name__


async def state(store: DocumentStore) -> OUTCOME:
    """Every document there is."""
    found = await store.get_many(PATHS)
    return [(each.path, _without_times(each.data)) for each in found if each is not None]


async def kept(store: DocumentStore) -> list[tuple[int, int] | None]:
    """Creation and version of every document."""
    found = await store.get_many(PATHS)
    return [None if each is None else (each.created, each.version) for each in found]


def fate(before: tuple[int, int] | None, after: tuple[int, int] | None) -> str:
    """What became of a document between two looks at it."""
    if before is None or after is None:
        return "absent" if after is before else "made" if before is None else "deleted"
    if before[0] != after[0]:
        return "made anew"
    return "kept" if after[1] == before[1] else "changed" if after[1] > before[1] else "went back"


def _without_times(data: Data) -> Data:
    """Server times differ between two stores; everything else is compared with its type."""
    return {name: _plain(value) for name, value in data.items()}


def _plain(value: Value) -> Value:
    if isinstance(value, datetime):
        return "now" if abs(value - _START) > timedelta(seconds=1) else repr(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return f"{type(value).__name__} {value!r}"
