"""What an instance knows of one quota document, and what follows from it at a moment."""

from __future__ import annotations

import math

from shared.limits.lease import Lease
from shared.limits.quota_documents import Stored
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import Gauge, gauges, share
from shared.limits.quota_state import NOTHING, PROVIDER, QuotaState
from shared.limits.quota_text import read_state
from shared.limits.quota_time import StoreClock


class Known:
    """The document as it was last read or written.

    ``committed`` is its content. ``view`` is what decisions are shown from: the same, or what the
    last composition made of it that found nothing to write.
    """

    __slots__ = ("clock", "committed", "read_once", "text", "version", "view")

    def __init__(self) -> None:
        self.clock = StoreClock()
        self.text: str | None = None
        self.version: int | None = None
        self.committed = QuotaState()
        self.view = self.committed
        self.read_once = False

    def read(self, stored: Stored | None, received: float) -> None:
        """Take in what was read, heard of at monotonic ``received``. Raises
        ``StoreUnavailable`` for a document that cannot be read."""
        if stored is None:
            self.text, self.version = None, None
        else:
            self.clock.seen(received, stored.version / 1e6)
            if stored.version != self.version:
                self.text, self.version = stored
        self.committed = self.view = self.parse()
        self.read_once = True

    def wrote(self, text: str, version: int, sent: float, received: float) -> None:
        """Take in what this instance wrote itself."""
        self.clock.committed(sent, received, version / 1e6)
        self.text, self.version = text, version
        self.committed = self.view = self.parse()

    def parse(self) -> QuotaState:
        """A copy of the document's content."""
        if self.text is None or self.version is None:
            return QuotaState()
        return read_state(self.text, -(-self.version // 1000))

    def now_ms(self, now: float) -> int:
        """The store's time is not before this (ms); 0 where it is not known at all."""
        early = self.clock.earliest(now)
        return 0 if early == -math.inf else int(early * 1000.0)

    def shown_ms(self, now: float, wall: float) -> int:
        """The store's time (ms) as well as it is known, for showing only: the wall clock's where
        this instance has not written lately."""
        return self.now_ms(now) if self.clock.precise(now) else int(wall * 1000.0)

    def late_ms(self, now: float) -> int | None:
        """The store's time is not after this (ms); None where it is not known."""
        late = self.clock.latest(now)
        return None if late == math.inf else math.ceil(late * 1000.0)

    def shared_by_others(self, holder: str) -> bool:
        """Whether others than ``holder`` have lately written the document."""
        return any(name != holder for name in self.committed.held)

    def closure(self, name: str) -> tuple[str, float] | None:
        """Why a scope is closed, and until which monotonic second."""
        scope = self.view.scopes.get(name)
        if scope is None or scope.closed is None:
            return None
        reason, until = scope.closed
        return reason, self.clock.when(until / 1000.0)

    def left(
        self, name: str, limits: ScopeLimits, dimension: str, lease: Lease, now: float
    ) -> Gauge | None:
        """One limit of a model and what counts against it; None where there is no such limit."""
        spare = lease.left()[1].get(name, NOTHING)
        rows = gauges(self.view, name, limits, self.now_ms(now), spare=spare)
        return next((found for found in rows if found.dimension == dimension), None)

    def used_share(self, name: str, limits: ScopeLimits, lease: Lease, now: float) -> float:
        """The used share of the tightest limit of a scope; what the lease has left is not used."""
        now_ms = self.now_ms(now)
        self.view.advance(now_ms)
        whole, models = lease.left()
        spare = whole if name == PROVIDER else models.get(name, NOTHING)
        return share(gauges(self.view, name, limits, now_ms, spare=spare))[0]
