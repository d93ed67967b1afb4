"""The line: requests of one instance that found no capacity anywhere and wait their patience.

Order is by priority, then arrival (R6.6). Nobody passes one who stands before him and waits for
the same capacity, be he in the line or new. Who waits sleeps until the moment at which a limit's
own word expects capacity back, or until called: when somebody before him leaves, or when permits
come back early (a settled request took less than was reserved). So serving one wakes the next, and
nobody polls.
"""

from __future__ import annotations

import asyncio
import bisect
import math
from collections.abc import Mapping

from shared.clock import Clock
from shared.model import ModelCard
from shared.permits import Place

# Returned tokens call the same request at most this often (seconds): each call is a try.
CALL_EVERY_S = 0.05
# Weight of the newest interval between two that were served, in the estimate of waits.
WEIGHT = 0.3
# No estimate rests on a longer interval (seconds): after a quiet night nobody waits for hours.
INTERVAL_CAP_S = 60.0


class WaitingLine:
    """The line of one instance. Belongs to one event loop."""

    __slots__ = (
        "_arrivals",
        "_clock",
        "_interval_s",
        "_places",
        "_returns_at",
        "_served",
        "waiting",
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._places: list[Place] = []
        self._arrivals = 0
        self._returns_at = -math.inf
        self._served = -math.inf
        self._interval_s = 0.0
        # How many wait; 0 is all that a request has to know where nobody does.
        self.waiting = 0

    # --------------------------------------------------------------------------- who waits

    def join(
        self, priority: int, returns: Mapping[str, float], former: Place | None = None
    ) -> Place:
        """Stand in line for what ``returns`` names. ``former``: the request's last place, whose
        arrival it keeps (it may still stand there)."""
        place = former
        if place is None:
            self._arrivals += 1
            place = Place((-priority, self._arrivals))
        place.returns = dict(returns)
        at = bisect.bisect_left(self._places, place.rank, key=_rank)
        if at == len(self._places) or self._places[at] is not place:
            self._places.insert(at, place)
            self.waiting = len(self._places)
        return place

    async def wait(self, place: Place, seconds: float) -> bool:
        """Sleep so long. True where the place was called earlier: what it waits for may be back."""
        if not place.woken:
            loop = asyncio.get_running_loop()
            place.sleeper = loop.create_task(_sleep(self._clock, max(0.0, seconds)))
            try:
                await asyncio.wait({place.sleeper})
            finally:
                place.sleeper.cancel()
                place.sleeper = None
        called, place.woken = place.woken, False
        return called

    def leave(self, place: Place, *, served: bool) -> None:
        """Stand in line no more; whoever is next for the same is called. ``served``: it has found
        what it waited for."""
        at = bisect.bisect_left(self._places, place.rank, key=_rank)
        if at == len(self._places) or self._places[at] is not place:
            return
        del self._places[at]
        self.waiting = len(self._places)
        place.woken = False
        if served:
            self._measure()
        for key in place.returns:
            self._call_first(key)

    def stir(self, card: ModelCard) -> None:
        """Capacity of the model may have come back before its time."""
        now = self._clock.monotonic()
        for place in self._places:
            if card.id in place.returns or card.provider in place.returns:
                if now - place.called_at >= CALL_EVERY_S:
                    place.called_at = now
                    _call(place)
                return

    # --------------------------------------------------------------------------- questions

    def ahead(
        self, card: ModelCard, priority: int, place: Place | None = None
    ) -> tuple[str, float] | None:
        """Whom a request for ``card`` would pass: what the first of those before it waits for, and
        the monotonic second at which that is expected. None: nobody. ``place``: of who asks; a
        newcomer stands behind all of equal priority."""
        rank = place.rank if place is not None else (-priority, self._arrivals + 1)
        for other in self._places:
            if other.rank >= rank:
                return None
            for key in (card.provider, card.id):
                if key in other.returns:
                    return key, other.returns[key]
        return None

    def position(self, place: Place) -> int:
        """1 for the first in line; how many there are and one more, where it stands in none."""
        return bisect.bisect_left(self._places, place.rank, key=_rank) + 1

    def estimated_wait(self, place: Place) -> float:
        """Seconds until it may be served, at least 0 (P32): until what it waits for is expected,
        and for each before it as long as one took to be served lately."""
        first = min(place.returns.values(), default=-math.inf)
        left = max(0.0, first - self._clock.monotonic())
        if left == math.inf:
            left = INTERVAL_CAP_S
        return left + (self.position(place) - 1) * self._interval_s

    def capacity_returns(self) -> float:
        """Seconds until the first capacity is expected for those who wait, or for whom there was
        none; 0 where nothing is known to be full."""
        known = [at for place in self._places for at in place.returns.values()]
        first = min(known, default=self._returns_at)
        return max(0.0, first - self._clock.monotonic()) if math.isfinite(first) else 0.0

    def exhausted(self, returns_at: float) -> None:
        """A request found no capacity in its time; the first returns at that monotonic second."""
        self._returns_at = returns_at

    # ------------------------------------------------------------------------------ inside

    def _call_first(self, key: str) -> None:
        """Call the first who waits for ``key``."""
        for place in self._places:
            if key in place.returns:
                _call(place)
                return

    def _measure(self) -> None:
        now = self._clock.monotonic()
        interval = min(INTERVAL_CAP_S, now - self._served)
        known = self._served > -math.inf
        self._served = now
        if known:
            self._interval_s += WEIGHT * (interval - self._interval_s)


def _rank(place: Place) -> tuple[int, int]:
    return place.rank


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


def _call(place: Place) -> None:
    place.woken = True
    if place.sleeper is not None:
        place.sleeper.cancel()
