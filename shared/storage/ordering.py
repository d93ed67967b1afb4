"""The one order all values stand in, as Firestore has it (docs, "Supported data types").

null < false < true < numbers < times < text < bytes < lists < vectors < maps.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from shared.storage.values import Value, Vector

NULL, BOOLEAN, NUMBER, TIME, TEXT, BYTES, LIST, VECTOR, MAP = range(9)


def rank(value: Value) -> int:
    """Which kind a value is of; comparisons in filters hold inside one kind."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return TEXT
    if isinstance(value, (int, float)):
        return NUMBER
    if isinstance(value, dict):
        return MAP
    if isinstance(value, list):
        return LIST
    if isinstance(value, datetime):
        return TIME
    return BYTES if isinstance(value, bytes) else VECTOR


def key(value: Value) -> tuple[int, Hashable]:
    """Equal for values that are equal to a query (1 and 1.0 are), ordered as values are.

    Python orders text by code points, which is the order of its UTF-8 bytes.
    """
    kind = rank(value)
    if kind == MAP:
        assert isinstance(value, dict)
        return kind, tuple((name, key(value[name])) for name in sorted(value))
    if kind == LIST:
        assert isinstance(value, list)
        return kind, tuple(map(key, value))
    if kind == VECTOR:
        assert isinstance(value, Vector)
        return kind, (len(value), tuple(value))
    if kind == NULL:
        return kind, 0
    assert not isinstance(value, (dict, list))
    return kind, value
