"""What our errors are called in the Firebase callable protocol: a closed table.

Statuses and their HTTP codes are google.rpc.Code's, as Firebase's own server library answers them
(firebase-functions, ``https.ts``). Client SDKs know no others: an unknown name becomes INTERNAL.
"""

from __future__ import annotations

from enum import Enum

from shared.edge.errors import wait_s
from shared.errors import CodeexError
from shared.messages import JsonObject


class Status(Enum):
    """The statuses in use; the value is the HTTP status that goes with each."""

    INVALID_ARGUMENT = 400
    UNAUTHENTICATED = 401
    PERMISSION_DENIED = 403
    NOT_FOUND = 404
    ABORTED = 409
    RESOURCE_EXHAUSTED = 429
    CANCELLED = 499
    INTERNAL = 500
    UNAVAILABLE = 503
    DEADLINE_EXCEEDED = 504


# By the contract's code. HTTP statuses that the protocol does not know (405, 413, 415, 422, 502)
# fall to the one whose meaning is nearest: what the caller sent, or who is not there to answer.
# ``queued`` is no error here: its job is a result.
STATUSES: dict[str, Status] = {
    "invalid_request": Status.INVALID_ARGUMENT,
    "content_filter": Status.INVALID_ARGUMENT,
    "unauthenticated": Status.UNAUTHENTICATED,
    "forbidden": Status.PERMISSION_DENIED,
    "captcha_required": Status.PERMISSION_DENIED,
    "feature_disabled": Status.PERMISSION_DENIED,
    "model_not_found": Status.NOT_FOUND,
    "not_found": Status.NOT_FOUND,
    "method_not_allowed": Status.INVALID_ARGUMENT,
    "conflict": Status.ABORTED,
    "payload_too_large": Status.INVALID_ARGUMENT,
    "unsupported_media": Status.INVALID_ARGUMENT,
    "safety_violation": Status.INVALID_ARGUMENT,
    "injection_detected": Status.INVALID_ARGUMENT,
    "rate_limited": Status.RESOURCE_EXHAUSTED,
    "capacity_exhausted": Status.RESOURCE_EXHAUSTED,
    "client_cancelled": Status.CANCELLED,
    "provider_error": Status.UNAVAILABLE,
    "all_models_failed": Status.UNAVAILABLE,
    "safety_unavailable": Status.UNAVAILABLE,
    "store_unavailable": Status.UNAVAILABLE,
    "deadline_exceeded": Status.DEADLINE_EXCEEDED,
    "internal": Status.INTERNAL,
}


def callable_error(error: CodeexError, request_id: str) -> JsonObject:
    """The protocol's error. ``details`` says what the status cannot: our code, the field at fault,
    the request's id, the seconds after which to come back."""
    details: JsonObject = {"code": error.code, "param": error.param, "request_id": request_id}
    wait = wait_s(error)
    if wait is not None:
        details["retry_after"] = wait
    for name, value in error.details.items():
        details.setdefault(name, value)
    status = STATUSES[error.code].name
    return {"error": {"status": status, "message": error.message, "details": details}}
