"""Documents as JSON text in SQLite.

What JSON has no word for lies in a map of one reserved name: ``{"__time__": microseconds}``,
``{"__bytes__": base64}``, ``{"__vector__": base64 of doubles}``. No field of a document can have
such a name. Keys are sorted, so equal documents have equal text.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from datetime import datetime

import orjson

from shared.storage.document import microseconds, moment
from shared.storage.values import Data, Value, Vector

TIME, BYTES, VECTOR = "__time__", "__bytes__", "__vector__"
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_SORT_KEYS


def dumps(data: Data) -> str:
    """The text of checked data."""
    return orjson.dumps(data, default=_tagged, option=_OPTIONS).decode()


def loads(text: str) -> Data:
    """The data of a text."""
    data: Data = orjson.loads(text)
    # Most documents hold nothing tagged, and text with two underscores is rare.
    return _untagged_map(data) if '"__' in text else data


def vector_of(text: str) -> Vector:
    """The vector in a tag."""
    numbers = array("d")
    numbers.frombytes(b64decode(text))
    if sys.byteorder == "big":
        numbers.byteswap()
    return Vector.trusted(numbers)


def _tagged(value: object) -> dict[str, int | str]:
    if isinstance(value, datetime):
        return {TIME: microseconds(value)}
    if isinstance(value, bytes):
        return {BYTES: b64encode(value).decode()}
    if isinstance(value, Vector):
        numbers = array("d", value)
        if sys.byteorder == "big":
            numbers.byteswap()
        return {VECTOR: b64encode(numbers.tobytes()).decode()}
    raise TypeError(f"{type(value).__name__} is no value")


def _untagged(value: Value) -> Value:
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, inner),) = value.items()
            if name == TIME and isinstance(inner, int):
                return moment(inner)
            if name == BYTES and isinstance(inner, str):
                return b64decode(inner)
            if name == VECTOR and isinstance(inner, str):
                return vector_of(inner)
        return _untagged_map(value)
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    return value


def _untagged_map(data: Data) -> Data:
    return {name: _untagged(value) for name, value in data.items()}
