"""Google's error bodies and what they mean: its lines in front of the common table.

A body is ``{"error": {"code", "message", "status", "details": [...]}}``, sometimes in a list of
one, and HTML where something in between answered. One status hides many meanings: an invalid key
is a 400, an exhausted day, a busy minute and a model outside the key's tier are the same 429
(reference: Gemini API troubleshooting; google-genai 3.4.0, errors).
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from msgspec import Struct
from msgspec.structs import replace

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
from shared.providers.error_body import ErrorFacts, error_facts, read_error, sanitise
from shared.providers.failures import Rule, failure_from, find_rule, on, words
from shared.providers.gemini_decode import PROVIDER
from shared.providers.gemini_quota import QuotaReport, read_quota
from shared.providers.waits import wait_hint, wait_in_message

# google.rpc.Code as HTTP, for error objects inside a 200 that bring no number of their own.
_HTTP_OF = {
    "invalid_argument": 400,
    "failed_precondition": 400,
    "out_of_range": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "unimplemented": 501,
    "unavailable": 503,
    "deadline_exceeded": 504,
}
_NO_CREDIT = ("depleted", "spending cap", "spend cap", "spending limit", "prepay", "enable billing")


def _field(param: str, *says: str) -> Rule:
    """A field that this model or Google does not take, and others may (P69)."""
    return Rule(FieldUnsupported, on(400), says=says, param=param)


GOOGLE_RULES: tuple[Rule, ...] = (
    Rule(
        KeyRejected,
        on(400, 401, 403),
        words("api_key_invalid api_key_service_blocked service_disabled"),
        ("api key not valid", "api key expired", "api key not found", "valid api key"),
    ),
    Rule(KeyRejected, on(400, 403), says=("location is not supported",)),
    Rule(PaymentRequired, on(400, 403), says=(*_NO_CREDIT, "billing")),
    Rule(
        ContextTooLong,
        on(400, 413, 500),
        says=(
            "exceeds the maximum number of tokens",
            "exceeds the maximum number of input tokens",
            "input context is too long",
            "prompt is too long",
        ),
    ),
    Rule(RequestTooLarge, on(400), says=("payload size exceeds", "request is too large")),
    Rule(
        ModelGone,
        on(400, 404),
        says=("no longer available", "not found for api version", "retired"),
    ),
    _field("messages", "thought signature", "thought_signature", "thoughtsignature"),
    _field("response_format", "too many states", "response_schema", "response_json_schema"),
    _field("response_format", "responseschema", "responsejsonschema", "response mime type"),
    _field("response_format", "response_mime_type", "json mode"),
    _field("tool_choice", "tool_config", "toolconfig", "function_calling_config"),
    _field("tools", "function_declaration", "function call", "function calling", "tools["),
    _field("tools", "function response", "tool use"),
    _field("reasoning_effort", "thinking"),
    _field("n", "candidate_count", "candidatecount", "multiple candidates"),
    _field("temperature", "temperature"),
    _field("top_p", "top_p", "topp"),
    _field("stop", "stop_sequences", "stopsequences"),
    _field("presence_penalty", "presence_penalty", "presencepenalty"),
    _field("frequency_penalty", "frequency_penalty", "frequencypenalty", "penalty is not"),
    _field("max_tokens", "max_output_tokens", "maxoutputtokens"),
    _field("messages", "modality", "modalities", "developer instruction"),
    Rule(
        FieldUnsupported,
        on(400, 501),
        words("failed_precondition unimplemented"),
        ("not supported", "unsupported", "unknown name", "not enabled for", "does not support"),
    ),
    # A key that was leaked or restricted; here the model is never what was meant.
    Rule(KeyRejected, on(401, 403)),
    Rule(RequestRejected, on(400), words("invalid_argument out_of_range")),
)
_QUOTA_RULES = (
    Rule(PaymentRequired, on(429), says=_NO_CREDIT),
    Rule(QuotaExceeded, on(429)),
)


class GoogleError(Struct, frozen=True):
    """An error, read: the failure it means and the limits it tells."""

    failure: ProviderFailure
    signals: list[LimitSignal]


def error_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    wall: float,
    secret: str,
    model: str = "",
) -> GoogleError:
    """An error response of any form. ``wall`` is Unix time, ``secret`` is cut out of messages,
    ``model`` the provider's id: a 403 that names it refuses the model, not the key."""
    try:
        parsed: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _error(status, headers, read_error(body), [], wall, secret, model)
    return _error(status, headers, error_facts(parsed), _details(parsed), wall, secret, model)


def error_object(response: JsonObject, *, wall: float, secret: str) -> GoogleError:
    """An error object inside a 200 or a stream; its own code stands for the status."""
    return _error(200, {}, error_facts(response), _details(response), wall, secret)


def _error(
    status: int,
    headers: Mapping[str, str],
    facts: ErrorFacts,
    details: list[JsonObject],
    wall: float,
    secret: str,
    model: str = "",
) -> GoogleError:
    if status < 400:
        status = facts.status or _HTTP_OF.get(facts.code, 500)
    if status == 429:
        quota = read_quota(details, facts.message)
        failure = _quota_failure(quota, headers, facts, wall, secret)
        return GoogleError(failure, quota.signals(wall))
    reasons = [item["reason"] for item in details if isinstance(item.get("reason"), str)]
    if reasons:
        facts = replace(facts, kind=str(reasons[0]).lower())
    failure = failure_from(
        PROVIDER, GOOGLE_RULES, status, headers, facts, wall=wall, secret=secret, model=model
    )
    if isinstance(failure, Overloaded) and failure.wait_s is None:
        failure.wait_s = read_quota(details, "").retry_s
    return GoogleError(failure, [])


def _quota_failure(
    quota: QuotaReport, headers: Mapping[str, str], facts: ErrorFacts, wall: float, secret: str
) -> ProviderFailure:
    """A 429. The day's end beats every hint, as the hints then speak of the minute."""
    kind = find_rule(_QUOTA_RULES, 429, facts).failure
    if kind is QuotaExceeded and quota.none_at_all:
        kind = NotOnThisKey
    wait = quota.wait_s(wall)
    if wait is None:
        wait = wait_hint(headers, wall)
    if wait is None:
        wait = wait_in_message(facts.searched)
    said = sanitise(facts.message, secret)
    return kind(
        f"google answered 429: {said}" if said else "google answered 429",
        provider=PROVIDER,
        status=429,
        wait_s=wait,
        window=quota.window or ("minute" if kind is QuotaExceeded else None),
    )


def _details(parsed: JsonValue) -> list[JsonObject]:
    """The objects of ``error.details``; empty where the body is anything else."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    error = parsed.get("error") if isinstance(parsed, dict) else None
    listed = error.get("details") if isinstance(error, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
