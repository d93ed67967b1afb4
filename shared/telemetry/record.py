"""What is logged of one request: figures and identifiers, never what anybody wrote."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from shared.messages import Attempt, JsonObject, JsonValue

# Hex digits kept of the HMAC: 64 bits tell users apart and cannot be turned back into a uid.
_USER_HASH_DIGITS = 16
# R5.9: more attempts beyond the first than this is a warning.
DEEP_FALLBACK = 3
# Not the caller's doing, though the status is below 500.
_OUR_TROUBLE: Final = frozenset({"capacity_exhausted"})


def user_hash(uid: str, salt: bytes) -> str:
    """A stable pseudonym of a user for logs: 16 hex digits of HMAC-SHA-256 under ``salt``."""
    return hmac.digest(salt, uid.encode("utf-8", "replace"), "sha256").hex()[:_USER_HASH_DIGITS]


# What receipt and line say of a request that was let by unjudged (R2, decision).
NOT_SCANNED = "not_scanned"


class RequestRecord(Struct):
    """One request's summary line (R25.1-25.4, R25.8).

    ``user_hash`` comes from ``user_hash``. ``timings_ms`` are whole or fractional milliseconds by
    stage ("total" among them). ``code`` is the contract's error code, empty on success.
    """

    request_id: str
    function: str
    path: str
    status: int
    code: str = ""
    user_hash: str = ""
    category: str = ""
    confidence: float | None = None
    classification_source: str = ""
    routing_reason: str = ""
    chain: Sequence[str] = ()
    attempts: Sequence[Attempt] = ()
    model: str = ""
    provider: str = ""
    warnings: Sequence[str] = ()
    stream: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    timings_ms: dict[str, JsonValue] = field(default_factory=dict)
    cancelled: bool = False
    guard: str = ""

    def severity(self) -> str:
        """ERROR for our failures and for a text that was let by unjudged, so that an alert on
        errors tells of it; WARNING for a deep chain (R5.9) or no capacity; else INFO."""
        if self.status >= 500 or self.guard == NOT_SCANNED:
            return "ERROR"
        if len(self.attempts) - 1 > DEEP_FALLBACK or self.code in _OUR_TROUBLE:
            return "WARNING"
        return "INFO"

    def headline(self) -> str:
        """The line's ``message``: what one reads first."""
        return f"{self.function} {self.status} {self.code or self.model or 'ok'}"

    def to_json(self) -> JsonObject:
        """The line's payload; what is empty is left out."""
        line: JsonObject = {
            "request_id": self.request_id,
            "function": self.function,
            "path": self.path,
            "status": self.status,
            "stream": self.stream,
            "timings_ms": self.timings_ms,
        }
        if self.code:
            line["code"] = self.code
        if self.user_hash:
            line["user"] = self.user_hash
        if self.category:
            line["classification"] = {
                "category": self.category,
                "confidence": self.confidence,
                "source": self.classification_source,
            }
        if self.chain or self.attempts:
            line["routing"] = {
                "reason": self.routing_reason,
                "chain": list(self.chain),
                "attempts": [attempt.to_json() for attempt in self.attempts],
            }
        if self.model:
            line["model"] = self.model
            line["provider"] = self.provider
        if self.prompt_tokens or self.completion_tokens:
            line["tokens"] = {"prompt": self.prompt_tokens, "completion": self.completion_tokens}
        if self.warnings:
            line["warnings"] = list(self.warnings)
        if self.guard:
            line["guard"] = self.guard
        if self.cancelled:
            line["cancelled"] = True
        return line
