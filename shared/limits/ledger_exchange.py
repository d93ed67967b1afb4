"""Exchanges with the store: settling a lease, renewing it, and learning what became of a write.

A write that ended without a word, or that was refused, may have been made all the same (a library
or a server that tries again answers for its last try). So each write carries a number of its own,
and a read tells by it. If neither the number nor another writer's change is there, the write may
still be on its way: then the very same write is sent again, and either way it counts once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from shared.clock import Clock
from shared.limits.lease import TRANSIT_S, Change, Journal, Lease, for_document, limited
from shared.limits.ledger_known import Known
from shared.limits.ledger_notices import Closing, Notice, Reopening, apply
from shared.limits.quota_alerts import QuotaAlert, crossing
from shared.limits.quota_documents import QuotaDocuments
from shared.limits.quota_grant import Allotment, Demand, LeaseSize, Word, leave_word, size_lease
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import settle
from shared.limits.quota_state import PROVIDER, Grant, QuotaState
from shared.limits.quota_text import write_state
from shared.limits.quota_time import DRIFT
from shared.limits.quota_turns import others_come_until
from shared.storage.errors import PreconditionFailed

# How long a lease may be used, from before its write. Longer: fewer writes, more lost in a crash.
TTL_S = 15.0
# From a grant's commit until it lets go of its permits, less the minute.
LEASE_MS = math.ceil((TTL_S + TRANSIT_S) * (1.0 + DRIFT) * 1000.0)
# What is known of closures may be this old where permits are handed out (P27: 5 s).
FRESH_S = 4.0
# An instance that starves leaves word at most this often (seconds): it costs a write.
WORD_S = 45.0
ATTEMPTS = 6
# Waits between attempts, in seconds: scattered over a range that doubles each time.
FIRST_WAIT_S = 0.02
# The wall clock may run this much ahead of the monotonic one before a lease is taken for over.
WALL_SLACK_S = 1.0


class Contended(Exception):
    """Other instances came first at every attempt: the store is well, the document is busy."""


class Asker(Protocol):
    """Who wants the lease: the book."""

    def wanting(self) -> bool:
        """Whether something waits that the lease cannot give."""
        ...

    def limits(self) -> ScopeLimits:
        """The provider's ceiling."""
        ...

    def demands(self) -> Mapping[str, Demand]:
        """What is asked, by model; every model with a permit left or a use to settle is in it."""
        ...

    def changed(self) -> None:
        """The document or the lease has changed."""
        ...


class _Plan(Struct, frozen=True):
    """A write: the document as it will be, and what then holds. ``began`` and ``stop`` are
    monotonic seconds, ``wall_stop`` is ``stop`` by the wall clock."""

    text: str
    if_version: int | None
    seq: int
    change: Change
    began: float
    stop: float
    wall_stop: float
    notices: int
    alerts: tuple[QuotaAlert, ...]


