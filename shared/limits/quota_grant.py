"""How large a lease is: a share of what is free, by the demand of the instance that asks.

A lease that is too large lies idle while others wait; one that is too small costs a write for
every request. What waits right now is used at once, so of it an instance may take its fair share
of all that is free; what is only expected may take half of that, so that the instances together
leave room for one that comes later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import (
    CHARACTERS,
    REQUESTS,
    TOKENS,
    UNBOUNDED,
    fits,
    free,
    gauges,
    parts,
)
from shared.limits.quota_state import NOTHING, PROVIDER, Amount, QuotaState


@dataclass(frozen=True, slots=True)
class Waiting:
    """One request that waits for a permit; ``bulk`` work leaves the floor untouched."""

    cost: Amount
    bulk: bool = False


@dataclass(slots=True)
class Demand:
    """What an instance asks of one model: requests that wait, those expected within a lease, and
    the tokens and characters of a mean one; ``left`` is what its lease still has."""

    limits: ScopeLimits
    waiting: list[Waiting] = field(default_factory=list)
    ahead: float = 0.0
    mean_tokens: float = 0.0
    mean_characters: float = 0.0
    left: Amount = NOTHING


@dataclass(frozen=True, slots=True)
class Allotment:
    """A part of a lease: ``amount`` in all (``UNBOUNDED`` where nothing is limited), of which
    ``kept`` is only for interactive requests."""

    amount: Amount = NOTHING
    kept: Amount = NOTHING


@dataclass(frozen=True, slots=True)
class LeaseSize:
    """What to grant: against the provider in all, and against each model."""

    whole: Allotment
    models: Mapping[str, Allotment]


@dataclass(frozen=True, slots=True)
class _Room:
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
    ceiling = _room(state, PROVIDER, provider, now, holder, floor)
    models: dict[str, Allotment] = {}
    served: list[Waiting] = []
    for name, demand in demands.items():
        room = _room(state, name, demand.limits, now, holder, floor)
        able = [each for each in demand.waiting if room.takes(each) and ceiling.takes(each)]
        if demand.waiting and not able:
            # Nobody who waits for it can be helped: it keeps what it has, as far as that is free.
            models[name] = room.allot(_lesser(demand.left, room.all))
        else:
            models[name] = room.allot(_size(able, demand, room.all, active))
            served += able
    if not served and any(demand.waiting for demand in demands.values()):
        return None
    whole = _size(served, _together(provider, demands), ceiling.all, active)
    useful = min(UNBOUNDED, sum(part.amount.requests for part in models.values()))
    if whole.requests < UNBOUNDED:
        whole = Amount(min(whole.requests, useful), whole.tokens, whole.characters)
    return LeaseSize(
        ceiling.allot(whole),
        {
            name: Allotment(_lesser(part.amount, whole), part.kept)
            for name, part in models.items()
        },
    )  # fmt: skip


def _room(
    state: QuotaState, name: str, limits: ScopeLimits, now: int, holder: str, floor: float
) -> _Room:
    rows = gauges(state, name, limits, now, without=holder)
    everything = free(rows).minus(NOTHING)
    return _Room(everything, free(rows, floor).minus(NOTHING) if floor else everything)


def _together(provider: ScopeLimits, demands: Mapping[str, Demand]) -> Demand:
    """What is expected of all models."""
    all_of_them = Demand(provider)
    for demand in demands.values():
        all_of_them.ahead += demand.ahead
        all_of_them.mean_tokens += demand.ahead * demand.mean_tokens
        all_of_them.mean_characters += demand.ahead * demand.mean_characters
    if all_of_them.ahead > 0.0:
        all_of_them.mean_tokens /= all_of_them.ahead
        all_of_them.mean_characters /= all_of_them.ahead
    return all_of_them


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


def _lesser(one: Amount, other: Amount) -> Amount:
    return Amount(
        min(one.requests, other.requests),
        min(one.tokens, other.tokens),
        min(one.characters, other.characters),
    )
