"""The body of a callable request: ``{"data": ...}``, 64-bit numbers wrapped as the protocol does.

Source: https://firebase.google.com/docs/functions/callable-reference.
"""

from __future__ import annotations

import re

from shared.edge.asgi import HttpRequest
from shared.edge.json_body import kind, load_object, wrong, wrong_type
from shared.errors import InvalidRequest
from shared.messages import JsonObject, JsonValue

# What Swift and Kotlin write for whole numbers of 64 bits, which JSON readers may round.
_TYPES = {
    "type.googleapis.com/google.protobuf.Int64Value": (-(2**63), 2**63 - 1),
    "type.googleapis.com/google.protobuf.UInt64Value": (0, 2**64 - 1),
}
_TYPE_KEY = "@type"
# In every body that holds such a number; others are not walked through.
_SIGN = b"google.protobuf"
_WHOLE = re.compile(r"-?\d{1,20}", re.ASCII)


async def read_data(http: HttpRequest) -> JsonObject:
    """What the caller passed. Raises ``InvalidRequest`` for what is no callable request, and what
    ``HttpRequest.body`` and ``load_object`` raise."""
    media = (http.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise InvalidRequest("a callable request is JSON: send content-type application/json")
    body = await http.body()
    loaded = load_object(body)
    if "data" not in loaded:
        wrong("data", 'is required: send {"data": {...}}, as a Firebase SDK does')
    if len(loaded) > 1:
        raise InvalidRequest(
            'a callable request has the one field "data": put everything else inside it'
        )
    data = loaded["data"]
    if _SIGN in body:
        data = _unwrapped(data)
    if not isinstance(data, dict):
        raise InvalidRequest(f"data: expected an object, found {kind(data)}", param="data")
    return data


def _unwrapped(value: JsonValue) -> JsonValue:
    """``value`` with its wrapped numbers as numbers; ``load_object`` has bounded its depth."""
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = value.get(_TYPE_KEY)
    bounds = _TYPES.get(named) if isinstance(named, str) else None
    if bounds is None:
        return {name: _unwrapped(item) for name, item in value.items()}
    return _whole(value.get("value"), bounds)


def _whole(text: JsonValue, bounds: tuple[int, int]) -> int:
    if not isinstance(text, str):
        wrong_type("value", "a whole number in a string beside its @type", text)
    if _WHOLE.fullmatch(text) is None or not bounds[0] <= int(text) <= bounds[1]:
        wrong("value", "must be a whole number of 64 bits, in a string beside its @type")
    return int(text)
