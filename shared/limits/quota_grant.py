"""How large a lease is: a share of what is free, by the demand of the instance that asks.

A lease that is too large lies idle while others wait; one that is too small costs a write for
every request. What waits right now is used at once, so of it an instance may take its fair share
of all that is free; what is only expected may take half of that, so that the instances together
leave room for one that comes later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct, field

from shared.limits.quota_limits import CardLimits, ScopeLimits
from shared.limits.quota_rules import (
    CHARACTERS,
    REQUESTS,
    TOKENS,
    UNBOUNDED,
    fits,
    free,
    gauges,
    parts,
    room_at,
)
from shared.limits.quota_state import NOTHING, PROVIDER, Amount, QuotaState
from shared.limits.quota_turns import in_turn, starves

# Capacity further off than this (ms) is a matter of days, in which everybody is full.
SOON_MS = 90_000


class Waiting(Struct, frozen=True):
    """One request that waits for a permit; ``bulk`` work leaves the floor untouched."""

    cost: Amount
    bulk: bool = False


class Demand(Struct):
    """What an instance asks of one model: requests that wait, those expected within a lease, and
    the tokens and characters of a mean one; ``left`` is what its lease still has, ``mine`` what
    it used in the last 60 s."""

    limits: ScopeLimits
    waiting: list[Waiting] = field(default_factory=list)
    ahead: float = 0.0
    mean_tokens: float = 0.0
    mean_characters: float = 0.0
    left: Amount = NOTHING
    mine: Amount = NOTHING

    @property
    def wanted(self) -> Amount:
        """Requests and tokens of what waits and is expected."""
        waiting = sum(each.cost.tokens for each in self.waiting)
        return Amount(
            len(self.waiting) + int(self.ahead), waiting + int(self.ahead * self.mean_tokens)
        )

    @property
    def largest(self) -> Amount:
        """The largest of what waits, in each of its parts."""
        return Amount(
            max((each.cost.requests for each in self.waiting), default=0),
            max((each.cost.tokens for each in self.waiting), default=0),
            max((each.cost.characters for each in self.waiting), default=0),
        )


class Allotment(Struct, frozen=True):
    """A part of a lease: ``amount`` in all (``UNBOUNDED`` where nothing is limited), of which
    ``kept`` is only for interactive requests."""

    amount: Amount = NOTHING
    kept: Amount = NOTHING


class LeaseSize(Struct, frozen=True):
    """What to grant: against the provider in all, and against each model."""

    whole: Allotment
    models: Mapping[str, Allotment]


class _Room(Struct, frozen=True):
    """What one scope has free: for all, and for bulk work."""

    all: Amount
    bulk: Amount

    def takes(self, waiting: Waiting) -> bool:
        """Whether that request alone has room."""
        return fits(waiting.cost, self.bulk if waiting.bulk else self.all)

    def allot(self, amount: Amount) -> Allotment:
        """``amount`` of it; what bulk work may not touch is kept."""
        return Allotment(amount, NOTHING if self.all == self.bulk else amount.minus(self.bulk))


def size_lease(
    state: QuotaState,
    now: int,
    holder: str,
    provider: ScopeLimits,
    demands: Mapping[str, Demand],
    floor: float,
) -> LeaseSize | None:
    """The lease for what is asked; None where nothing that waits can be granted.

    ``state`` is settled; the holder's present grant counts as free, since the new one replaces it.
    """
    active = state.active(now, holder)
    together = all_of_them(provider, demands)
    ceiling = _room(state, PROVIDER, together, now, holder, floor)
    models: dict[str, Allotment] = {}
    served: list[Waiting] = []
    for name, demand in demands.items():
        room = _room(state, name, demand, now, holder, floor)
        able = [each for each in demand.waiting if room.takes(each) and ceiling.takes(each)]
        if demand.waiting and not able:
            # Nobody who waits for it can be helped: it keeps what it has, as far as that is free.
            models[name] = room.allot(lesser(demand.left, room.all))
        else:
            models[name] = room.allot(_size(able, demand, room.all, active))
            served += able
    if not served and any(demand.waiting for demand in demands.values()):
        return None
    whole = _size(served, together, ceiling.all, active)
    useful = min(UNBOUNDED, sum(part.amount.requests for part in models.values()))
    if whole.requests < UNBOUNDED:
        whole = Amount(min(whole.requests, useful), whole.tokens, whole.characters)
    return LeaseSize(
        ceiling.allot(whole),
        {
            name: Allotment(lesser(part.amount, whole), part.kept)
            for name, part in models.items()
        },
    )  # fmt: skip


class Word(Struct, frozen=True):
    """What an instance that starves waits for, by scope, and when (ms) it comes for it."""

    wants: dict[str, Amount]
    look: int


def leave_word(
    state: QuotaState,
    now: int,
    holder: str,
    provider: ScopeLimits,
    demands: Mapping[str, Demand],
    early_ms: int,
) -> Word | None:
    """The word of an instance that was granted nothing; None where it had its share, is alone, or
    capacity is further off than a minute."""
    whole = all_of_them(provider, demands)
    waiting = {name: demand for name, demand in demands.items() if demand.waiting}
    looks = [
        room_at(
            state, name, CardLimits(provider, demand.limits, False), now, demand.waiting[0].cost,
            early_ms=early_ms,
        )
        for name, demand in waiting.items()
    ]  # fmt: skip
    look = min(looks, default=now)
    if not now < look <= now + SOON_MS or not any(
        starves(state, name, demand.limits, now, holder, demand.mine)
        for name, demand in {PROVIDER: whole, **waiting}.items()
    ):
        return None
    wants = {name: demand.wanted for name, demand in {PROVIDER: whole, **waiting}.items()}
    return Word(wants, look)


def _room(
    state: QuotaState, name: str, demand: Demand, now: int, holder: str, floor: float
) -> _Room:
    rows = gauges(state, name, demand.limits, now, without=holder)
    whole = in_turn(
        state, name, demand.limits, now, holder, free(rows).minus(NOTHING), demand.mine,
        demand.largest,
    )  # fmt: skip
    return _Room(whole, lesser(whole, free(rows, floor).minus(NOTHING)) if floor else whole)


def all_of_them(provider: ScopeLimits, demands: Mapping[str, Demand]) -> Demand:
    """What waits for, is expected of and was used by all models of a provider."""
    whole = Demand(provider)
    for demand in demands.values():
        whole.waiting += demand.waiting
        whole.ahead += demand.ahead
        whole.mean_tokens += demand.ahead * demand.mean_tokens
        whole.mean_characters += demand.ahead * demand.mean_characters
        whole.mine = whole.mine.plus(demand.mine)
    if whole.ahead > 0.0:
        whole.mean_tokens /= whole.ahead
        whole.mean_characters /= whole.ahead
    return whole


def _size(served: list[Waiting], demand: Demand, room: Amount, active: int) -> Amount:
    """Requests, tokens and characters for what waits and what is expected."""
    costs = [parts(each.cost) for each in served]
    means = (1.0, demand.mean_tokens, demand.mean_characters)
    sizes = [UNBOUNDED, UNBOUNDED, UNBOUNDED]
    for resource, left in enumerate(parts(room)):
        if left < UNBOUNDED:
            needed = [cost[resource] for cost in costs]
            fair = min(sum(needed), left // active)
            expected = min(left // max(2, active), math.ceil(demand.ahead * means[resource]))
            sizes[resource] = min(left, max(max(needed, default=0), fair, expected))
    if sizes[REQUESTS] < UNBOUNDED:
        # No more requests than the tokens and characters will do for.
        for resource in (TOKENS, CHARACTERS):
            if sizes[resource] < UNBOUNDED and means[resource] > 0.0:
                enough = max(len(served), math.ceil(sizes[resource] / means[resource]))
                sizes[REQUESTS] = min(sizes[REQUESTS], enough)
    return Amount(*sizes)


def lesser(one: Amount, other: Amount) -> Amount:
    """The smaller of both in each part."""
    return Amount(
        min(one.requests, other.requests),
        min(one.tokens, other.tokens),
        min(one.characters, other.characters),
    )
