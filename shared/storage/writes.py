"""Writes as callers say them, and the one plain form both stores carry out.

The plain form is Firestore's own: a precondition, then the fields to replace (all of them, or those
of a mask), then transforms. Saying it once here is what makes the two stores equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct, field

from shared.storage.errors import InvalidArgument
from shared.storage.paths import FieldPath, check_field, split_document, split_field
from shared.storage.values import (
    DEPTH_LIMIT,
    ArrayRemove,
    ArrayUnion,
    Change,
    Changes,
    Data,
    DeleteField,
    Increment,
    ServerTime,
    Transform,
    Value,
    check_size,
    checked,
    checked_list,
)

COMMIT_LIMIT = 500  # writes in one commit


class Set(Struct, frozen=True):
    """Write the whole document, or with ``merge`` only the fields named (maps merge deeply).

    Makes the document where there is none, unless ``if_version`` is given.
    """

    path: str
    data: Changes
    merge: bool = False
    if_version: int | None = None


class Create(Struct, frozen=True):
    """Write a document that must not exist."""

    path: str
    data: Changes


class Update(Struct, frozen=True):
    """Change fields of a document that must exist.

    Keys of ``changes`` are dotted field paths (``paths.field`` writes them for odd names); a value
    replaces what is there, a map too.
    """

    path: str
    changes: Changes
    if_version: int | None = None


class Delete(Struct, frozen=True):
    """Take the document away (what lies below it stays). Missing is fine without a version."""

    path: str
    if_version: int | None = None


Write = Set | Create | Update | Delete


class Append(Struct, frozen=True):
    """A checked ``ArrayUnion``."""

    values: list[Value]


class Remove(Struct, frozen=True):
    """A checked ``ArrayRemove``."""

    values: list[Value]


Step = Increment | Append | Remove | ServerTime


class Plan(Struct, frozen=True):
    """One write in plain form; every part is checked.

    ``data`` None deletes. ``mask`` None replaces the whole document; else each of its paths is set
    to what ``data`` holds there, or taken out. ``exists`` and ``version`` are preconditions.
    """

    path: str
    data: Data | None
    mask: tuple[FieldPath, ...] | None = None
    transforms: tuple[tuple[FieldPath, Step], ...] = ()
    exists: bool | None = None
    version: int | None = None

    @property
    def repeatable(self) -> bool:
        """Whether carrying it out twice leaves what carrying it out once does."""
        return (
            self.exists is not False
            and self.version is None
            and not any(isinstance(change, Increment) for _, change in self.transforms)
        )


class _Parts(Struct):
    """What is gathered while a write's values are walked."""

    data: Data = field(default_factory=dict)
    paths: list[FieldPath] = field(default_factory=list)
    transforms: list[tuple[FieldPath, Step]] = field(default_factory=list)

    def put(self, path: FieldPath, change: Change, *, deletes: bool) -> None:
        """Take in one leaf: a value, a transform or a deletion."""
        if isinstance(change, DeleteField):
            if not deletes:
                raise InvalidArgument("DeleteField goes into update, or set with merge")
            self.paths.append(path)
        elif isinstance(change, (Increment, ArrayUnion, ArrayRemove, ServerTime)):
            self.transforms.append((path, _checked_transform(change)))
        else:
            self.paths.append(path)
            inner = self.data
            for name in path[:-1]:
                step = inner.setdefault(name, {})
                assert isinstance(step, dict)
                inner = step
            inner[path[-1]] = checked(change, len(path))  # type: ignore[arg-type]


def plan(write: Write) -> Plan:
    """The plain form of a write. Raises ``InvalidArgument``."""
    split_document(write.path)
    made = _planned(write)
    if made.data is not None:
        check_size(made.path, made.data)
    return made


def plan_all(writes: Sequence[Write]) -> list[Plan]:
    """Plain forms of one commit: up to 500, and no document twice."""
    if len(writes) > COMMIT_LIMIT:
        raise InvalidArgument(f"{len(writes)} writes in one commit; {COMMIT_LIMIT} are allowed")
    if len({write.path for write in writes}) < len(writes):
        raise InvalidArgument("a commit writes one document at most once")
    return [plan(write) for write in writes]


def _planned(write: Write) -> Plan:
    if isinstance(write, Delete):
        return Plan(write.path, None, version=write.if_version)
    if isinstance(write, Update):
        exists = True if write.if_version is None else None
        parts = _update_parts(write)
        mask = tuple(sorted(parts.paths))
        return Plan(write.path, parts.data, mask, tuple(parts.transforms), exists, write.if_version)
    merge = isinstance(write, Set) and write.merge
    parts = _Parts()
    for path, change in _leaves(write.data, ()):
        parts.put(path, change, deletes=merge)
    return Plan(
        write.path,
        parts.data,
        tuple(sorted(parts.paths)) if merge else None,
        tuple(parts.transforms),
        False if isinstance(write, Create) else None,
        write.if_version if isinstance(write, Set) else None,
    )


def _update_parts(write: Update) -> _Parts:
    if not write.changes:
        raise InvalidArgument(f"{write.path}: an update without changes")
    parts = _Parts()
    paths = sorted((split_field(name), name) for name in write.changes)
    for (earlier, first), (later, second) in pairwise(paths):
        if later[: len(earlier)] == earlier:
            raise InvalidArgument(f"{write.path}: {first!r} and {second!r} overlap")
    for path, name in paths:
        change = write.changes[name]
        if isinstance(change, Mapping) and any(
            isinstance(leaf, (DeleteField, Transform)) for _, leaf in _leaves(change, ())
        ):
            raise InvalidArgument(f"{name!r}: give a transform a field path of its own")
        parts.put(path, change, deletes=True)
    return parts


def _leaves(data: Changes, above: FieldPath) -> Iterator[tuple[FieldPath, Change]]:
    """Every value that is no map with content, with its path. An empty map is a leaf."""
    if len(above) > DEPTH_LIMIT:
        raise InvalidArgument(f"values lie more than {DEPTH_LIMIT} levels deep")
    for name, value in data.items():
        if not isinstance(name, str):
            raise InvalidArgument(f"a field's name is text, not {type(name).__name__}")
        check_field(name)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _checked_transform(change: Transform) -> Step:
    if isinstance(change, Increment):
        by = change.by
        if isinstance(by, bool) or not isinstance(by, (int, float)):
            raise InvalidArgument(f"Increment takes a number, not {type(by).__name__}")
        checked(by)
    elif isinstance(change, ArrayUnion):
        return Append(checked_list(change.values, 2))
    elif isinstance(change, ArrayRemove):
        return Remove(checked_list(change.values, 2))
    return change
