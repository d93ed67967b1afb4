"""Reading documents from the tables."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from shared.storage.document import Document, microseconds
from shared.storage.paths import FieldPath
from shared.storage.queries import Clause, Search
from shared.storage.sqlite_codec import TIME, loads
from shared.storage.values import Value

CHUNK = 500  # names in one statement
Parameter = str | int | float
# Names and texts that read the same in JSON, in its paths and in SQLite.
_PLAIN = re.compile(r"[^\x00-\x1f\"\\\x7f]+")


def read_documents(connection: sqlite3.Connection, paths: Sequence[str]) -> list[Document | None]:
    """Documents in the order of ``paths``, all at one moment."""
    found: dict[str, Document] = {}
    with snapshot(connection):
        for start in range(0, len(paths), CHUNK):
            some = paths[start : start + CHUNK]
            rows = connection.execute(
                "SELECT path, data, version, created FROM documents WHERE path IN "
                f"({', '.join('?' * len(some))})",
                some,
            )
            for document in _documents(rows):
                found[document.path] = document
    return [found.get(path) for path in paths]


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements inside see one moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")


def candidates(connection: sqlite3.Connection, search: Search) -> Iterator[Document]:
    """At least the documents that ``search`` finds, in no order."""
    where, values = condition(search)
    rows = connection.execute(
        f"SELECT path, data, version, created FROM documents WHERE {where}", values
    )
    return _documents(rows)


def condition(search: Search) -> tuple[str, list[Parameter]]:
    """SQL that holds for at least the documents found, and the values it takes.

    SQLite reads the JSON faster than Python would; what it lets through is judged again.
    """
    terms = ["collection = ?" if search.group else "parent = ?"]
    values: list[Parameter] = [search.collection]
    for clause in search.clauses:
        term, taken = _term(clause)
        if term:
            terms.append(term)
            values += taken
    return " AND ".join(terms), values


def json_path(path: FieldPath) -> str | None:
    """SQLite's path of a field; None for names it may read otherwise."""
    if not path or not all(map(_PLAIN.fullmatch, path)):
        return None
    return "$" + "".join(f'."{name}"' for name in path)


def _documents(rows: Iterable[tuple[str, str, int, int]]) -> Iterator[Document]:
    for path, text, version, created in rows:
        yield Document(path, loads(text), version, created)


def _term(clause: Clause) -> tuple[str, list[Parameter]]:
    """One filter as SQL, or "" where SQLite's idea of it may be narrower than ours."""
    place = json_path(clause.path)
    if place is None:
        return "", []
    if clause.op == "in" and isinstance(clause.value, list):
        taken = [value for value in map(_parameter, clause.value) if value is not None]
        if len(taken) < len(clause.value):
            return "", []
        return f"json_extract(data, ?) IN ({', '.join('?' * len(taken))})", [place, *taken]
    if isinstance(clause.value, datetime):
        place += f'."{TIME}"'
        value: Parameter | None = microseconds(clause.value)
    else:
        value = _parameter(clause.value)
    # SQLite cuts text at a zero byte, so it may call equal what is larger.
    op = {"==": "=", "<": "<", "<=": "<=", ">": ">=", ">=": ">="}.get(clause.op)
    if op is None or value is None:
        return "", []
    return f"json_extract(data, ?) {op} ?", [place, value]


def _parameter(value: Value) -> Parameter | None:
    """What SQLite compares as we do."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else None
    return value if isinstance(value, (bool, int, float)) else None
