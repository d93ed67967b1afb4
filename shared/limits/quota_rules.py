"""The arithmetic of quotas, without any I/O: what is free, when more is, what a use changes.

The invariant all of it keeps: at every version of a document each use that may lie in the last
60 s stands in exactly one place, a bucket or a grant, and all of them together are within the
limit. Writes are compare-and-set, so versions follow one another; whatever is granted at a version
therefore fits beside everything that can share a window with it (P70).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shared.limits.quota_limits import CardLimits, ScopeLimits
from shared.limits.quota_state import (
    NOTHING,
    PROVIDER,
    WINDOW_MS,
    Amount,
    QuotaState,
    Scope,
)
from shared.limits.quota_time import HOUR_MS, month_end, slot_end
from shared.providers.base import LimitSignal

# More than any limit: what is not limited. A lease may hold it and be used from as any other.
UNBOUNDED = 1 << 60
# When there will never be room: the request takes more than its limit allows at all.
NEVER = 1 << 62
REQUESTS, TOKENS, CHARACTERS = 0, 1, 2
# (dimension, what it limits); the order is that of the contract's ``limits``.
DIMENSIONS = (
    ("rpm", REQUESTS),
    ("rpd", REQUESTS),
    ("tpm", TOKENS),
    ("tpd", TOKENS),
    ("characters_per_month", CHARACTERS),
)
# A told limit that is lower than ours holds for an hour after it was told.
CAP_MS = HOUR_MS
# Differences this small between the provider's count and ours are calls under way.
SLACK_SHARE = 0.02
# Longer than any window that is told: nothing that a header says holds for more than a month.
LONGEST_MS = 31 * 24 * HOUR_MS
# A window that is told without its end.
DEFAULT_RESET_S = {"minute": 60.0, "hour": 3600.0, "day": 3600.0, "month": 3600.0}

_NEW = QuotaState()

Uses = Mapping[str, Mapping[int, list[int]]]
"""Model -> tick -> [latest stamp ms, requests, tokens, characters]; negative takes back."""


class Gauge(NamedTuple):
    """One limit and what counts against it: spent, held and told by the provider."""

    dimension: str
    resource: int
    limit: int
    used: int


def parts(amount: Amount) -> tuple[int, int, int]:
    """Requests, tokens and characters by their place."""
    return amount.requests, amount.tokens, amount.characters


def gauges(
    state: QuotaState,
    name: str,
    limits: ScopeLimits,
    now: int,
    *,
    without: str | None = None,
    spare: Amount = NOTHING,
) -> list[Gauge]:
    """Every limit of a scope. The grant of ``without`` does not count, nor what is ``spare``."""
    scope = state.scopes.get(name)
    if scope is None:
        scope = Scope()
    held = parts(state.held_of(name, without).minus(spare))
    minute, day = scope.minute_used(now), scope.day_used(now)
    spent = {
        "rpm": minute[0],
        "rpd": day[0],
        "tpm": minute[1],
        "tpd": day[1],
        "characters_per_month": scope.month_used(now),
    }
    rows = []
    for dimension, resource in DIMENSIONS:
        limit = capped(scope, limits, dimension, now)
        if limit is not None:
            phantom, until = scope.phantoms.get(dimension, (0, 0))
            used = spent[dimension] + held[resource] + (phantom if until > now else 0)
            rows.append(Gauge(dimension, resource, limit, used))
    return rows


def capped(scope: Scope, limits: ScopeLimits, dimension: str, now: int) -> int | None:
    """Our limit or the lower one that the provider told."""
    own = limits.of_dimension(dimension)
    told = scope.caps.get(dimension)
    if told is None or told[1] <= now:
        return own
    return told[0] if own is None else min(own, told[0])


def free(rows: list[Gauge], floor: float = 0.0) -> Amount:
    """What the tightest limits leave, ``UNBOUNDED`` where there is none; may be below 0.

    ``floor``: the share of each limit that stays untouched (bulk work).
    """
    left = [UNBOUNDED, UNBOUNDED, UNBOUNDED]
    for row in rows:
        usable = row.limit - _kept(row.limit, floor)
        left[row.resource] = min(left[row.resource], usable - row.used)
    return Amount(*left)


def share(rows: list[Gauge]) -> tuple[float, str]:
    """The largest used share in [0, 1] and its dimension (R6.9); a limit of 0 is full."""
    worst, which = 0.0, ""
    for row in rows:
        part = row.used / row.limit if row.limit > 0 else 1.0
        if part > worst:
            worst, which = part, row.dimension
    return min(1.0, worst), which


def most(limits: CardLimits, floor: float) -> Amount:
    """What one request may cost where nothing at all is used."""
    return free(
        gauges(_NEW, PROVIDER, limits.provider, 0) + gauges(_NEW, PROVIDER, limits.model, 0), floor
    )


def fits(cost: Amount, left: Amount) -> bool:
    """Whether a request of that cost has room."""
    return (
        cost.requests <= left.requests
        and cost.tokens <= left.tokens
        and cost.characters <= left.characters
    )


def earliest(
    state: QuotaState,
    name: str,
    limits: ScopeLimits,
    now: int,
    cost: Amount,
    *,
    spare: Amount = NOTHING,
    floor: float = 0.0,
    early_ms: int = 0,
) -> int:
    """The moment (ms) at which there is room for ``cost`` if nobody takes any before: ``now`` or
    earlier where there is room already, ``NEVER`` where the limit itself is smaller.

    A holder that settles gives back what it used long before its grant would let go of it, so
    ``early_ms``: grants are looked at so much before that, if that is still to come.
    """
    costs = parts(cost)
    until = now
    for row in gauges(state, name, limits, now, spare=spare):
        usable = row.limit - _kept(row.limit, floor)
        needed = costs[row.resource]
        if needed and row.used + needed > usable:
            if needed > usable and not _cap_ends(state, name, limits, row, needed, floor):
                return NEVER
            lack = row.used + needed - usable
            until = max(until, _when(state, name, row, lack, now, early_ms))
    return until


def room_at(
    state: QuotaState,
    model: str,
    limits: CardLimits,
    now: int,
    cost: Amount,
    *,
    spare: tuple[Amount, Amount] = (NOTHING, NOTHING),
    floor: float = 0.0,
    early_ms: int = 0,
) -> int:
    """``earliest`` at the provider and at the model; ``spare`` of the one and of the other."""
    return max(
        earliest(state, name, scope, now, cost, spare=left, floor=floor, early_ms=early_ms)
        for name, scope, left in (
            (PROVIDER, limits.provider, spare[0]),
            (model, limits.model, spare[1]),
        )
    )


def _kept(limit: int, floor: float) -> int:
    return int(limit * floor)


def _cap_ends(
    state: QuotaState, name: str, limits: ScopeLimits, row: Gauge, needed: int, floor: float
) -> bool:
    """Whether only a limit told for a while is too small."""
    own = limits.of_dimension(row.dimension)
    return row.dimension in state.scopes[name].caps if own is None else (
        needed <= own - _kept(own, floor) and own > row.limit
    )  # fmt: skip


def _when(state: QuotaState, name: str, row: Gauge, lack: int, now: int, early_ms: int) -> int:
    """The moment at which ``lack`` units have been released."""
    scope = state.scopes.get(name) or Scope()
    releases = []
    if row.dimension in ("rpm", "tpm"):
        releases = _minute(state, name, scope, row, now, early_ms)
    if row.dimension in ("rpd", "tpd"):
        releases = [
            (slot_end(scope.reset, slot), counts[row.resource])
            for slot, counts in scope.days.items()
        ]
    elif row.dimension == "characters_per_month" and scope.month:
        releases = [(month_end(scope.month), scope.characters)]
    if row.dimension in scope.phantoms:
        amount, until = scope.phantoms[row.dimension]
        releases.append((until, amount))
    if row.dimension in scope.caps:
        releases.append((scope.caps[row.dimension][1], UNBOUNDED))
    for at, amount in sorted(releases):
        if at > now:
            lack -= amount
            if lack <= 0:
                return at
    # What is held of a day or month comes back by settlement only: look again a minute later.
    return now + WINDOW_MS


def _minute(
    state: QuotaState, name: str, scope: Scope, row: Gauge, now: int, early_ms: int
) -> list[tuple[int, int]]:
    releases = [
        (bucket[0] + WINDOW_MS, bucket[1 + row.resource]) for bucket in scope.minute.values()
    ]
    for grant in state.held.values():
        if not grant.counted:
            end = grant.expires + WINDOW_MS
            at = end - early_ms if end - early_ms > now else end
            releases.append((at, parts(grant.of(name))[row.resource]))
    return releases


def settle(
    state: QuotaState, holder: str, uses: Uses, left: Amount, models: Mapping[str, Amount]
) -> None:
    """Move what ``holder`` used from its grant to the buckets; ``left`` and ``models`` is what the
    grant still holds. A grant already counted as used is counted again, by what was used."""
    grant = state.held.get(holder)
    if grant is not None:
        state.uncount(grant)
        grant.whole, grant.models = left, dict(models)
    provider = state.scope(PROVIDER)
    for name, ticks in uses.items():
        scope = state.scope(name)
        for stamp, requests, tokens, characters in ticks.values():
            scope.add(stamp, (requests, tokens, characters))
            provider.add(stamp, (requests, tokens, characters))


def tighten(
    state: QuotaState, name: str, limits: ScopeLimits, signal: LimitSignal, now: int, at: int
) -> None:
    """Believe a provider that says less is left than we think; never more (LESSONS 14).

    ``now`` is the early bound of the time (what is surely free), ``at`` the late one (until when
    the signal holds). What we think too much counts as used by others until the window is full
    again; a lower limit holds for an hour; nothing left without a known limit closes the scope.
    """
    dimension = dimension_of(signal)
    if dimension is None:
        return
    scope = state.scope(name)
    reset_s = DEFAULT_RESET_S[signal.window] if signal.reset_s is None else signal.reset_s
    until = at + min(LONGEST_MS, max(1000, int(reset_s * 1000)))
    known = capped(scope, limits, dimension, now)
    whole_window = signal.window in ("minute", "day")
    own = limits.of_dimension(dimension)
    if (
        signal.limit is not None
        and whole_window
        and (own is None or signal.limit < own)
        and (known is None or signal.limit <= known)
    ):
        scope.caps[dimension] = (signal.limit, at + CAP_MS)
    if signal.remaining is None:
        return
    for row in gauges(state, name, limits, now):
        if row.dimension == dimension:
            surplus = row.limit - row.used - signal.remaining
            if surplus > row.limit * SLACK_SHARE or (surplus > 0 and signal.remaining == 0):
                amount, longest = scope.phantoms.get(dimension, (0, 0))
                scope.phantoms[dimension] = (amount + surplus, max(longest, until))
            return
    if signal.remaining == 0:
        scope.close("limit", until)


def dimension_of(signal: LimitSignal) -> str | None:
    """The dimension a signal speaks of; hours and months of requests or tokens bear on the day."""
    letter = {"requests": "r", "tokens": "t"}.get(signal.dimension)
    if letter is None or signal.window not in DEFAULT_RESET_S:
        return None
    return f"{letter}pm" if signal.window == "minute" else f"{letter}pd"
