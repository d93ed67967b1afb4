"""Errors as Groq sends them (console.groq.com/docs/errors and reports of users)."""

from __future__ import annotations

from shared.errors import (
    BadToolCall,
    ContextTooLong,
    FieldUnsupported,
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    QuotaExceeded,
    RequestRejected,
    RequestTooLarge,
)
from tests.support.error_line import Line, openai


def groq_limit(what: str, limit: str, wait: str, kind: str) -> dict[str, object]:
    return openai(
        f"Rate limit reached for model `openai/gpt-oss-120b` in organization `org_01hxyz2` service "
        f"tier `on_demand` on {what}: Limit {limit}, Used 1000, Requested 1. Please try again in "
        f"{wait}. Need more? Visit https://console.groq.com/settings/billing",
        kind,
        "rate_limit_exceeded",
    )


HTML_502 = (
    "<!DOCTYPE html><html><head><title>groq.com | 502: Bad gateway</title></head><body>"
    "<script>secret()</script></body></html>"
)

GROQ = [
    Line(
        "429 of the minute",
        429,
        groq_limit("tokens per minute (TPM)", "8000", "7.66s", "tokens"),
        QuotaExceeded,
        7.66,
        "minute",
    ),
    Line(
        "429 of the minute, header first",
        429,
        groq_limit("requests per minute (RPM)", "30", "2s", "requests"),
        QuotaExceeded,
        3.0,
        "minute",
        headers={"retry-after": "3"},
    ),
    Line(
        "429 of the day",
        429,
        groq_limit("requests per day (RPD)", "1000", "1m26.4s", "requests"),
        QuotaExceeded,
        86.4,
        "day",
    ),
    Line(
        "429 of the day's tokens",
        429,
        groq_limit("tokens per day (TPD)", "200000", "2h59m56.5s", "tokens"),
        QuotaExceeded,
        10_796.5,
        "day",
    ),
    Line(
        "429 told by the limit headers alone",
        429,
        b"",
        QuotaExceeded,
        179.56,
        "day",
        headers={
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-remaining-tokens": "8000",
            "x-ratelimit-reset-tokens": "0s",
        },
    ),
    Line("429 without words", 429, b"", QuotaExceeded, window="minute", inside=Overloaded),
    Line(
        "413 over the minute's tokens",
        413,
        openai(
            "Request too large for model `openai/gpt-oss-120b` in organization `org_01hx2` on "
            "tokens per minute (TPM): Limit 8000, Requested 9217, please reduce your message size "
            "and try again.",
            "tokens",
            "rate_limit_exceeded",
        ),
        RequestTooLarge,
        inside=RequestTooLarge,
    ),
    Line(
        "413 over the body limit",
        413,
        openai("Request Entity Too Large", "invalid_request_error", "request_too_large"),
        RequestTooLarge,
    ),
    Line(
        "context length",
        400,
        openai(
            "Please reduce the length of the messages or completion.",
            "invalid_request_error",
            "context_length_exceeded",
            param="messages",
        ),
        ContextTooLong,
        param="messages",
    ),
    Line(
        "invalid key",
        401,
        openai("Invalid API Key", "invalid_request_error", "invalid_api_key"),
        KeyRejected,
    ),
    Line(
        "forbidden",
        403,
        openai("Forbidden", "permissions_error"),
        KeyRejected,
        inside=Overloaded,
    ),
    Line(
        "one model blocked for the project",
        403,
        openai(
            "The model `openai/gpt-oss-120b` is blocked at the project level.",
            "permissions_error",
            "model_permission_blocked_project",
        ),
        NotOnThisKey,
    ),
    Line(
        "terms not accepted",
        400,
        openai(
            "The model `x` requires terms acceptance. Please have the org admin accept the terms at"
            " https://console.groq.com/playground",
            "invalid_request_error",
            "model_terms_required",
        ),
        NotOnThisKey,
    ),
    Line(
        "retired model",
        404,
        openai(
            "The model `openai/gpt-oss-120b` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
        ),
        ModelGone,
    ),
    Line(
        "just decommissioned",
        400,
        openai(
            "The model `x` has been decommissioned and is no longer supported.",
            "invalid_request_error",
            "model_decommissioned",
        ),
        ModelGone,
    ),
    Line(
        "tool_use_failed",
        400,
        openai(
            "Failed to call a function. Please adjust your prompt.",
            "invalid_request_error",
            "tool_use_failed",
            failed_generation="<tool-use>",
        ),
        BadToolCall,
    ),
    Line(
        "json_validate_failed",
        400,
        openai(
            "Failed to generate JSON.",
            "invalid_request_error",
            "json_validate_failed",
            failed_generation="{",
        ),
        BadToolCall,
    ),
    Line(
        "unsupported field",
        400,
        openai("`logprobs` is not supported with this model", "invalid_request_error"),
        FieldUnsupported,
        param="logprobs",
    ),
    Line(
        "unsupported property in a message",
        400,
        openai(
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : "
            "property 'reasoning_content' is unsupported)]",
            "invalid_request_error",
        ),
        FieldUnsupported,
    ),
    Line(
        "effort the model does not know",
        400,
        openai("`reasoning_effort` must be one of `low`, `medium`", "invalid_request_error"),
        FieldUnsupported,
        param="reasoning_effort",
    ),
    Line(
        "a request that is wrong everywhere",
        400,
        openai(
            "'messages' : minimum number of items is 1", "invalid_request_error", param="messages"
        ),
        RequestRejected,
        param="messages",
    ),
    Line(
        "semantic error",
        422,
        openai("Unprocessable Entity", "invalid_request_error"),
        BadToolCall,
        inside=RequestRejected,
    ),
    Line("flex tier full", 498, openai("Capacity", "x", "capacity_exceeded"), Overloaded),
    Line("500", 500, openai("Internal Server Error", "internal_server_error"), Overloaded),
    Line("502 page", 502, HTML_502, Overloaded, content_type="text/html"),
    Line(
        "503 with a wait",
        503,
        openai("Service Unavailable", "internal_server_error"),
        Overloaded,
        5.0,
        headers={"Retry-After": "5"},
    ),
]
