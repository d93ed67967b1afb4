"""Quotas as the admin page shows them: limits, use, utilization and held leases, as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from shared.limits.lease import Lease, used_since
from shared.limits.ledger_known import Known
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import DIMENSIONS, Uses, capped
from shared.limits.quota_state import NOTHING, PROVIDER, WINDOW_MS, Scope
from shared.limits.quota_time import day_begin
from shared.limits.utilization import Used
from shared.messages import JsonObject, JsonValue


def used(known: Known, journals: Sequence[Uses], name: str, now: float) -> Used:
    """Counts of a scope: what the document has and what this instance has not written yet
    (P28, P29). What other instances have not settled yet is not among it, but held."""
    now_ms = known.now_ms(now)
    scope = known.committed.scopes.get(name) or Scope()
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
    known: Known,
    lease: Lease,
    journals: Sequence[Uses],
    now: float,
) -> JsonObject:
    """One provider (``model`` null) or model. Limits are those in force, lowered ones included;
    ``remaining_s`` is what a grant or closure still lasts, ``seen_s_ago`` the copy's age."""
    now_ms = known.now_ms(now)
    scope = known.view.scopes.get(name) or Scope()
    in_force: dict[str, JsonValue] = {
        dimension: limit
        for dimension, _ in DIMENSIONS
        if (limit := capped(scope, limits, dimension, now_ms)) is not None
    }
    counts = used(known, journals, name, now).to_json()
    counts["month"] = {"characters": scope.month_used(now_ms)}
    closed = known.closure(name)
    return {
        "provider": provider,
        "model": None if name == PROVIDER else name,
        "limits": in_force,
        "day_reset": limits.day_reset,
        "used": counts,
        "utilization": round(known.used_share(name, limits, lease, now), 4),
        "held": _held(known, name, now_ms),
        "closed": None
        if closed is None or closed[1] <= now
        else {"reason": closed[0], "remaining_s": round(closed[1] - now, 1)},
    }


def _held(known: Known, name: str, now_ms: int) -> JsonValue:
    """Grants that count against a scope now, those included that can no longer be used."""
    rows: list[JsonValue] = []
    for holder, grant in known.committed.held.items():
        part = grant.of(name)
        if not grant.counted and part != NOTHING:
            rows.append(
                {
                    "holder": holder,
                    "requests": part.requests,
                    "tokens": part.tokens,
                    "characters": part.characters,
                    "remaining_s": round(max(0, grant.expires - now_ms) / 1000.0, 1),
                }
            )
    return rows
