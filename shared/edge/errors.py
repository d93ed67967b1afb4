"""The one place where an error becomes a response (rule of the house 4)."""

from __future__ import annotations

import math

from shared.edge.asgi import Header
from shared.errors import CodeexError
from shared.messages import JsonObject


def error_object(error: CodeexError, request_id: str) -> JsonObject:
    """The OpenAI-shaped error object (contract, Errors), details beside the standard fields."""
    body: JsonObject = {
        "message": error.message,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "request_id": request_id,
    }
    for name, value in error.details.items():
        body.setdefault(name, value)
    return {"error": body}


def error_headers(error: CodeexError) -> list[Header]:
    """``Retry-After`` (whole seconds, rounded up) where the error knows when to come back."""
    if error.retry_after is None:
        return []
    return [(b"retry-after", b"%d" % max(1, math.ceil(error.retry_after)))]
