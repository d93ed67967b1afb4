"""The error mapping: a table from what a provider says to the failure it means (R22.9, R12).

One table for all, read from the top; the first rule that fits decides. A profile puts its
provider's own rules in front. A rule fits when its status fits and, where it names any, one of its
codes, types or phrases does. What fits nothing is the provider's trouble, except that an unknown
400 or 422 is the request's: unknown means no retry.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from shared.errors import (
    BadToolCall,
    ContextTooLong,
    FieldUnsupported,
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    RequestRejected,
    RequestTooLarge,
)
from shared.providers.error_body import ErrorFacts, sanitise
from shared.providers.waits import wait_hint, wait_in_message

# A limit that returns later than this is the day's, whatever the message calls it.
LONGEST_MINUTE_WAIT_S = 3600.0
# A message that means a limit of the day or of the month.
_DAY = ("per day", "(rpd)", "(tpd)", "perday", "daily", "-day", "today")
_MONTH = ("monthly", "per month", "this month")


class Rule(Struct, frozen=True):
    """One line of the table.

    ``statuses`` empty: any. ``codes`` are compared with the body's code and type, ``says`` are
    phrases (lower case) in its message; both empty: the status alone decides. ``structured`` asks
    for an error object of an API (True) or for anything else, a page or nothing (False).
    """

    failure: type[ProviderFailure]
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()
    window: str | None = None
    structured: bool | None = None
    param: str | None = None

    def fits(self, status: int, facts: ErrorFacts, searched: str) -> bool:
        """Whether this line is about such an error."""
        if self.statuses and status not in self.statuses:
            return False
        if self.structured is not None and self.structured != facts.structured:
            return False
        if not self.codes and not self.says:
            return True
        if facts.code in self.codes or facts.kind in self.codes:
            return True
        return any(phrase in searched for phrase in self.says)


def on(*statuses: int) -> frozenset[int]:
    """HTTP statuses of a rule. 200 stands for an error inside a 200 or in a stream."""
    return frozenset(statuses)


def words(text: str) -> frozenset[str]:
    """Codes or types of a rule, written with blanks between them."""
    return frozenset(text.split())


_BAD_REQUEST = on(200, 400, 422)

COMMON_RULES: tuple[Rule, ...] = (
    Rule(
        Refused,
        on(200, 400, 403, 422, 451),
        words("content_filter content_policy_violation content_moderation moderation_blocked"),
        ("content filter", "content_filter", "content management policy", "content policy"),
    ),
    Rule(
        ContextTooLong,
        on(200, 400, 413, 422),
        words("context_length_exceeded context_window_exceeded exceed_context_size_error"),
        (
            "context length",
            "context window",
            "context size",
            "maximum sequence length",
            "reduce the length of the messages",
            "prompt is too long",
            "`inputs` tokens + `max_new_tokens`",
        ),
    ),
    Rule(
        BadToolCall,
        _BAD_REQUEST,
        words("tool_use_failed json_validate_failed output_parse_failed"),
        ("failed to call a function", "failed to generate json"),
    ),
    Rule(
        NotOnThisKey,
        on(200, 400, 401, 403, 404),
        words(
            "model_terms_required model_permission_blocked_org model_permission_blocked_project"
            " model_not_supported model_not_available model_access_denied"
        ),
        (
            "terms acceptance",
            "accept the terms",
            "gated repo",
            "blocked at the organization",
            "blocked at the project",
            "not supported by any provider you have enabled",
            "access to this model",
            "access to the model",
            "access to model",
        ),
    ),
    Rule(
        ModelGone,
        on(200, 400, 403, 404, 410, 422),
        words(
            "model_not_found model_decommissioned model_deprecated model_not_active model_removed"
            " model_retired model_does_not_exist"
        ),
        ("has been decommissioned", "model does not exist", "model not found", "no such model"),
    ),
    Rule(
        KeyRejected,
        on(200, 400, 401, 403),
        words(
            "invalid_api_key wrong_api_key api_key_invalid authentication_error unauthorized"
            " unauthenticated invalid_authentication"
        ),
        (
            "invalid api key",
            "incorrect api key",
            "invalid credentials",
            "invalid username or password",
        ),
    ),
    Rule(
        PaymentRequired,
        on(200, 402, 429),
        words("insufficient_quota billing_not_active payment_required billing_hard_limit_reached"),
        ("exceeded your current quota", "check your plan and billing"),
    ),
    Rule(PaymentRequired, on(402)),
    Rule(KeyRejected, on(401, 403)),
    Rule(RequestTooLarge, on(413)),
    Rule(
        RequestTooLarge,
        _BAD_REQUEST,
        words("request_too_large payload_too_large"),
        ("request too large", "request entity too large"),
    ),
    Rule(
        QuotaExceeded,
        on(200, 429),
        words(
            "rate_limit_exceeded rate_limit_error rate_limited too_many_requests requests tokens"
            " request_quota_exceeded token_quota_exceeded too_many_requests_error queue_exceeded"
            " resource_exhausted"
        ),
        ("rate limit", "too many requests"),
    ),
    Rule(QuotaExceeded, on(429)),
    Rule(
        Overloaded,
        frozenset(),
        words("overloaded overloaded_error server_error internal_server_error service_unavailable"),
    ),
    Rule(
        FieldUnsupported,
        _BAD_REQUEST,
        words(
            "unsupported_parameter unsupported_value unknown_parameter extra_forbidden"
            " wrong_api_format"
        ),
        (
            "does not support",
            "is not supported",
            "are not supported",
            "not supported with",
            "is unsupported",
            "unsupported parameter",
            "unsupported value",
            "unrecognized request argument",
            "extra inputs are not permitted",
            "extra fields not permitted",
            "only base64",
            "`reasoning_effort` must be",
            "`max_tokens` must be",
            "`max_completion_tokens` must be",
            "max_tokens is too large",
            "max_completion_tokens is too large",
        ),
    ),
    Rule(ModelGone, on(404), structured=True),
    Rule(ModelGone, on(410)),
    Rule(RequestRejected, on(400, 422), structured=True),
    Rule(RequestRejected, on(200), words("invalid_request_error invalid_request")),
    # Everything else: 408, 409, 425, 498, 499, 5xx, 529, redirects, pages of a proxy, a wrong
    # path, an error event that says nothing known.
    Rule(Overloaded),
)


def find_rule(rules: tuple[Rule, ...], status: int, facts: ErrorFacts) -> Rule:
    """The first line of ``rules`` and then of the common table that fits."""
    searched = facts.searched
    for rule in rules:
        if rule.fits(status, facts, searched):
            return rule
    return next(rule for rule in COMMON_RULES if rule.fits(status, facts, searched))


def failure_from(
    provider: str,
    rules: tuple[Rule, ...],
    status: int,
    headers: Mapping[str, str],
    facts: ErrorFacts,
    *,
    wall: float,
    secret: str,
    model: str = "",
) -> ProviderFailure:
    """The failure of an error response, or of an error inside a 200 (``status`` 200).

    The body's own status stands in for a 200's. The wait is the provider's hint: its headers, then
    its body. ``wall`` is Unix time, ``secret`` is cut out of the message. A 403 that names
    ``model`` (the provider's own id) refuses the model, not the key.
    """
    if status < 400 and facts.status is not None:
        status = facts.status
    rule = find_rule(rules, status, facts)
    failure = rule.failure
    if failure is KeyRejected and status == 403 and model and model.lower() in facts.searched:
        failure = NotOnThisKey
    wait_s = wait_hint(headers, wall)
    if wait_s is None:
        wait_s = facts.wait_s if facts.wait_s is not None else wait_in_message(facts.searched)
    return failure(
        _message(provider, status, facts, secret),
        provider=provider,
        status=status,
        wait_s=wait_s,
        window=rule.window or _window(failure, facts, wait_s),
        param=rule.param or facts.param or _field_in(facts.message, failure),
    )


def _message(provider: str, status: int, facts: ErrorFacts, secret: str) -> str:
    said = sanitise(facts.message, secret) or sanitise(facts.code or facts.kind, secret)
    source = f"{provider} sent an error" if status < 400 else f"{provider} answered {status}"
    return f"{source}: {said}" if said else source


def _window(failure: type[ProviderFailure], facts: ErrorFacts, wait_s: float | None) -> str | None:
    """Which quota ran out: in the words of the message, else by how long it lasts."""
    if failure is PaymentRequired:
        return "month"
    if failure is not QuotaExceeded:
        return None
    said = f"{facts.searched} {facts.code}"
    if any(word in said for word in _MONTH):
        return "month"
    if any(word in said for word in _DAY) or (wait_s or 0.0) > LONGEST_MINUTE_WAIT_S:
        return "day"
    return "minute"


def _field_in(message: str, failure: type[ProviderFailure]) -> str | None:
    """The name between the first quotes of "`logprobs` is not supported with this model"."""
    if failure is not FieldUnsupported and failure is not RequestRejected:
        return None
    for quote in ("`", "'"):
        before, found, rest = message[:200].partition(quote)
        name = rest.partition(quote)[0]
        if found and len(before) < 100 and name.replace("_", "").isalnum() and len(name) < 40:
            return name
    return None
