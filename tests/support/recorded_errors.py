"""Errors as the providers send them, and what each means: the data of the error table's test."""

from __future__ import annotations

from shared.errors import (
    ContextTooLong,
    FieldUnsupported,
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    QuotaExceeded,
    Refused,
    RequestRejected,
)
from tests.support.error_line import Line, openai
from tests.support.recorded_errors_groq import GROQ

# 2026-11-23T12:00:00Z to 2026-12-01T00:00:00Z.
TO_NEXT_MONTH_S = 7.5 * 86_400

CEREBRAS = [
    Line(
        "bare 429 of the minute",
        429,
        {
            "message": "Tokens per minute limit exceeded - too many tokens processed.",
            "type": "too_many_tokens_error",
            "param": "quota",
            "code": "token_quota_exceeded",
        },
        QuotaExceeded,
        window="minute",
        param="quota",
    ),
    Line(
        "bare 429 of the day",
        429,
        {
            "message": "Requests per day limit exceeded - too many requests sent.",
            "type": "too_many_requests_error",
            "param": "quota",
            "code": "request_quota_exceeded",
        },
        QuotaExceeded,
        window="day",
        param="quota",
    ),
    Line(
        "429 of the queue",
        429,
        {
            "message": "We're experiencing high traffic right now! Please try again soon.",
            "type": "too_many_requests_error",
            "param": "queue",
            "code": "queue_exceeded",
        },
        Overloaded,
        param="queue",
    ),
    Line(
        "402",
        402,
        openai("Payment required: add a payment method", "payment_required_error"),
        PaymentRequired,
        window="month",
        inside=Overloaded,
    ),
    Line(
        "bare wrong key",
        401,
        {"message": "Wrong API Key", "type": "invalid_request_error", "code": "wrong_api_key"},
        KeyRejected,
    ),
    Line(
        "bare 404",
        404,
        {
            "message": "Model llama-3.3-70b does not exist or you do not have access to it.",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
        },
        ModelGone,
        param="model",
    ),
    Line(
        "context length",
        400,
        {
            "message": "Please reduce the length of the messages or completion. Current length is "
            "9000 while limit is 8192",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        ContextTooLong,
        param="messages",
    ),
    Line(
        "https image",
        400,
        openai("image_url must be a base64 data URI", "invalid_request_error"),
        FieldUnsupported,
        param="messages",
        inside=RequestRejected,
    ),
    Line(
        "legacy validation",
        422,
        {"message": "body.n: Input should be 1", "type": "invalid_request_error", "code": "x"},
        RequestRejected,
    ),
    Line("503", 503, b"", Overloaded, inside=Overloaded),
]
HUGGINGFACE = [
    Line(
        "monthly credit used up",
        402,
        {
            "error": "You have exceeded your monthly included credits for Inference Providers. "
            "Subscribe to PRO to get 20x more monthly included credits."
        },
        PaymentRequired,
        TO_NEXT_MONTH_S,
        "month",
    ),
    Line(
        "429 of the draft headers",
        429,
        {"error": "Too many requests, retry later"},
        QuotaExceeded,
        55.0,
        "minute",
        headers={
            "ratelimit": '"api";r=0;t=55',
            "ratelimit-policy": '"fixed window";"api";q=500;w=300',
        },
    ),
    Line(
        "no enabled backend",
        400,
        openai(
            "The requested model 'openai/gpt-oss-120b' is not supported by any provider you have "
            "enabled.",
            "invalid_request_error",
            "model_not_supported",
            param="model",
        ),
        NotOnThisKey,
        param="model",
    ),
    Line("bad token", 401, {"error": "Invalid username or password."}, KeyRejected),
    Line(
        "token without the right",
        403,
        {
            "error": "This authentication method does not have sufficient permissions to call "
            "Inference Providers on behalf of user someone"
        },
        KeyRejected,
        inside=Overloaded,
    ),
    Line(
        "gated model",
        403,
        {"error": "Access to model openai/gpt-oss-120b is restricted. You must be authenticated."},
        NotOnThisKey,
    ),
    Line(
        "loading",
        503,
        {"error": "Model openai/gpt-oss-120b is currently loading", "estimated_time": 20.5},
        Overloaded,
        20.5,
    ),
    Line("string 404", 404, {"error": "Not Found"}, ModelGone, inside=Overloaded),
    Line(
        "a backend's context length",
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. "
            "Given: 9000 `inputs` tokens and 100 `max_new_tokens`",
            "error_type": "validation",
        },
        ContextTooLong,
    ),
    Line(
        "a backend's list of faults",
        422,
        {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        FieldUnsupported,
    ),
    Line("504 page", 504, "<html><body>Gateway Timeout</body></html>", Overloaded),
]
LOCAL = [
    Line(
        "Ollama without the model",
        404,
        openai('model "llama3" not found, try pulling it first', "api_error"),
        ModelGone,
        inside=Overloaded,
    ),
    Line(
        "vLLM context length",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested "
            "5000 tokens. Please reduce the length of the messages or completion.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        ContextTooLong,
    ),
    Line(
        "llama.cpp context size",
        400,
        openai(
            "the request exceeds the available context size, try increasing it",
            "exceed_context_size_error",
        ),
        ContextTooLong,
    ),
    Line(
        "LM Studio's plain string",
        400,
        {"error": "Missing field 'messages'"},
        RequestRejected,
        param="messages",
        inside=Overloaded,
    ),
    Line("content filter", 400, openai("flagged", "x", "content_filter"), Refused),
    Line(
        "content filter in words",
        400,
        openai("The response was filtered due to our content management policy.", "x"),
        Refused,
    ),
    Line("overloaded 529", 529, openai("Overloaded", "overloaded_error"), Overloaded),
    Line("408", 408, b"", Overloaded),
    Line("405 of a wrong path", 405, {"detail": "Method Not Allowed"}, Overloaded),
    Line("a 404 page of another server", 404, "<html><title>404</title></html>", Overloaded),
    Line("a 400 page of a proxy", 400, "<html><title>400</title></html>", Overloaded),
    Line("a redirect", 302, b"", Overloaded, headers={"Location": "/login"}),
    Line(
        "429 until a date",
        429,
        {"error": {"message": "Too many requests"}},
        QuotaExceeded,
        30.0,
        "minute",
        headers={"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"},
    ),
    Line(
        "429 until a date in the past",
        429,
        {"error": {"message": "Too many requests"}},
        QuotaExceeded,
        0.0,
        "minute",
        headers={"Retry-After": "Mon, 23 Nov 2026 11:00:00 GMT"},
    ),
    Line(
        "429 for half a day",
        429,
        {"error": {"message": "Too many requests"}},
        QuotaExceeded,
        43_200.0,
        "day",
        headers={"Retry-After": "43200"},
    ),
    Line(
        "429 with an absurd wait",
        429,
        {"error": {"message": "Too many requests"}},
        QuotaExceeded,
        31 * 86_400.0,
        "day",
        headers={"Retry-After": "1e99"},
    ),
    Line(
        "429 with nonsense for a wait",
        429,
        {"error": {"message": "Too many requests"}},
        QuotaExceeded,
        None,
        "minute",
        headers={"Retry-After": "soon"},
    ),
    Line(
        "no credit",
        429,
        openai(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        PaymentRequired,
        window="month",
    ),
]

RECORDED = {"groq": GROQ, "cerebras": CEREBRAS, "huggingface": HUGGINGFACE, "local": LOCAL}
