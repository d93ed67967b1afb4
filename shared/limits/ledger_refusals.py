"""Refusing what finds no room, and knowing when to look again."""

from __future__ import annotations

import random

from shared.limits.lease import Lease
from shared.limits.lease_demand import ModelDesk
from shared.limits.ledger_exchange import LEASE_MS
from shared.limits.ledger_known import Known
from shared.limits.quota_grant import Waiting
from shared.limits.quota_rules import NEVER, earliest, room_at
from shared.limits.quota_state import NOTHING, PROVIDER, Amount
from shared.permits import TOO_LARGE, Refusal

# Instances that wait for the same capacity come back scattered over this for each (seconds), so
# that they seldom write at the same moment.
SCATTER_S = 0.1
ONE = Amount(1)


def full(
    known: Known,
    lease: Lease,
    desk: ModelDesk,
    model: str,
    waiting: Waiting,
    holder: str,
    floor: float,
    rng: random.Random,
    now: float,
    yield_until: float,
) -> Refusal | None:
    """The refusal that follows from the document as it is known; None: there is room.

    The desk remembers it, so that nobody has to ask before capacity returns. ``lease`` is what
    ``holder`` has left itself, ``floor`` the share of the limits that bulk work leaves,
    ``yield_until`` the monotonic second until which others come first.
    """
    now_ms, view = known.now_ms(now), known.view
    view.advance(now_ms)
    whole, models = lease.left()
    spare = whole, models.get(model, NOTHING)
    kept = floor if waiting.bulk else 0.0
    at = room_at(
        view, model, desk.limits, now_ms, waiting.cost, spare=spare, floor=kept, early_ms=LEASE_MS
    )
    if at <= now_ms:
        if now >= yield_until:
            return None
        refusal = Refusal(yield_until, "full")
        desk.remember(refusal, Waiting(ONE, waiting.bulk))
        return refusal
    scatter_s = view.active(now_ms, holder) * SCATTER_S * rng.random()
    provider_at = earliest(
        view, PROVIDER, desk.limits.provider, now_ms, ONE, spare=whole, floor=kept,
        early_ms=LEASE_MS,
    )  # fmt: skip
    all_of_it = provider_at > now_ms
    refusal = _refusal(known, at, scatter_s, all_of_it)
    # For any request at all, however small?
    bare_at = room_at(
        view, model, desk.limits, now_ms, ONE, spare=spare, floor=kept, early_ms=LEASE_MS
    )
    if bare_at > now_ms:
        bare = refusal if bare_at == at else _refusal(known, bare_at, scatter_s, all_of_it)
        desk.remember(bare, Waiting(ONE, waiting.bulk))
    else:
        desk.remember(refusal, waiting)
    return refusal


def _refusal(known: Known, at: int, scatter_s: float, whole: bool) -> Refusal:
    if at >= NEVER:
        return TOO_LARGE
    return Refusal(known.clock.when(at / 1000.0) + scatter_s, "full", whole)
