"""The quota of one provider as one instance keeps it.

How a permit comes about:
1. ``take``: the lease has one left: at once, nothing is awaited. Known to be full: refused at once.
2. ``acquire``: the request waits for the one exchange with the store that is under way for the
   provider (or begins it), at most 300 ms (2 s the first time of all), then looks again.
3. An exchange reads the document where others write it too, moves what was used into it, sizes a
   new lease for what waits and what is expected, and writes all of it at once, compare-and-set.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable, Iterator, Set

from shared.clock import Clock, Deadline
from shared.errors import StoreUnavailable
from shared.limits.lease_demand import SHORTEST_S, ModelDesk
from shared.limits.ledger_exchange import TTL_S, Contended, Exchange
from shared.limits.ledger_notices import Closing, Reopening, Told
from shared.limits.ledger_refusals import full
from shared.limits.ledger_report import Used, row, used
from shared.limits.quota_alerts import QuotaAlert
from shared.limits.quota_documents import QuotaDocuments
from shared.limits.quota_grant import Demand, Waiting
from shared.limits.quota_limits import CardLimits, ScopeLimits
from shared.limits.quota_rules import dimension_of, most
from shared.limits.quota_state import NOTHING, PROVIDER, Amount
from shared.messages import JsonObject
from shared.model import ModelCard
from shared.permits import Permit, Refusal
from shared.providers.base import LimitSignal

# How long a request waits for the store (LESSONS, Quotas), in seconds; the first time of all it
# may have to be connected to.
BUDGET_S = 0.3
FIRST_BUDGET_S = 2.0
# After a failure of the store nobody waits for it again for this long.
PAUSE_S = 0.5
# Exchanges one request may wait for: each serves as many as there is room for.
ROUNDS = 6
BUSY_S = 0.1
# A lease is for the requests expected in one and a half of its lifetimes (LESSONS, Quotas).
AHEAD = 1.5 * TTL_S
# Utilization is worked out anew at most this often, told limits are compared at most this often.
SHARE_S = 0.25
TOLD_S = 1.0


class ProviderBook:
    """Permits, demand and refusals of one provider. Times are monotonic seconds."""

    def __init__(
        self,
        provider: str,
        documents: QuotaDocuments,
        clock: Clock,
        holder: str,
        rng: random.Random,
        floor: float,
        on_alert: Callable[[QuotaAlert], None],
        in_pairs: Set[str],
    ) -> None:
        self._in_pairs = in_pairs
        self._provider = provider
        self._clock = clock
        self._monotonic = clock.monotonic
        self._wall = clock.wall
        self._holder = holder
        self._rng = rng
        self._floor = floor
        self._ceiling = ScopeLimits()
        self._desks: dict[str, ModelDesk] = {}
        self._waiting: dict[object, tuple[str, Waiting]] = {}
        # Those who gave up on the exchange under way: what they waited for will be asked again.
        self._missed: list[tuple[str, Waiting]] = []
        self._closed: Refusal | None = None
        self._task: asyncio.Task[None] | None = None
        self._measured = clock.monotonic()
        self._store_down_until = -math.inf
        # Until then the lease may be used without asking: it holds, and closures are known.
        self._open_until = -math.inf
        self._exchange = Exchange(provider, self, documents, clock, holder, rng, floor, on_alert)
        self._lease = self._exchange.lease
        self._known = self._exchange.known

    # ------------------------------------------------------------------------------- permits

    def take(
        self, card: ModelCard, limits: CardLimits, tokens: int, characters: int, bulk: bool
    ) -> Permit | Refusal | None:
        """A permit or a refusal that needs no exchange; None: ``acquire`` has to ask."""
        desk = self._desks.get(card.id)
        if desk is None or desk.limits is not limits:
            desk = self._relimit(card.id, limits)
        desk.asked += 1
        desk.asked_tokens += tokens
        desk.asked_characters += characters
        return self._take(desk, card.id, tokens, characters, bulk)

    async def acquire(
        self,
        card: ModelCard,
        limits: CardLimits,
        tokens: int,
        characters: int,
        bulk: bool,
        deadline: Deadline,
    ) -> Permit | Refusal:
        """A permit or a refusal, at most the budget and the deadline later.

        Raises ``StoreUnavailable`` where the store does not answer and no permit is held.
        """
        desk = self._desks.get(card.id)
        if desk is None or desk.limits is not limits:
            desk = self._relimit(card.id, limits)
        waiting = (card.id, Waiting(Amount(1, tokens, characters), bulk))
        budget_s = BUDGET_S if self._known.read_once else FIRST_BUDGET_S
        give_up = self._monotonic() + deadline.cap(budget_s)
        ticket = object()
        self._waiting[ticket] = waiting
        try:
            for rounds in range(ROUNDS):
                found = self._take(desk, card.id, tokens, characters, bulk)
                if found is not None:
                    return found
                if not await self._exchanged(give_up):
                    if self._task is not None:
                        self._missed.append(waiting)
                    busy = rounds > 0 or self._exchange.contended
                    return self._spend_held(card.id, tokens, characters, bulk, busy)
                found = self._take(desk, card.id, tokens, characters, bulk)
                if found is None:
                    found = full(
                        self._known,
                        self._lease,
                        desk,
                        *waiting,
                        self._holder,
                        self._floor,
                        self._rng,
                        self._monotonic(),
                        self._exchange.yield_until,
                    )
                if found is not None:
                    return found
        finally:
            del self._waiting[ticket]
        return Refusal(self._monotonic() + BUSY_S, "busy")

    def settle(self, permit: Permit, tokens: int) -> None:
        """The request took ``tokens`` in all."""
        self._lease.settle(permit, tokens)

    def refund(self, permit: Permit) -> None:
        """The provider surely never saw the request."""
        self._lease.refund(permit)

    async def flush(self) -> None:
        """Settle everything and give back what is held. Raises ``StoreUnavailable``."""
        while self._task is not None:
            await asyncio.wait({self._task})
        if self._exchange.unsettled:
            self._exchange.closing = True
            try:
                await _outcome(self._running())
            finally:
                self._exchange.closing = False

    async def refresh(self) -> None:
        """Read the document anew. Raises ``StoreUnavailable``."""
        await _outcome(self._running())

    # ---------------------------------------------------------------------------- what is told

    def close(self, name: str, reason: str, seconds: float) -> None:
        """Nobody may ask the provider (``PROVIDER``) or the model for so long: here at once, at
        other instances with their next look at the document."""
        until = self._monotonic() + seconds
        self._exchange.tell(Closing(name, reason, until), urgent=True)
        self.changed()
        self._running()

    def reopen(self, name: str) -> None:
        """It has answered: lift what ``close`` said."""
        self._exchange.tell(Reopening(name), urgent=False)
        self.changed()

    def tighten(self, card: ModelCard, limits: CardLimits, signal: LimitSignal) -> None:
        """A provider's word on a limit of a model: believed where it leaves less than we think."""
        dimension, now = dimension_of(signal), self._monotonic()
        desk = self._desks.get(card.id)
        if dimension is None or desk is None:
            return
        if signal.remaining is not None:
            self._lease.shrink(card.id, signal.dimension, signal.remaining)
        if now - desk.told.get(dimension, -math.inf) < TOLD_S:
            return
        left = self._known.left(card.id, limits.model, dimension, self._lease, now)
        lower = signal.limit is not None and left is not None and signal.limit < left.limit
        less = signal.remaining is not None and (
            left is None or signal.remaining < left.limit - left.used
        )
        if lower or less or (left is None and signal.limit is not None):
            desk.told[dimension] = now
            self._exchange.tell(Told(card.id, limits.model, signal, now), urgent=False)

    # ------------------------------------------------------------------------------- questions

    @property
    def provider_closed(self) -> bool:
        """Whether nothing of the provider may be asked now."""
        return self._closed is not None and self._monotonic() < self._closed.until

    def closed(self, model: str) -> Refusal | None:
        """Why the provider or the model may not be asked now."""
        now, desk = self._monotonic(), self._desks.get(model)
        for refusal in (self._closed, desk.closed if desk is not None else None):
            if refusal is not None and now < refusal.until:
                return refusal
        return None

    def utilization(self, card: ModelCard, limits: CardLimits) -> float:
        """The used share of the tightest limit that binds the card, in [0, 1]."""
        desk, now = self._desks.get(card.id), self._monotonic()
        if desk is None or desk.limits is not limits:
            desk = self._relimit(card.id, limits)
        if now >= desk.share_until:
            known, lease = self._known, self._lease
            desk.used_share = max(
                known.used_share(PROVIDER, limits.provider, lease, now),
                known.used_share(card.id, limits.model, lease, now),
            )
            desk.share_until = now + SHARE_S
        return desk.used_share

    def used(self, name: str) -> Used:
        """Requests and tokens of the last 60 s and of today, of a model or of the provider."""
        now_ms = self._known.now_ms(self._monotonic())
        return used(self._known.committed, self._exchange.journals(), name, now_ms)

    def report(self, name: str, limits: ScopeLimits) -> JsonObject:
        """A row of the admin page."""
        now = self._monotonic()
        now_ms = self._known.shown_ms(now, self._wall())
        state = self._known.parse()
        state.advance(now_ms)
        return row(
            self._provider, name, limits, state, self._lease, self._exchange.journals(), now_ms
        )

    # ------------------------------------------------------------------ what the exchange asks

    def wanting(self) -> bool:
        """Whether something waits that the lease cannot give."""
        if not self._waiting and not self._missed:
            return False
        if self._monotonic() >= self._lease.stop or self._wall() >= self._lease.stop_wall:
            return True
        return any(
            not self._lease.can(name, waiting.cost, waiting.bulk) for name, waiting in self._asked()
        )

    def limits(self) -> ScopeLimits:
        """The provider's ceiling."""
        return self._ceiling

    def demands(self) -> dict[str, Demand]:
        """What is asked of each model."""
        _, left = self._lease.left()
        mine = self._lease.used_lately(self._known.now_ms(self._monotonic()))
        found = {
            name: Demand(
                desk.limits.model,
                ahead=desk.ahead(AHEAD, in_pairs=name in self._in_pairs),
                mean_tokens=desk.mean_tokens,
                mean_characters=desk.mean_characters,
                left=left.get(name, NOTHING),
                mine=mine.get(name, NOTHING),
            )
            for name, desk in self._desks.items()
        }
        for name, waiting in self._asked():
            found[name].waiting.append(waiting)
        return found

    def changed(self) -> None:
        """The document or the lease has changed."""
        self._closed = self._closure(PROVIDER)
        for name, desk in self._desks.items():
            desk.closed = self._closure(name)
            desk.share_until = -math.inf
        self._look()

    # ---------------------------------------------------------------------------------- inside

    def _take(
        self, desk: ModelDesk, model: str, tokens: int, characters: int, bulk: bool
    ) -> Permit | Refusal | None:
        now = self._monotonic()
        if now < self._open_until and (desk.closed is None or now >= desk.closed.until):
            lease = self._lease
            if self._wall() < lease.stop_wall:
                permit = lease.take(model, tokens, characters, bulk, now)
                if permit is not None:
                    return permit
        if self._closed is not None and now < self._closed.until:
            return self._closed
        return desk.refusal(now, tokens, characters, bulk)

    def _spend_held(
        self, model: str, tokens: int, characters: int, bulk: bool, busy: bool
    ) -> Permit | Refusal:
        """Without the store: what is held, closures known or not. ``busy``: the store is well, but
        what it gave went to others."""
        now = self._monotonic()
        if now < self._lease.stop and self._wall() < self._lease.stop_wall:
            permit = self._lease.take(model, tokens, characters, bulk, now)
            if permit is not None:
                return permit
        if busy:
            return Refusal(now + BUSY_S, "busy")
        raise StoreUnavailable(
            "the store that counts requests against the providers' limits does not answer",
            retry_after=1.0,
        )

    async def _exchanged(self, give_up: float) -> bool:
        """Wait for an exchange until then; False: it failed or takes too long."""
        now = self._monotonic()
        if now < self._store_down_until:
            return False
        task = self._running()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, give_up - now))
        if not done:
            return False
        error = task.exception()
        if error is None:
            return True
        if isinstance(error, StoreUnavailable | Contended):
            return False
        raise error

    def _running(self) -> asyncio.Task[None]:
        """The exchange under way; all who wait share it, and none of them can cancel it."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(_retrieve)
        return self._task

    async def _run(self) -> None:
        elapsed = self._monotonic() - self._measured
        if elapsed >= SHORTEST_S:
            self._measured += elapsed
            for desk in self._desks.values():
                desk.measure(elapsed)
        try:
            await self._exchange.run()
        except StoreUnavailable:
            self._store_down_until = self._monotonic() + PAUSE_S
            raise
        finally:
            self._task = None
            self._missed.clear()
            self._look()

    def _asked(self) -> Iterator[tuple[str, Waiting]]:
        return itertools.chain(self._waiting.values(), self._missed)

    def _relimit(self, model: str, limits: CardLimits) -> ModelDesk:
        """The desk of a model, new or under new limits, by which nothing is held yet."""
        desk = self._desks.get(model)
        if limits.provider != self._ceiling:
            self._lease.give_up()
        elif desk is not None and limits.model != desk.limits.model:
            self._lease.give_up(model)
        self._ceiling = limits.provider
        if desk is None:
            desk = self._desks[model] = ModelDesk(limits)
            desk.closed = self._closure(model)
        desk.relimit(limits, most(limits, 0.0), most(limits, self._floor))
        return desk

    def _closure(self, name: str) -> Refusal | None:
        found = self._exchange.closure(name)
        return None if found is None else Refusal(found[1], found[0], name == PROVIDER)

    def _look(self) -> None:
        """From now on the lease may be used without asking until its end, or until what is known
        of closures is old."""
        until = min(self._lease.stop, self._exchange.fresh_until)
        self._open_until = -math.inf if self.provider_closed else until


def _retrieve(task: asyncio.Task[None]) -> None:
    """Look at the outcome, so that one nobody waits for any more is not reported as lost."""
    if not task.cancelled():
        task.exception()


async def _outcome(task: asyncio.Task[None]) -> None:
    """Wait for a task that others wait for too: who is cancelled here does not cancel it.

    Raises ``StoreUnavailable``.
    """
    await asyncio.wait({task})
    try:
        task.result()
    except Contended:
        message = "others are writing the quota document; try again"
        raise StoreUnavailable(message, retry_after=1.0) from None
