"""Whose turn it is: an instance that got nothing is not passed over for ever.

Capacity comes back to whoever looks first, and who used it before knows best when that will be: it
settles its own uses, the others see only that they are held. So an instance that is refused though
it had less than half of its share leaves word in the document of what waits and when it will look.
About that moment the others take no more than their own share, unless there is more than is waited
for. It costs a write, and only instances that starve pay it.
"""

from __future__ import annotations

from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import capped
from shared.limits.quota_state import Amount, Grant, QuotaState, Scope

# From so long before a starving instance looks until so long after (ms), room is left for it.
BEFORE_MS = 3_000
AFTER_MS = 2_000
# The one limits shared out are those of the minute: a day that is used up is so for everybody.
_MINUTE = ("rpm", "tpm")


def word_left(state: QuotaState, name: str, now: int, holder: str) -> list[Amount]:
    """What other instances wait for and come for about now."""
    return [
        grant.wants[name]
        for other, grant in state.held.items()
        if other != holder and _comes(grant, now) and name in grant.wants
    ]


def in_turn(
    state: QuotaState,
    name: str,
    limits: ScopeLimits,
    now: int,
    holder: str,
    room: Amount,
    mine: Amount,
    largest: Amount,
) -> Amount:
    """Of ``room``, what ``holder`` may take now, who used ``mine`` in the last 60 s.

    Its share is never less than ``largest``, the largest request that waits: a limit of few tokens
    could else not be shared at all.
    """
    others = word_left(state, name, now, holder)
    if not others:
        return room
    requests, tokens = _shares(state, name, limits, now, holder)
    return Amount(
        _may(room.requests, requests, mine.requests, largest.requests,
             [each.requests for each in others]),
        _may(room.tokens, tokens, mine.tokens, largest.tokens, [each.tokens for each in others]),
        room.characters,
    )  # fmt: skip


def starves(
    state: QuotaState, name: str, limits: ScopeLimits, now: int, holder: str, mine: Amount
) -> bool:
    """Whether there are others, and ``holder`` used less than half of its share beside them."""
    if all(other == holder or grant.counted for other, grant in state.held.items()):
        return False
    requests, tokens = _shares(state, name, limits, now, holder)
    return (requests is not None and 2 * mine.requests < requests) or (
        tokens is not None and 2 * mine.tokens < tokens
    )


def others_come_until(state: QuotaState, now: int, holder: str) -> int | None:
    """The moment (ms) at which the first of those who come about now has come or will not; None:
    nobody comes."""
    looks = [
        grant.look for other, grant in state.held.items() if other != holder and _comes(grant, now)
    ]
    return min(looks) + AFTER_MS if looks else None


def _shares(
    state: QuotaState, name: str, limits: ScopeLimits, now: int, holder: str
) -> tuple[int | None, int | None]:
    """An even share of the minute's requests and tokens; None where they are not limited."""
    scope = state.scopes.get(name) or Scope()
    asking = 1 + sum(
        1
        for other, grant in state.held.items()
        if other != holder and not grant.counted and (grant.expires > now or _comes(grant, now))
    )
    requests, tokens = (capped(scope, limits, dimension, now) for dimension in _MINUTE)
    return (
        None if requests is None else -(-requests // asking),
        None if tokens is None else -(-tokens // asking),
    )


def _may(room: int, share: int | None, mine: int, largest: int, others: list[int]) -> int:
    if share is None:
        return room
    own = max(share, largest) - mine
    beyond = room - sum(min(wanted, share) for wanted in others)
    return max(0, min(room, max(own, beyond)))


def _comes(grant: Grant, now: int) -> bool:
    return grant.look - BEFORE_MS <= now < grant.look + AFTER_MS
