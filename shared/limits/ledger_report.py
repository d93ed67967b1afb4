"""Quotas as the admin page shows them: limits, use, utilization and held leases, as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from shared.limits.lease import Lease, used_since
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import DIMENSIONS, Uses, capped, gauges, share
from shared.limits.quota_state import NOTHING, PROVIDER, WINDOW_MS, QuotaState, Scope
from shared.limits.quota_time import day_begin
from shared.messages import JsonObject, JsonValue


class Used(Struct, frozen=True):
    """Counts of one model or provider: the last 60 s and the current day."""

    minute_requests: int
    minute_tokens: int
    day_requests: int
    day_tokens: int

    def to_json(self) -> JsonObject:
        """The dashboard's form."""
        return {
            "minute": {"requests": self.minute_requests, "tokens": self.minute_tokens},
            "day": {"requests": self.day_requests, "tokens": self.day_tokens},
        }


def used(state: QuotaState, journals: Sequence[Uses], name: str, now_ms: int) -> Used:
    """Counts of a scope: what the document has and what this instance has not written yet
    (P28, P29). What other instances have not settled yet is not among it, but held."""
    scope = state.scopes.get(name) or Scope()
    model = None if name == PROVIDER else name
    requests, tokens = scope.minute_used(now_ms)
    more, longer = used_since(journals, model, now_ms - WINDOW_MS)
    day_requests, day_tokens = scope.day_used(now_ms)
    day_more, day_longer = used_since(journals, model, day_begin(scope.reset, now_ms) - 1)
    return Used(
        requests + more,
        max(0, tokens + longer),
        day_requests + day_more,
        max(0, day_tokens + day_longer),
    )


def row(
    provider: str,
    name: str,
    limits: ScopeLimits,
    state: QuotaState,
    lease: Lease,
    journals: Sequence[Uses],
    now_ms: int,
) -> JsonObject:
    """One provider (``model`` null) or model. Limits are those in force, lowered ones included;
    ``remaining_s`` is what a grant or closure still lasts."""
    scope = state.scopes.get(name) or Scope()
    in_force: dict[str, JsonValue] = {
        dimension: limit
        for dimension, _ in DIMENSIONS
        if (limit := capped(scope, limits, dimension, now_ms)) is not None
    }
    counts = used(state, journals, name, now_ms).to_json()
    counts["month"] = {"characters": scope.month_used(now_ms)}
    whole, models = lease.left()
    spare = whole if name == PROVIDER else models.get(name, NOTHING)
    part, _ = share(gauges(state, name, limits, now_ms, spare=spare))
    closed: JsonObject | None = None
    if scope.closed is not None:
        reason, until = scope.closed
        closed = {"reason": reason, "remaining_s": _seconds(until - now_ms)}
    return {
        "provider": provider,
        "model": None if name == PROVIDER else name,
        "limits": in_force,
        "day_reset": limits.day_reset,
        "used": counts,
        "utilization": round(part, 4),
        "held": _held(state, name, now_ms),
        "closed": closed,
    }


def _held(state: QuotaState, name: str, now_ms: int) -> JsonValue:
    """Grants that count against a scope now, those included that can no longer be used."""
    return [
        {
            "holder": holder,
            "requests": part.requests,
            "tokens": part.tokens,
            "characters": part.characters,
            "remaining_s": _seconds(grant.expires - now_ms),
        }
        for holder, grant in state.held.items()
        if not grant.counted and (part := grant.of(name)) != NOTHING
    ]


def _seconds(milliseconds: int) -> float:
    return round(max(0, milliseconds) / 1000.0, 1)
