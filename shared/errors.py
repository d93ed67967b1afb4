"""The error taxonomy: one closed tree, whose classes say status, code and retry rule.

Two families:

* ``CodeexError``: what a client may be told. The codes and statuses are those of the contract
  (section Errors); the edge maps them once for each dialect and nothing else decides a status.
* ``ProviderFailure``: what one attempt at one model ended in. Its ``retry`` rule tells the
  executor what may follow; it becomes a ``CodeexError`` only when the chain has ended.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from shared.messages import JsonObject


class CodeexError(Exception):
    """Base of everything a client can be told.

    ``message`` says what was wrong and what to do; it never holds a key, a token or another
    user's data. ``param`` names the field of the request at fault. ``retry_after`` is in seconds.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    type: ClassVar[str] = "api_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        details: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.details = details or {}


class InvalidRequest(CodeexError):
    """The request itself is wrong; ``param`` names the field."""

    status, code, type = 400, "invalid_request", "invalid_request_error"


class ContentFiltered(CodeexError):
    """A provider refused before any text. An answer, not a failure: never routed around."""

    status, code, type = 400, "content_filter", "invalid_request_error"


class Unauthenticated(CodeexError):
    """No valid token."""

    status, code, type = 401, "unauthenticated", "authentication_error"


class Forbidden(CodeexError):
    """A valid token without the right."""

    status, code, type = 403, "forbidden", "permission_error"


class CaptchaRequired(CodeexError):
    """Suspicious traffic has to show an App Check token (R18.12)."""

    status, code, type = 403, "captcha_required", "permission_error"


class FeatureDisabled(CodeexError):
    """Switched off by the operator; the message names the setting."""

    status, code, type = 403, "feature_disabled", "permission_error"


class ModelNotFound(CodeexError):
    """No such model, alias or category."""

    status, code, type = 404, "model_not_found", "invalid_request_error"


class NotFound(CodeexError):
    """No such path or object; another user's object looks the same."""

    status, code, type = 404, "not_found", "invalid_request_error"


class MethodNotAllowed(CodeexError):
    """The path exists, not with this method."""

    status, code, type = 405, "method_not_allowed", "invalid_request_error"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not possible here; use {' or '.join(allowed)}")
        self.allowed = allowed


class Conflict(CodeexError):
    """The state of the object or of an idempotency key does not allow this."""

    status, code, type = 409, "conflict", "invalid_request_error"


class PayloadTooLarge(CodeexError):
    """The body or file is over its limit."""

    status, code, type = 413, "payload_too_large", "invalid_request_error"


class UnsupportedMedia(CodeexError):
    """The content type or file format is not one we take."""

    status, code, type = 415, "unsupported_media", "invalid_request_error"


class SafetyViolation(CodeexError):
    """Unsafe input or output; details: category, severity, stage."""

    status, code, type = 422, "safety_violation", "invalid_request_error"


class InjectionDetected(CodeexError):
    """A prompt injection was recognised with a high score."""

    status, code, type = 422, "injection_detected", "invalid_request_error"


class RateLimited(CodeexError):
    """The caller's own limit."""

    status, code, type = 429, "rate_limited", "rate_limit_error"


class CapacityExhausted(CodeexError):
    """Every provider's limit; ``retry_after`` says when the first capacity returns."""

    status, code, type = 429, "capacity_exhausted", "rate_limit_error"


class Queued(CodeexError):
    """No error but another ending: the request goes on as a job. ``job`` is the contract's job."""

    status, code, type = 202, "queued", "api_error"

    def __init__(self, message: str, job: JsonObject) -> None:
        super().__init__(message)
        self.job = job


class ClientCancelled(CodeexError):
    """The client left."""

    status, code, type = 499, "client_cancelled", "api_error"


class ProviderError(CodeexError):
    """The one model the client insisted on failed; details: provider."""

    status, code, type = 502, "provider_error", "api_error"


class AllModelsFailed(CodeexError):
    """The chain has ended without an answer."""

    status, code, type = 503, "all_models_failed", "api_error"


class SafetyUnavailable(CodeexError):
    """No guard could judge; failing closed."""

    status, code, type = 503, "safety_unavailable", "api_error"


class StoreUnavailable(CodeexError):
    """The store does not answer and no permit is held."""

    status, code, type = 503, "store_unavailable", "api_error"


class DeadlineExceeded(CodeexError):
    """The request's deadline passed."""

    status, code, type = 504, "deadline_exceeded", "api_error"


class Internal(CodeexError):
    """A fault of ours; the log has the details under the request id."""

    status, code, type = 500, "internal", "api_error"


# ---------------------------------------------------------------------------------- attempts


