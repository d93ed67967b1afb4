"""The one place where an error becomes a response (rule of the house 4)."""

from __future__ import annotations

import math

from shared.edge.asgi import Header
from shared.errors import CodeexError, MethodNotAllowed, Queued
from shared.messages import JsonObject

# Every 429 and 503 says when to come back (contract, Chat); this where nothing knows better, as
# when a setting would have to change first.
RETRY_AFTER_S = 30.0


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
    if isinstance(error, Queued):
        body["job"] = error.job
    return {"error": body}


def response_body(error: CodeexError, request_id: str) -> JsonObject:
    """The body of a response that has no other: the error object, or the job of a queued request
    (contract, Chat)."""
    return error.job if isinstance(error, Queued) else error_object(error, request_id)


def error_headers(error: CodeexError) -> list[Header]:
    """``Allow`` on 405 (RFC 9110, 15.5.6); ``Location`` of a job; ``Retry-After`` in whole seconds,
    rounded up, on 429 and 503 and wherever the error knows when to come back."""
    if isinstance(error, MethodNotAllowed):
        return [(b"allow", ", ".join(error.allowed).encode())]
    if isinstance(error, Queued):
        return [(b"location", f"/v1/jobs/{error.job['id']}".encode())]
    wait = wait_s(error)
    return [] if wait is None else [(b"retry-after", b"%d" % wait)]


def wait_s(error: CodeexError) -> int | None:
    """When to come back, in whole seconds, rounded up; None where coming back changes nothing."""
    wait = error.retry_after
    if wait is None and error.status in (429, 503):
        wait = RETRY_AFTER_S
    return None if wait is None else max(1, math.ceil(wait))
