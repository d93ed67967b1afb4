"""From bytes to a JSON object, and the words in which a field is said to be wrong.

Every message names the field and says what was expected; none repeats the value that was sent,
which may be a secret. Fields are named by path: ``messages[2].content[0].image_url.url``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import orjson

from shared.edge.parse_position import path_at
from shared.errors import InvalidRequest, PayloadTooLarge
from shared.messages import JsonObject, JsonValue

# Contract, Chat: bodies to 24 MiB, else 413.
MAX_BODY_BYTES = 24 * 1024 * 1024
# orjson reads 1,024 levels but writes only 254: what is taken must also go out again, with the
# levels a provider's format adds around it. Real tool schemas stay under 40.
MAX_DEPTH = 128
# Far above any real conversation; it bounds what looking through a hostile body costs.
MAX_CONTAINERS = 500_000

_CONTAINERS: frozenset[type] = frozenset((list, dict))


def load_object(body: bytes) -> JsonObject:
    """The JSON object that ``body`` (UTF-8) holds. A key given twice counts as its last value.

    Raises ``PayloadTooLarge`` over 24 MiB and ``InvalidRequest`` for what is not JSON (naming line,
    column and the field the fault is in), not an object, nested over ``MAX_DEPTH`` levels, or
    holding over ``MAX_CONTAINERS`` arrays and objects.
    """
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(
            f"the body has {len(body):,} bytes and the limit is {MAX_BODY_BYTES:,} (24 MiB): send "
            "less at once, for example fewer or smaller images"
        )
    try:
        loaded: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from None
    if not isinstance(loaded, dict):
        raise InvalidRequest(
            f'the body must be a JSON object such as {{"model": "auto", "messages": [...]}}, '
            f"found {kind(loaded)}"
        )
    # Fewer brackets than levels allowed: nothing can be too deep (the common case, in C).
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(loaded)
    return loaded


def _check_depth(loaded: JsonObject) -> None:
    """Level by level, so that no depth can exhaust the stack."""
    containers = 0
    for name, value in loaded.items():
        level = [value] if isinstance(value, (list, dict)) else []
        depth = 1
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_much(name, f"nested more than {MAX_DEPTH} levels deep")
            containers += len(level)
            if containers > MAX_CONTAINERS:
                raise _too_much(name, f"brings the body over {MAX_CONTAINERS:,} arrays and objects")
            level = [child for parent in level for child in _containers_in(parent)]


def _too_much(name: str, what: str) -> InvalidRequest:
    param = shown_key(name)
    return InvalidRequest(
        f"{param or 'the body'}: {what}: send a smaller or flatter structure", param=param
    )


def _containers_in(
    parent: list[JsonValue] | dict[str, JsonValue],
) -> list[list[JsonValue] | JsonObject]:
    children: Iterable[JsonValue] = parent.values() if isinstance(parent, dict) else parent
    if _CONTAINERS.isdisjoint(map(type, children)):  # in C: a long array of numbers costs little
        return []
    return [child for child in children if isinstance(child, (list, dict))]


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> InvalidRequest:
    if not body.strip():
        return InvalidRequest(
            'the body is empty: send a JSON object {"model": ..., "messages": ...}'
        )
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as wrong:
        param = path_at(body[: wrong.start].decode("utf-8"), wrong.start)
        return InvalidRequest(
            f"{_inside(param)}byte {wrong.start} is not valid UTF-8: encode the body as UTF-8",
            param=param,
        )
    param = path_at(text, error.pos)
    return InvalidRequest(
        f"{_inside(param)}the body is not valid JSON: {error.msg} at line {error.lineno}, column "
        f"{error.colno}: send standard JSON (no NaN, no Infinity, no trailing comma)",
        param=param,
    )


def _inside(param: str | None) -> str:
    return f"{param}: " if param else ""


def shown_key(key: str) -> str | None:
    """``key`` where it is short and plain enough to stand in a message, else None."""
    return key if len(key) <= 64 and key.isascii() and key.isprintable() else None


def kind(value: JsonValue) -> str:
    """The JSON type of ``value`` in words, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, dict):
        return "an object"
    return "a number"


def wrong(param: str, why: str) -> NoReturn:
    """Raises ``InvalidRequest`` for the field ``param``; ``why`` says what to send instead."""
    raise InvalidRequest(f"{param}: {why}", param=param)


def wrong_type(param: str, expected: str, value: JsonValue) -> NoReturn:
    """Raises ``InvalidRequest`` for a field of another type than ``expected`` (in words)."""
    raise InvalidRequest(f"{param}: expected {expected}, found {kind(value)}", param=param)


def number_in(value: JsonValue, param: str, low: float, high: float) -> float:
    """A number (not a boolean) from ``low`` to ``high``. Raises ``InvalidRequest``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        wrong_type(param, f"a number from {low:g} to {high:g}", value)
    if not low <= value <= high:
        wrong(param, f"must be a number from {low:g} to {high:g}")
    return value


def integer_in(value: JsonValue, param: str, low: int, high: int) -> int:
    """A whole number (not a boolean) from ``low`` to ``high``. Raises ``InvalidRequest``."""
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float):
            wrong(param, f"must be a whole number from {low:,} to {high:,}, without a fraction")
        wrong_type(param, f"a whole number from {low:,} to {high:,}", value)
    if not low <= value <= high:
        wrong(param, f"must be a whole number from {low:,} to {high:,}")
    return value


def boolean(value: JsonValue, param: str) -> bool:
    """true or false. Raises ``InvalidRequest``."""
    if not isinstance(value, bool):
        wrong_type(param, "true or false", value)
    return value


def string(value: JsonValue, param: str) -> str:
    """A string. Raises ``InvalidRequest``."""
    if not isinstance(value, str):
        wrong_type(param, "a string", value)
    return value


def json_object(value: JsonValue, param: str) -> JsonObject:
    """An object. Raises ``InvalidRequest``."""
    if not isinstance(value, dict):
        wrong_type(param, "an object", value)
    return value


def array(value: JsonValue, param: str) -> list[JsonValue]:
    """An array. Raises ``InvalidRequest``."""
    if not isinstance(value, list):
        wrong_type(param, "an array", value)
    return value


def one_of(value: JsonValue, param: str, choices: tuple[str, ...]) -> str:
    """One of the strings ``choices``. Raises ``InvalidRequest``."""
    if not isinstance(value, str):
        wrong_type(param, f"one of {', '.join(choices)}", value)
    if value not in choices:
        wrong(param, f"must be one of {', '.join(choices)}")
    return value