class Retry(StrEnum):
    """What may follow a failed attempt."""

    OTHER = "other"  # another model; the same one again only when no other is left
    OTHER_PROVIDER = "other_provider"  # another provider first (R5.3); its other models later
    NONE = "none"  # nothing else can succeed, or nothing else may be asked


class Scope(StrEnum):
    """How far a failure reaches."""

    REQUEST = "request"  # says nothing about the model's health
    MODEL = "model"
    PROVIDER = "provider"


class ProviderFailure(Exception):
    """One attempt at one model failed.

    ``outcome`` is the word in receipts and logs. ``counts`` says whether the health record takes
    it as a sign of an unhealthy model. ``wait_s`` is the provider's own hint in seconds (None: no
    hint). ``retryable_same`` allows the same model again later when nothing else is left.
    ``may_have_spent`` is False only where the provider surely never worked on the request.
    """

    outcome: ClassVar[str] = "error"
    retry: ClassVar[Retry] = Retry.OTHER
    scope: ClassVar[Scope] = Scope.MODEL
    counts: ClassVar[bool] = True
    retryable_same: ClassVar[bool] = False
    may_have_spent: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        status: int | None = None,
        wait_s: float | None = None,
        window: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.status = status
        self.wait_s = wait_s
        self.window = window  # "minute" | "day" | "month": which quota a 429/402 speaks of
        self.param = param


class QuotaExceeded(ProviderFailure):
    """429: a limit of this model or key; ``window`` and ``wait_s`` say which and how long."""

    outcome, retry, counts, retryable_same = "rate_limited", Retry.OTHER_PROVIDER, False, True
    may_have_spent = False


class PaymentRequired(ProviderFailure):
    """402, or a quota of 0: the key has no credit for this; nothing to retry for hours."""

    outcome, retry, scope, counts = "payment_required", Retry.OTHER_PROVIDER, Scope.PROVIDER, False
    may_have_spent = False


class NotOnThisKey(ProviderFailure):
    """The key's tier does not include this model (quota 0, terms not accepted): model only."""

    outcome, counts, may_have_spent = "not_on_this_key", False, False


class KeyRejected(ProviderFailure):
    """401/403: the provider is unavailable for 5 minutes (R5.5)."""

    outcome, retry, scope, counts = "auth_failed", Retry.OTHER_PROVIDER, Scope.PROVIDER, False
    may_have_spent = False


class FirstByteTimeout(ProviderFailure):
    """Silence: no first byte in time. Another model first, the same with more time later."""

    outcome, retryable_same = "timeout", True


class StreamStalled(ProviderFailure):
    """A stream that began went silent for longer than the stall timeout."""

    outcome, retryable_same = "stalled", True


class StreamCut(ProviderFailure):
    """A stream or body ended before its explicit end."""

    outcome, retryable_same = "cut", True


class ConnectionFailed(ProviderFailure):
    """Refused, reset before headers, DNS, TLS."""

    outcome, retryable_same = "connection_failed", True


class Overloaded(ProviderFailure):
    """500, 502, 503, 504, 529 and their like: the provider's trouble."""

    outcome, retryable_same = "server_error", True


class MalformedAnswer(ProviderFailure):
    """An answer that is not what the wire format says."""

    outcome, retryable_same = "malformed", True


class EmptyAnswer(ProviderFailure):
    """A well-formed answer without text, tool call or refusal."""

    outcome, retryable_same = "empty", True


class BadToolCall(ProviderFailure):
    """The model wrote a tool call its own provider could not parse."""

    outcome, counts, retryable_same = "bad_tool_call", False, True


class ModelGone(ProviderFailure):
    """404 or decommissioned: the provider does not serve the model any more (P69)."""

    outcome, may_have_spent = "model_gone", False


class FieldUnsupported(ProviderFailure):
    """400 for a field that the catalog thought supported (P69); ``param`` names it if known."""

    outcome, counts, may_have_spent = "field_unsupported", False, False


class ContextTooLong(ProviderFailure):
    """The prompt is over this model's window: only a larger window can help."""

    outcome, scope, counts, may_have_spent = "context_length", Scope.REQUEST, False, False


class RequestTooLarge(ProviderFailure):
    """413: over what this key may send in one request here; another provider may take it."""

    outcome, retry, scope = "too_large", Retry.OTHER_PROVIDER, Scope.REQUEST
    counts, may_have_spent = False, False


class RequestRejected(ProviderFailure):
    """400/422: the request is wrong everywhere; no retry."""

    outcome, retry, scope, counts = "rejected", Retry.NONE, Scope.REQUEST, False
    may_have_spent = False


class Refused(ProviderFailure):
    """The provider's safety system refused: an answer, never routed around."""

    outcome, retry, scope, counts = "content_filter", Retry.NONE, Scope.REQUEST, False
