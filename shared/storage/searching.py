"""Which documents a query finds and in what order, for a store that has to do it itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from shared.storage.document import Document
from shared.storage.ordering import key
from shared.storage.queries import Clause, Direction, Search, value_at
from shared.storage.values import Data, Value

Key = tuple[int, Hashable]
Found = tuple[tuple[Key, ...], Document]


def find(search: Search, documents: Iterable[Document]) -> list[Document]:
    """The documents found, in order, with the fields selected."""
    matching = matches(search)
    found: list[Found] = []
    for document in documents:
        if matching(document):
            place = _place(search, document)
            if place is not None:
                found.append((place, document))
    directions = [direction for _, direction in search.order]
    if search.start_after is not None:
        edge = _edge(search, search.start_after)
        found = [each for each in found if _compare(each[0], edge, directions) > 0]
    _sort(found, directions)
    if search.limit is not None:
        del found[search.limit :]
    return [selected(search, document) for _, document in found]


def matches(search: Search) -> Callable[[Document], bool]:
    """A test of all the filters of a query."""
    matching = [_matcher(clause) for clause in search.clauses]
    return lambda document: all(match(document) for match in matching)


def selected(search: Search, document: Document) -> Document:
    """The document with the fields that were asked for."""
    if search.select is None:
        return document
    data: Data = {}
    for path in search.select:
        there, value = value_at(document.data, path)
        if there:
            inner = data
            for name in path[:-1]:
                step = inner.setdefault(name, {})
                assert isinstance(step, dict)
                inner = step
            inner[path[-1]] = value
    return Document(document.path, data, document.version, document.created)


def _path_key(path: str) -> Key:
    return 0, tuple(path.split("/"))


def _field(document: Document, path: tuple[str, ...]) -> Key | None:
    if not path:
        return _path_key(document.path)
    there, value = value_at(document.data, path)
    return key(value) if there else None


def _place(search: Search, document: Document) -> tuple[Key, ...] | None:
    """Keys of the fields ordered by; None where one is missing."""
    keys: list[Key] = []
    for path, _ in search.order:
        one = _field(document, path)
        if one is None:
            return None
        keys.append(one)
    return tuple(keys)


def _edge(search: Search, values: tuple[Value, ...]) -> tuple[Key, ...]:
    return tuple(
        key(value) if path else _path_key(str(value))
        for value, (path, _) in zip(values, search.order, strict=False)
    )


def _compare(one: tuple[Key, ...], other: tuple[Key, ...], directions: list[Direction]) -> int:
    """Over as many keys as both have."""
    for mine, its, direction in zip(one, other, directions, strict=False):
        if mine != its:
            above = mine > its
            return 1 if above is (direction is Direction.UP) else -1
    return 0


def _sort(found: list[Found], directions: list[Direction]) -> None:
    """By the last key first: sorting is stable."""
    for index in reversed(range(len(directions))):

        def part(each: Found, index: int = index) -> Key:
            return each[0][index]

        found.sort(key=part, reverse=directions[index] is Direction.DOWN)


def _matcher(clause: Clause) -> Callable[[Document], bool]:
    """A test of one filter."""
    test = _test(clause)

    def match(document: Document) -> bool:
        if not clause.path:
            return test(_path_key(document.path), None)
        there, value = value_at(document.data, clause.path)
        return there and test(key(value), value)

    return match


def _test(clause: Clause) -> Callable[[Key, Value], bool]:
    op, value = clause.op, clause.value

    def of(value: Value) -> Key:
        return key(value) if clause.path else _path_key(str(value))

    if isinstance(value, list) and op in ("in", "not-in", "array-contains-any"):
        wanted = {of(each) for each in value}
        if op == "in":
            return lambda found, _: found in wanted
        if op == "not-in":
            return lambda found, raw: found not in wanted and (raw is not None or not clause.path)
        return lambda _, raw: isinstance(raw, list) and any(key(each) in wanted for each in raw)
    one = of(value)
    if op == "array-contains":
        return lambda _, raw: isinstance(raw, list) and any(key(each) == one for each in raw)
    if op == "==":
        return lambda found, _: found == one
    if op == "!=":
        return lambda found, raw: found != one and (raw is not None or not clause.path)
    return _range(op, one)


def _range(op: str, edge: Key) -> Callable[[Key, Value], bool]:
    """Comparisons hold inside one kind of value."""
    kind = edge[0]
    if op == "<":
        return lambda found, _: found[0] == kind and found < edge
    if op == "<=":
        return lambda found, _: found[0] == kind and found <= edge
    if op == ">":
        return lambda found, _: found[0] == kind and found > edge
    return lambda found, _: found[0] == kind and found >= edge
