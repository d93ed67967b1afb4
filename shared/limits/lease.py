"""What an instance holds: permits to hand out without asking anybody, and what became of them.

Everything here is local and synchronous. A use is written into the journal under the latest moment
of the store's time at which its request can reach the provider; the journal goes to the document
with the next write. While a write is under way its journal stands in a ``Change``, so that it can
be taken back if the write turns out not to have been made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from shared.limits.quota_grant import Allotment, LeaseSize
from shared.limits.quota_rules import UNBOUNDED, Uses
from shared.limits.quota_state import NOTHING, TICK_MS, WINDOW_MS, Amount
from shared.permits import Permit

# From taking a permit to the request's arrival at the provider, at most (connecting included:
# ``permits.ARRIVAL_S``).
TRANSIT_S = 1.0
Journal = dict[str, dict[int, list[int]]]


class Pool(Struct):
    """What is left of an allotment; bulk work leaves ``kept_*`` untouched."""

    requests: int = 0
    tokens: int = 0
    characters: int = 0
    kept_requests: int = 0
    kept_tokens: int = 0
    kept_characters: int = 0

    def has(self, tokens: int, characters: int, bulk: bool) -> bool:
        """Whether there is enough for one more request."""
        if bulk:
            return (
                self.requests > self.kept_requests
                and self.tokens - self.kept_tokens >= tokens
                and self.characters - self.kept_characters >= characters
            )
        return self.requests > 0 and self.tokens >= tokens and self.characters >= characters

    def take(self, requests: int, tokens: int, characters: int) -> None:
        """Take out; negative puts back."""
        self.requests -= requests
        self.tokens -= tokens
        self.characters -= characters

    def left(self) -> Amount:
        """What is left where it is limited, else 0."""
        return Amount(_bounded(self.requests), _bounded(self.tokens), _bounded(self.characters))

    def as_allotment(self) -> Allotment:
        """The pool as it is."""
        return Allotment(
            Amount(self.requests, self.tokens, self.characters),
            Amount(self.kept_requests, self.kept_tokens, self.kept_characters),
        )

    def resize(self, goal: Allotment) -> tuple[Amount, Amount]:
        """Give up at once what is over ``goal``; (what was given up, what is to come)."""
        amount = goal.amount
        over = Amount(
            max(0, self.requests - amount.requests),
            max(0, self.tokens - amount.tokens),
            max(0, self.characters - amount.characters),
        )
        self.take(over.requests, over.tokens, over.characters)
        return over, Amount(
            amount.requests - self.requests,
            amount.tokens - self.tokens,
            amount.characters - self.characters,
        )


class _Resize(Struct):
    pool: Pool
    over: Amount
    more: Amount
    kept: Amount


class Change(Struct):
    """A new lease that is being written: undone or made true when the write's fate is known."""

    journal: Journal
    resizes: list[_Resize] = field(default_factory=list)


