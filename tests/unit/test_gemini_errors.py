"""Google's error bodies, as recorded in public reports, and the failures they mean."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    ContextTooLong,
    FieldUnsupported,
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    RequestRejected,
    RequestTooLarge,
)
from shared.messages import JsonObject, JsonValue
from shared.providers.base import LimitSignal
from shared.providers.gemini_errors import GoogleError, error_object, error_response
from shared.providers.gemini_quota import until_pacific_midnight
from tests.support.virtual_time import START_WALL
from tests.unit.test_gemini_decode import JSON

KEY = "AIzaSyTESTTESTTESTTESTTESTTESTTESTTEST0"
HOURS = 3600.0
DAY_ID = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
MINUTE_ID = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
TOKENS_ID = "GenerateContentInputTokensPerModelPerMinute-FreeTier"
QUOTA_MESSAGE = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)


def body(code: int, message: str, status: str, *details: JsonValue) -> JsonObject:
    return {"error": {"code": code, "message": message, "status": status, "details": [*details]}}


def violation(quota_id: str, value: str | None = None) -> JsonObject:
    metric = "input_token_count" if "Tokens" in quota_id else "requests"
    found: JsonObject = {
        "quotaMetric": f"generativelanguage.googleapis.com/generate_content_free_tier_{metric}",
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": "gemini-3.8-flash"},
    }
    if value is not None:
        found["quotaValue"] = value
    return found


def quota(*violations: JsonValue, delay: str | None = None, message: str = "") -> JsonObject:
    details: list[JsonValue] = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://x.y"}]},
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [*violations],
        },
    ]
    if delay is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return body(429, message or QUOTA_MESSAGE, "RESOURCE_EXHAUSTED", *details)


def read(status: int, sent: JsonValue, headers: dict[str, str] | None = None) -> GoogleError:
    return error_response(
        status,
        headers or {},
        orjson.dumps(sent),
        wall=START_WALL,
        secret=KEY,
        model="gemini-3.8-flash",
    )


INVALID_KEY: JsonObject = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
TABLE: list[tuple[int, str, str, type[ProviderFailure], str | None]] = [
    (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", KeyRejected, None),
    (
        400,
        "FAILED_PRECONDITION",
        "User location is not supported for the API use.",
        KeyRejected,
        None,
    ),
    (
        400,
        "FAILED_PRECONDITION",
        "Gemini API free tier is not available in your country. Please enable billing on your "
        "project in Google AI Studio.",
        PaymentRequired,
        None,
    ),
    (400, "FAILED_PRECONDITION", "The file is not in an ACTIVE state.", FieldUnsupported, None),
    (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1300000) exceeds the maximum number of tokens allowed (1048575).",
        ContextTooLong,
        None,
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "The input token count exceeds the maximum number of tokens allowed 1048576.",
        ContextTooLong,
        None,
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Request payload size exceeds the limit: 20971520 bytes.",
        RequestTooLarge,
        None,
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Function call is missing a thought_signature in functionCall parts.",
        FieldUnsupported,
        "messages",
    ),
    (400, "INVALID_ARGUMENT", "Corrupted thought signature.", FieldUnsupported, "messages"),
    (
        400,
        "INVALID_ARGUMENT",
        "The specified schema produces a constraint that has too many states for serving.",
        FieldUnsupported,
        "response_format",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Function calling with a response mime type: 'application/json' is unsupported",
        FieldUnsupported,
        "response_format",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: "
        "should be non-empty for OBJECT type",
        FieldUnsupported,
        "tools",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Thinking level MINIMAL is not supported for this model.",
        FieldUnsupported,
        "reasoning_effort",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Multiple candidates is not enabled for this model",
        FieldUnsupported,
        "n",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Penalty is not enabled for models/gemini-3.8-flash",
        FieldUnsupported,
        "frequency_penalty",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Invalid JSON payload received. Unknown name \"foo\" at 'generation_config': Cannot find "
        "field.",
        FieldUnsupported,
        "generation_config",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "Unable to process input image. Please retry or report.",
        RequestRejected,
        None,
    ),
    (401, "UNAUTHENTICATED", "Request had invalid credentials.", KeyRejected, None),
    (
        403,
        "PERMISSION_DENIED",
        "Your API key was reported as leaked. Please use another API key.",
        KeyRejected,
        None,
    ),
    (
        403,
        "PERMISSION_DENIED",
        "You do not have permission to use models/gemini-3.8-flash.",
        NotOnThisKey,
        None,
    ),
    (402, "", "Payment required", PaymentRequired, None),
    (
        404,
        "NOT_FOUND",
        "This model models/gemini-2.0-flash is no longer available. Please update your code.",
        ModelGone,
        None,
    ),
    (
        404,
        "NOT_FOUND",
        "models/gemini-9 is not found for API version v1beta, or is not supported for "
        "generateContent.",
        ModelGone,
        None,
    ),
    (413, "", "Request Entity Too Large", RequestTooLarge, None),
    (500, "INTERNAL", "An internal error has occurred.", Overloaded, None),
    (500, "INTERNAL", "Your input context is too long.", ContextTooLong, None),
    (501, "UNIMPLEMENTED", "Operation is not implemented.", FieldUnsupported, None),
    (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", Overloaded, None),
    (504, "DEADLINE_EXCEEDED", "Deadline expired before completion.", Overloaded, None),
]


@pytest.mark.parametrize(("status", "rpc", "message", "failure", "param"), TABLE)
def test_every_status_in_every_form(
    status: int, rpc: str, message: str, failure: type[ProviderFailure], param: str | None
) -> None:
    sent = body(status, message, rpc)
    inside = error_object(sent, wall=START_WALL, secret=KEY).failure
    for found in (read(status, sent).failure, read(status, [sent]).failure):
        assert type(found) is failure
        assert found.status == status
        assert found.param == param
        assert found.provider == "google"
        assert str(status) in found.message
    # Inside a 200 nobody knows the model, so a 403 there is the key's.
    assert type(inside) is (KeyRejected if failure is NotOnThisKey else failure)


def test_an_invalid_key_is_a_400_with_a_reason() -> None:
    message = "API key not valid. Please pass a valid API key."
    found = read(400, body(400, message, "INVALID_ARGUMENT", INVALID_KEY)).failure
    assert type(found) is KeyRejected
    other_words = read(400, body(400, "Bad Request", "INVALID_ARGUMENT", INVALID_KEY)).failure
    assert type(other_words) is KeyRejected


def test_no_key_stands_in_a_message() -> None:
    message = f"Consumer 'api_key:{KEY}' has been suspended."
    for found in (
        read(403, body(403, message, "PERMISSION_DENIED")).failure,
        read(429, body(429, message, "RESOURCE_EXHAUSTED")).failure,
        error_object(body(403, message, ""), wall=0.0, secret="").failure,
    ):
        assert KEY not in str(found)
        assert "suspended" in found.message


@pytest.mark.parametrize(
    ("wall", "hours"),
    [
        (START_WALL, 20.0),  # 12:00Z in November: 04:00 in winter time
        (1_782_907_200.0, 19.0),  # 2026-07-01T12:00Z: 05:00 in summer time
        (1_795_420_799.0, 1 / HOURS),  # a second before midnight
        (1_795_420_800.0, 24.0),  # midnight itself
        (1_793_516_400.0, 25.0),  # 2026-11-01, the day the clock goes back
    ],
)
def test_the_day_returns_at_midnight_in_california(wall: float, hours: float) -> None:
    assert until_pacific_midnight(wall) == pytest.approx(hours * HOURS)


def test_an_exhausted_day_waits_for_midnight_whatever_the_delay_says() -> None:
    error = read(429, quota(violation(DAY_ID, "20"), delay="38.2s"), {"retry-after": "38"})
    assert type(error.failure) is QuotaExceeded
    assert error.failure.window == "day"
    assert error.failure.wait_s == 20 * HOURS
    assert error.signals == [LimitSignal("requests", "day", 0, 20, 20 * HOURS)]


def test_a_busy_minute_waits_as_told() -> None:
    error = read(
        429, quota(violation(MINUTE_ID, "5"), violation(TOKENS_ID, "250000"), delay="38.2s")
    )
    assert type(error.failure) is QuotaExceeded
    assert (error.failure.window, error.failure.wait_s) == ("minute", 38.2)
    assert error.signals == [
        LimitSignal("requests", "minute", 0, 5, 38.2),
        LimitSignal("tokens", "minute", 0, 250_000, 38.2),
    ]


def test_day_and_minute_together_mean_the_day() -> None:
    error = read(429, quota(violation(MINUTE_ID), violation(DAY_ID), delay="1s"))
    assert (error.failure.window, error.failure.wait_s) == ("day", 20 * HOURS)
    assert [signal.window for signal in error.signals] == ["minute", "day"]


@pytest.mark.parametrize(
    "sent",
    [
        quota(violation(DAY_ID, "0"), violation(MINUTE_ID, "0"), delay="20s"),
        quota(
            violation(DAY_ID),
            delay="20s",
            message=QUOTA_MESSAGE + "\n* Quota exceeded for metric: requests, limit: 0, model: x",
        ),
    ],
)
def test_a_quota_of_nothing_means_that_the_key_does_not_include_the_model(
    sent: JsonObject,
) -> None:
    assert type(read(429, sent).failure) is NotOnThisKey


def test_a_limit_that_only_begins_with_zero_is_a_quota() -> None:
    for limit in ("limit: 0.5", "limit: 05", "limit: 20"):
        sent = quota(violation(MINUTE_ID), message=f"{QUOTA_MESSAGE} {limit}")
        assert type(read(429, sent).failure) is QuotaExceeded


@pytest.mark.parametrize(
    ("sent", "headers", "window", "wait"),
    [
        (body(429, "Resource has been exhausted (e.g. check quota).", ""), {}, "minute", None),
        (body(429, "Please retry in 12.5s.", "RESOURCE_EXHAUSTED"), {}, "minute", 12.5),
        (body(429, "Quota", ""), {"retry-after": "7"}, "minute", 7.0),
        (body(429, "Exceeded requests per day", ""), {}, "day", 20 * HOURS),
        ("<html>429</html>", {"retry-after": "3"}, "minute", 3.0),
        (quota("nonsense", 5, {"quotaId": 7, "quotaValue": []}), {}, "minute", None),
        (quota(violation(MINUTE_ID, "many"), delay="soon"), {}, "minute", None),
    ],
)
def test_429_told_in_other_ways(
    sent: JsonValue, headers: dict[str, str], window: str, wait: float | None
) -> None:
    found = read(429, sent, headers).failure
    assert type(found) is QuotaExceeded
    assert (found.window, found.wait_s) == (window, wait)


def test_spent_credit_is_no_rate_limit() -> None:
    message = "Your prepayment credits are depleted. Please go to AI Studio to manage billing."
    found = read(429, body(429, message, "RESOURCE_EXHAUSTED")).failure
    assert type(found) is PaymentRequired


def test_an_overloaded_model_may_tell_when_to_come_back() -> None:
    sent = body(503, "overloaded", "UNAVAILABLE", {"retryDelay": "4s"})
    assert read(503, sent).failure.wait_s == 4.0
    assert read(503, sent, {"retry-after": "9"}).failure.wait_s == 9.0


@pytest.mark.parametrize(
    ("status", "page", "failure"),
    [
        (502, b"<html><title>502 Bad Gateway</title></html>", Overloaded),
        (404, b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", Overloaded),
        (403, b"<html><title>Forbidden</title></html>", KeyRejected),
        (503, b"", Overloaded),
        (400, b"\xff\xfe", Overloaded),
        (302, b"", Overloaded),
    ],
)
def test_pages_and_nothing(status: int, page: bytes, failure: type[ProviderFailure]) -> None:
    found = error_response(status, {}, page, wall=START_WALL, secret=KEY).failure
    assert type(found) is failure


@pytest.mark.parametrize(
    ("rpc", "failure"),
    [
        ("UNAVAILABLE", Overloaded),
        ("RESOURCE_EXHAUSTED", QuotaExceeded),
        ("UNAUTHENTICATED", KeyRejected),
        ("NOT_FOUND", ModelGone),
        ("SOMETHING_NEW", Overloaded),
    ],
)
def test_an_error_inside_a_200_without_a_number(rpc: str, failure: type[ProviderFailure]) -> None:
    sent: JsonObject = {"error": {"message": "no", "status": rpc}}
    assert type(error_object(sent, wall=START_WALL, secret="").failure) is failure


@given(st.integers(300, 599), JSON, JSON)
def test_any_error_body_is_a_failure(status: int, sent: JsonValue, details: JsonValue) -> None:
    wrapped: JsonObject = {"error": {"message": sent, "status": sent, "details": details}}
    for one in (sent, wrapped, {"error": sent}):
        try:
            error = read(status, one)
        except orjson.JSONEncodeError:
            continue  # integers that JSON's writer here does not take
        assert isinstance(error.failure, ProviderFailure)