class Exchange:
    """The lease of one provider and its document. One ``run`` at a time."""

    __slots__ = (
        "_asker",
        "_clock",
        "_documents",
        "_floor",
        "_holder",
        "_notices",
        "_on_alert",
        "_open",
        "_provider",
        "_reread",
        "_rng",
        "_seq",
        "_word_left",
        "closing",
        "contended",
        "fresh_until",
        "known",
        "lease",
        "urgent",
        "yield_until",
    )

    def __init__(
        self,
        provider: str,
        asker: Asker,
        documents: QuotaDocuments,
        clock: Clock,
        holder: str,
        rng: random.Random,
        floor: float,
        on_alert: Callable[[QuotaAlert], None],
    ) -> None:
        self._provider = provider
        self._asker = asker
        self._documents = documents
        self._clock = clock
        self._holder = holder
        self._rng = rng
        self._floor = floor
        self._on_alert = on_alert
        self._notices: list[Notice] = []
        self._seq = 0
        self._open: _Plan | None = None
        self._reread = True
        self._word_left = -math.inf
        # Monotonic second until which other instances come first, who starve.
        self.yield_until = -math.inf
        self.known = Known()
        self.lease = Lease(provider)
        # Monotonic second until which what is known of closures is new enough.
        self.fresh_until = -math.inf
        # Give everything back with the next write (``flush``).
        self.closing = False
        # Others came first in the exchange under way, or in the last one.
        self.contended = False
        # A notice waits that the others should know within seconds.
        self.urgent = False

    def tell(self, notice: Notice, *, urgent: bool) -> None:
        """Let it ride on the next write; ``urgent``: whoever runs next writes for it alone."""
        self._notices.append(notice)
        self.urgent = self.urgent or urgent

    def closure(self, name: str) -> tuple[str, float] | None:
        """Why a scope is closed, and until which monotonic second: by the document and by what
        it has not been told yet."""
        found = self.known.closure(name)
        for notice in self._notices:
            if isinstance(notice, Reopening) and notice.name == name:
                found = None
            elif (
                isinstance(notice, Closing)
                and notice.name == name
                and (found is None or notice.until > found[1])
            ):
                found = notice.reason, notice.until
        return found

    def journals(self) -> list[Journal]:
        """Uses that the document as known does not have yet."""
        under_way = [] if self._open is None else [self._open.change.journal]
        return [self.lease.journal, *under_way]

    @property
    def unsettled(self) -> bool:
        """Whether the document holds or lacks something of ours."""
        whole, models = self.lease.left()
        return bool(self.lease.journal or models or self._open or self._notices) or any(
            (whole.requests, whole.tokens, whole.characters)
        )

    async def run(self) -> None:
        """Read and write until nothing waits that could be granted now.

        Raises ``StoreUnavailable`` where the store fails and ``Contended``.
        """
        self.contended = False
        read = self._reread or self._open is not None or not self._wanting()
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep(FIRST_WAIT_S * 2.0**attempt * self._rng.random())
            if read or self.known.shared_by_others(self._holder):
                await self._read()
            if self._open is None and not self._wanting():
                return
            again = self._open
            plan = again or self._compose()
            if plan is None:
                return
            try:
                await self._write(plan)
            except PreconditionFailed:
                read = self.contended = True
                continue
            if again is None and not self.urgent:
                return
        raise Contended

    # -------------------------------------------------------------------------------- inside

    def _wanting(self) -> bool:
        return self.closing or self.urgent or self._asker.wanting()

    async def _read(self) -> None:
        sent = self._clock.monotonic()
        self._reread = True
        stored = await self._documents.read(self._provider)
        received = self._clock.monotonic()
        self.known.read(stored, received)
        self._reread = False
        self.fresh_until = sent + FRESH_S
        plan = self._open
        if plan is not None:
            grant = self.known.committed.held.get(self._holder)
            if grant is not None and grant.seq == plan.seq and stored is not None:
                self.known.clock.committed(plan.began, received, stored.version / 1e6)
                self._adopt(plan)
            elif self.known.version != plan.if_version:
                self._open = None
                self.lease.undo(plan.change)
        self._asker.changed()

    async def _write(self, plan: _Plan) -> None:
        self._open = plan
        self._reread = True
        sent = self._clock.monotonic()
        version = await self._documents.write(self._provider, plan.text, plan.if_version)
        received = self._clock.monotonic()
        self.known.wrote(plan.text, version, sent, received)
        self._reread = False
        self.fresh_until = max(self.fresh_until, sent + FRESH_S)
        self._adopt(plan)
        self._asker.changed()

    def _adopt(self, plan: _Plan) -> None:
        """The write was made: its lease holds."""
        self._open = None
        lease, now = self.lease, self._clock.monotonic()
        lease.commit(plan.change)
        lease.stop, lease.stop_wall = plan.stop, plan.wall_stop
        # Valid for as long as the lease: the clocks part by DRIFT a second.
        lease.ahead = self.known.clock.latest(now) - now + 2.0 * TTL_S * DRIFT + TRANSIT_S + 0.001
        del self._notices[: plan.notices]
        self.urgent = self.urgent and bool(self._notices)
        for alert in plan.alerts:
            self._on_alert(alert)

    def _compose(self) -> _Plan | None:
        """The next write; None where there is nothing that could be granted or told."""
        now, known, lease = self._clock.monotonic(), self.known, self.lease
        state, now_ms = known.parse(), known.now_ms(now)
        demands, ceiling = self._asker.demands(), self._asker.limits()
        state.scope(PROVIDER, ceiling.day_reset)
        for name, demand in demands.items():
            state.scope(name, demand.limits.day_reset)
        state.advance(now_ms)
        whole, models = lease.left()
        settle(state, self._holder, lease.journal, whole, models)
        datable = known.late_ms(now) is not None
        if self._notices and datable:
            apply(self._notices, state, known, now)
        size, stop = self._size(state, now_ms, demands, ceiling), now + TTL_S
        word: Word | None = None
        if size is None:
            told = self.urgent and datable
            if known.clock.precise(now):
                if now - self._word_left >= WORD_S:
                    word = leave_word(state, now_ms, self._holder, ceiling, demands, LEASE_MS)
                self._yield(state, now_ms)
                if word is None and not told:
                    known.view = state
                    self._asker.changed()
                    return None
            # Write all the same: to tell, or to learn what time it is at the store.
            size, stop = self._kept(now), max(now, lease.stop)
        if self.closing:
            stop = now
        if word is not None:
            self._word_left = now
        self._seq += 1
        lasts_s = (stop - now + TRANSIT_S) * (1.0 + DRIFT)
        state.held[self._holder] = Grant(
            self._seq,
            math.ceil(lasts_s * 1000.0),
            limited(size.whole.amount),
            for_document(size.models),
            wants={} if word is None else word.wants,
            look=0 if word is None else word.look,
        )
        state.writer = self._holder
        alerts = [crossing(state, self._provider, PROVIDER, ceiling, now_ms)]
        for name, demand in demands.items():
            alerts.append(crossing(state, self._provider, name, demand.limits, now_ms))
        return _Plan(
            text=write_state(state),
            if_version=known.version,
            seq=self._seq,
            change=lease.begin(size),
            began=now,
            stop=stop,
            wall_stop=self._clock.wall() + (stop - now) + WALL_SLACK_S,
            notices=len(self._notices) if datable else 0,
            alerts=tuple(alert for alert in alerts if alert is not None),
        )

    def _size(
        self, state: QuotaState, now_ms: int, demands: Mapping[str, Demand], ceiling: ScopeLimits
    ) -> LeaseSize | None:
        if self.closing:
            return LeaseSize(Allotment(), {})
        return size_lease(state, now_ms, self._holder, ceiling, demands, self._floor)

    def _yield(self, state: QuotaState, now_ms: int) -> None:
        """Refused though there may be room: until then others come first."""
        at = others_come_until(state, now_ms, self._holder)
        self.yield_until = -math.inf if at is None else self.known.clock.when(at / 1000.0)

    def _kept(self, now: float) -> LeaseSize:
        """The lease as it is, where it still holds."""
        if now >= self.lease.stop:
            return LeaseSize(Allotment(), {})
        return self.lease.as_size()
