"""Error answers in each provider's own form (reference: the providers' error pages)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.messages import JsonObject, JsonValue


@dataclass(slots=True)
class WireError(Exception):
    """A call the simulated provider refuses. ``code`` "" takes the status's usual one."""

    status: int
    message: str
    code: str = ""
    param: str | None = None
    retry_after: float | None = None
    kind: str = ""


@dataclass(slots=True)
class ErrorAnswer:
    """Status, headers and body, ready to be sent."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


# What a status means at the OpenAI-like providers: (message, type, code).
_GROQ: dict[int, tuple[str, str, str]] = {
    400: ("The request was invalid.", "invalid_request_error", "invalid_request"),
    401: ("Invalid API Key", "invalid_request_error", "invalid_api_key"),
    402: ("Payment required for this organization.", "billing_error", "payment_required"),
    403: ("Your project does not have access.", "permissions_error", "permission_denied"),
    404: ("The model does not exist or you do not have access to it.", "", "model_not_found"),
    413: ("Request too large for this model on tokens per minute (TPM).", "tokens", "too_large"),
    422: ("The model produced an answer that could not be used.", "", "unprocessable"),
    429: (
        "Rate limit reached on requests per minute (RPM): Limit 30, Used 30.",
        "requests",
        "rate_limit_exceeded",
    ),
    498: ("Flex tier capacity exceeded.", "capacity_exceeded", "capacity_exceeded"),
    500: ("Internal Server Error", "internal_server_error", ""),
    502: ("Bad Gateway", "internal_server_error", ""),
    503: ("Service Unavailable: the model is over capacity.", "internal_server_error", ""),
}
_CEREBRAS: dict[int, tuple[str, str, str]] = {
    400: ("The request is not valid.", "invalid_request_error", "wrong_api_format"),
    401: ("Wrong API Key", "invalid_request_error", "wrong_api_key"),
    402: ("Payment required to use this resource.", "payment_required_error", "payment_required"),
    403: ("You do not have permission.", "permission_error", "permission_denied"),
    404: ("Model does not exist or you do not have access.", "not_found_error", "model_not_found"),
    413: ("Request body is too large.", "invalid_request_error", "request_too_large"),
    429: (
        "Requests per minute limit exceeded - too many requests sent.",
        "too_many_requests_error",
        "request_quota_exceeded",
    ),
    500: ("Encountered a server error, please try again.", "server_error", ""),
    503: ("We're experiencing high traffic right now!", "too_many_requests_error", "queue_full"),
}
_HUGGINGFACE: dict[int, str] = {
    400: "The request is not valid.",
    401: "Invalid username or password.",
    402: "You have exceeded your monthly included credits for Inference Providers. Subscribe to "
    "PRO to get 20x more monthly included usage.",
    403: "This authentication method does not have sufficient permissions to call Inference "
    "Providers on behalf of the user.",
    404: "Not Found",
    429: "Too many requests. Please try again later.",
    503: "Service temporarily unavailable.",
    504: "Request timeout.",
}
_GOOGLE: dict[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission."),
    404: ("NOT_FOUND", "The model is not found for API version v1beta, or is no longer available."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The deadline expired before the operation could complete."),
}
_ELEVENLABS: dict[int, tuple[str, str]] = {
    400: ("invalid_parameters", "The request is not valid."),
    401: ("invalid_api_key", "Invalid API key"),
    402: ("paid_plan_required", "Free users cannot use this over the API. Please upgrade."),
    403: ("only_for_creator+", "This is only available on the creator tier or above."),
    404: ("voice_not_found", "A voice with that id was not found."),
    429: ("system_busy", "We are currently experiencing heavy traffic. Please try again later."),
    500: ("internal_error", "An unexpected error occurred."),
    503: ("service_unavailable", "The service is unavailable."),
}
_DAILY_SECONDS = 3_600  # a wait of an hour or more is told as a quota of the day


def error_answer(provider: str, error: WireError) -> ErrorAnswer:
    """``error`` as ``provider`` would send it."""
    return _FORMS[provider](error)


def _wait_headers(error: WireError) -> dict[str, str]:
    if error.retry_after is None:
        return {}
    return {"retry-after": f"{error.retry_after:g}"}


def _groq(error: WireError) -> ErrorAnswer:
    return _openai(_GROQ, error, with_param=False)


def _cerebras(error: WireError) -> ErrorAnswer:
    return _openai(_CEREBRAS, error, with_param=True)


def _openai(
    table: dict[int, tuple[str, str, str]], error: WireError, *, with_param: bool
) -> ErrorAnswer:
    message, kind, code = table.get(error.status, table[500] if error.status >= 500 else table[400])
    if error.status == 429 and error.retry_after and error.retry_after >= _DAILY_SECONDS:
        message, kind = message.replace("per minute (RPM)", "per day (RPD)"), kind
    body: JsonObject = {
        "message": error.message or message,
        "type": error.kind or kind or "invalid_request_error",
    }
    if error.code or code:
        body["code"] = error.code or code
    if with_param or error.param:
        body["param"] = error.param
    return _json(error.status, {"error": body}, _wait_headers(error))


def _huggingface(error: WireError) -> ErrorAnswer:
    message = error.message or _HUGGINGFACE.get(
        error.status, _HUGGINGFACE[503] if error.status >= 500 else _HUGGINGFACE[400]
    )
    headers = _wait_headers(error)
    if error.status == 429:
        reset = f"{error.retry_after or 60:g}"
        headers["ratelimit"] = f'"api";r=0;t={reset}'
        headers["ratelimit-policy"] = '"fixed window";"api";q=500;w=300'
    if error.code:
        described: JsonObject = {"message": message, "type": "invalid_request_error"}
        described.update({"param": error.param, "code": error.code})
        return _json(error.status, {"error": described}, headers)
    return _json(error.status, {"error": message}, headers)


def _google(error: WireError) -> ErrorAnswer:
    status, message = _GOOGLE.get(
        error.status, _GOOGLE[500] if error.status >= 500 else _GOOGLE[400]
    )
    details: list[JsonValue] = []
    if error.status == 429:
        window = "Day" if (error.retry_after or 0) >= _DAILY_SECONDS else "Minute"
        violation: JsonObject = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": f"GenerateRequestsPer{window}PerProjectPerModel-FreeTier",
            "quotaValue": "15",
        }
        details.append(
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
        )
    if error.retry_after is not None:
        delay = f"{error.retry_after:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    if error.code:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": error.code,
                "domain": "googleapis.com",
            }
        )
    body: JsonObject = {
        "code": error.status,
        "message": error.message or message,
        "status": error.kind or status,
    }
    if details:
        body["details"] = details
    return _json(error.status, {"error": body}, {})


def _elevenlabs(error: WireError) -> ErrorAnswer:
    code, message = _ELEVENLABS.get(
        error.status, _ELEVENLABS[500] if error.status >= 500 else _ELEVENLABS[400]
    )
    if error.status == 422:
        located: JsonObject = {
            "loc": ["body", error.param or ""],
            "msg": error.message or "field required",
            "type": "value_error",
        }
        return _json(422, {"detail": [located]}, {})
    detail: JsonObject = {"status": error.code or code, "message": error.message or message}
    return _json(error.status, {"detail": detail}, _wait_headers(error))


def _json(status: int, body: JsonObject, headers: dict[str, str]) -> ErrorAnswer:
    return ErrorAnswer(status, json.dumps(body, ensure_ascii=False).encode(), headers)


_FORMS: dict[str, Callable[[WireError], ErrorAnswer]] = {
    "groq": _groq,
    "cerebras": _cerebras,
    "google": _google,
    "huggingface": _huggingface,
    "elevenlabs": _elevenlabs,
}