class Lease:
    """The permits of one provider that this instance may hand out until ``stop``.

    ``stop`` is a monotonic second, ``stop_wall`` the same on the wall clock: a machine that slept
    shows it there. ``ahead`` is what has to be added to the monotonic clock for a use's stamp (s).
    """

    __slots__ = (
        "_batch",
        "_change",
        "_history",
        "ahead",
        "journal",
        "models",
        "provider",
        "stop",
        "stop_wall",
        "whole",
    )

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.whole = Pool()
        self.models: dict[str, Pool] = {}
        self.stop = -math.inf
        self.stop_wall = -math.inf
        self.ahead = 0.0
        self.journal: Journal = {}
        # What was written, as long as it lies in the last 60 s (``used_lately``).
        self._history: Journal = {}
        self._batch = 0
        self._change: Change | None = None  # the one begun last

    def can(self, model: str, cost: Amount, bulk: bool) -> bool:
        """Whether a permit of that cost is left (the lease's end is the caller's to check)."""
        pool = self.models.get(model)
        return (
            pool is not None
            and pool.has(cost.tokens, cost.characters, bulk)
            and self.whole.has(cost.tokens, cost.characters, bulk)
        )

    def take(
        self, model: str, tokens: int, characters: int, bulk: bool, now: float
    ) -> Permit | None:
        """A permit, None where the lease has none left for this. ``now``: monotonic s."""
        pool, whole = self.models.get(model), self.whole
        if (
            pool is None
            or not pool.has(tokens, characters, bulk)
            or not whole.has(tokens, characters, bulk)
        ):
            return None
        pool.take(1, tokens, characters)
        whole.take(1, tokens, characters)
        stamp = int((now + self.ahead) * 1000.0)
        _count(self.journal, model, stamp, 1, tokens, characters)
        return Permit(self.provider, model, tokens, characters, stamp, self._batch, True)

    def settle(self, permit: Permit, tokens: int) -> None:
        """The request took ``tokens``; what was reserved beyond comes back, what is more counts."""
        if permit.open:
            permit.open = False
            self._correct(permit, 0, tokens - permit.tokens, 0)

    def refund(self, permit: Permit) -> None:
        """The provider surely never saw the request: nothing was used."""
        if permit.open:
            permit.open = False
            self._correct(permit, -1, -permit.tokens, -permit.characters)

    def shrink(self, model: str, dimension: str, remaining: int) -> None:
        """The provider says that only so much is left for a model."""
        pool = self.models.get(model)
        if pool is not None and dimension == "requests":
            pool.requests = min(pool.requests, remaining)
        elif pool is not None:
            pool.tokens = min(pool.tokens, remaining)

    def give_up(self, model: str | None = None) -> None:
        """Hand out no permit of a model's (None: of any) that was granted until now: other limits
        hold. The document learns of it with the next write, of one under way nothing is taken."""
        pools = [*self.models.values(), self.whole]
        if model is not None:
            pools = [pool for name, pool in self.models.items() if name == model]
        for pool in pools:
            pool.requests = pool.tokens = pool.characters = 0
        self._batch += 1  # what comes back from requests under way is not handed out either
        if self._change is not None:
            self._change.resizes = [
                each for each in self._change.resizes if all(each.pool is not one for one in pools)
            ]

    def left(self) -> tuple[Amount, dict[str, Amount]]:
        """What is left in all, and by model."""
        return self.whole.left(), {
            name: left for name, pool in self.models.items() if (left := pool.left()) != NOTHING
        }

    def as_size(self) -> LeaseSize:
        """A new lease that would change nothing."""
        models = {name: pool.as_allotment() for name, pool in self.models.items()}
        return LeaseSize(self.whole.as_allotment(), models)

    # ------------------------------------------------------------------------------- writing

    def begin(self, size: LeaseSize) -> Change:
        """Turn towards a new size: what is over it is given up at once, what is more comes with
        ``commit``. The journal so far goes with the change."""
        change = self._change = Change(self.journal)
        self.journal = {}
        self._batch += 1
        for model in size.models:
            self.models.setdefault(model, Pool())
        for pool, goal in (
            (self.whole, size.whole),
            *((pool, size.models.get(name, Allotment())) for name, pool in self.models.items()),
        ):
            over, more = pool.resize(goal)
            change.resizes.append(_Resize(pool, over, more, goal.kept))
        return change

    def commit(self, change: Change) -> None:
        """The write was made."""
        _merge(self._history, change.journal)
        for each in change.resizes:
            pool, more, kept = each.pool, each.more, each.kept
            pool.take(-more.requests, -more.tokens, -more.characters)
            pool.kept_requests = kept.requests
            pool.kept_tokens = kept.tokens
            pool.kept_characters = kept.characters

    def undo(self, change: Change) -> None:
        """The write was not made: what was given up is back, what was used is still to be told."""
        for each in change.resizes:
            each.pool.take(-each.over.requests, -each.over.tokens, -each.over.characters)
        _merge(self.journal, change.journal)

    def used_lately(self, now_ms: int) -> dict[str, Amount]:
        """Requests and tokens of each model that this instance used in the last 60 s."""
        for ticks in self._history.values():
            for tick in [tick for tick, use in ticks.items() if use[0] + WINDOW_MS <= now_ms]:
                del ticks[tick]
        found = {}
        for model in {**self._history, **self.journal}:
            requests, tokens = used_since([self._history, self.journal], model, now_ms - WINDOW_MS)
            found[model] = Amount(max(0, requests), max(0, tokens))
        return found

    # -------------------------------------------------------------------------------- inside

    def _correct(self, permit: Permit, requests: int, tokens: int, characters: int) -> None:
        if not (requests or tokens or characters):
            return
        _count(self.journal, permit.model, permit.stamp, requests, tokens, characters)
        pool = self.models.get(permit.model)
        if permit.batch == self._batch and pool is not None:
            pool.take(requests, tokens, characters)
            self.whole.take(requests, tokens, characters)


def _count(
    journal: Journal, model: str, stamp: int, requests: int, tokens: int, characters: int
) -> None:
    ticks = journal.get(model)
    if ticks is None:
        ticks = journal[model] = {}
    entry = ticks.get(stamp // TICK_MS)
    if entry is None:
        ticks[stamp // TICK_MS] = [stamp, requests, tokens, characters]
        return
    if stamp > entry[0]:
        entry[0] = stamp
    entry[1] += requests
    entry[2] += tokens
    entry[3] += characters


def _merge(into: Journal, journal: Journal) -> None:
    for model, ticks in journal.items():
        for stamp, requests, tokens, characters in ticks.values():
            _count(into, model, stamp, requests, tokens, characters)


def used_since(journals: Sequence[Uses], model: str | None, after: int) -> tuple[int, int]:
    """Requests and tokens in journals with stamps after ``after`` (ms), of a model or of all."""
    requests = tokens = 0
    for journal in journals:
        for name, ticks in journal.items():
            if model is None or name == model:
                for stamp, some, more, _ in ticks.values():
                    if stamp > after:
                        requests += some
                        tokens += more
    return requests, tokens


def for_document(allotments: Mapping[str, Allotment]) -> dict[str, Amount]:
    """The limited parts of a new lease, as the document holds them."""
    found = {name: limited(part.amount) for name, part in allotments.items()}
    return {name: amount for name, amount in found.items() if amount != NOTHING}


def limited(amount: Amount) -> Amount:
    """``amount`` with 0 where nothing is limited: it counts against nothing."""
    return Amount(_bounded(amount.requests), _bounded(amount.tokens), _bounded(amount.characters))


def _bounded(left: int) -> int:
    return 0 if left >= UNBOUNDED >> 1 else max(0, left)
