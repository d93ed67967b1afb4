"""The seats of one caller that instances lease from each other through the store.

One document a caller: ``held`` says by holder how many seats it has leased and when that ends. The
store's own time is the only one that counts (``quota_time``): a commit does not know when it will
be made, so a new lease is written with its length, and whoever reads it adds the version. The
holder uses its seats only until then; others count them for 60 s longer, since the last use may
have been at the very end. Nothing here depends on what any instance's clock says.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.limits.clients_window import WINDOW_S, Page, Scale, Window
from shared.limits.quota_time import DRIFT, GRAIN_S, StoreClock
from shared.storage.document import EXPIRES_AT, Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed
from shared.storage.values import Data

# Seconds a lease is valid: whoever makes more than two requests a minute then costs a write a
# minute; what an instance leaves unused is lost to the others for this and 60 s more at most.
LEASE_S = 60.0
# A refusal is looked at again after so long (seconds): another instance may have given back.
REMEMBER_S = 15.0
# Where others came first at every attempt, the caller is told to come back after this (seconds).
CONTENDED_S = 1.0
ATTEMPTS = 6
FIRST_WAIT_S = 0.005
CALL_TIMEOUT_S = 2.5  # a call to the store that takes longer has failed
KEPT = timedelta(days=1)  # documents nobody has touched for so long expire
_MICRO = 1_000_000


class ClientPool:
    """Leases seats and gives them back. Belongs to one event loop."""

    __slots__ = ("_clock", "_documents", "_rng", "_time")

    def __init__(self, documents: DocumentStore, clock: Clock, rng: random.Random) -> None:
        self._documents = documents
        self._clock = clock
        self._rng = rng
        self._time = StoreClock()

    async def lease(self, window: Window, scale: Scale) -> None:
        """Get the caller seats, or learn until when there are none.

        Raises ``StoreUnavailable``.
        """
        fresh = probed = False
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._wait(attempt)
            page = window.page
            if page is None:
                page, fresh = await self._read(window), True
            wanted = self._wanted(window, page, scale)
            if wanted is None and not fresh:
                page, fresh = await self._read(window), True
                wanted = self._wanted(window, page, scale)
            if wanted is None and not probed and self._unsure(window, page):
                # Leases of others may be over, but this instance has written nothing yet from
                # which it could tell the store's time. What it has, it keeps.
                probed = await self._commit(window, page, self._kept(window))
                if not probed:
                    continue
                wanted = self._wanted(window, page, scale)
            if wanted is None:
                self._refuse(window, page)
                return
            if await self._commit(window, page, wanted):
                return
            fresh = True
        window.refused_until = self._clock.monotonic() + CONTENDED_S

    async def give_back(self, window: Window) -> None:
        """Leave the seats to others; those used count until 60 s are over.

        Raises ``StoreUnavailable``.
        """
        window.held = 0
        for attempt in range(2):
            if attempt:
                await self._read(window)
            page = window.page
            if page is None or window.holder not in page.held:
                return
            if await self._commit(window, page, self._kept(window), lasts=0.0):
                return

    # -------------------------------------------------------------------------------- inside

    def _wanted(self, window: Window, page: Page, scale: Scale) -> int | None:
        """How many seats to hold from now on; None where that would not give any more."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        if not window.valid(now, wall):
            # From here on none is used before the store has agreed, so fewer may be asked for.
            window.held = 0
        free = scale.pool - sum(n for n, _ in self._others(window, page, now))
        busy = window.busy(now)
        wanted = min(free, (busy // scale.step + 1) * scale.step)
        if wanted <= busy:
            return None
        return max(wanted, self._kept(window))

    def _kept(self, window: Window) -> int:
        """Seats that others must not have yet: leased still, or used so lately that they count."""
        return max(window.held, window.busy(self._clock.monotonic()))

    def _others(self, window: Window, page: Page, now: float) -> list[tuple[int, float]]:
        earliest = self._time.earliest(now)
        return [
            (n, until)
            for holder, (n, until) in page.held.items()
            if holder != window.holder and earliest < until + WINDOW_S + GRAIN_S
        ]

    def _unsure(self, window: Window, page: Page) -> bool:
        now = self._clock.monotonic()
        if self._time.precise(now):
            return False
        latest = self._time.latest(now)
        return any(latest >= until + WINDOW_S for _, until in self._others(window, page, now))

    def _refuse(self, window: Window, page: Page) -> None:
        now = self._clock.monotonic()
        others = self._others(window, page, now)
        back = min((until for _, until in others), default=0.0) + WINDOW_S + GRAIN_S
        when = max(now, min(self._time.when(back), now + REMEMBER_S))
        window.refused_until = when
        window.elsewhere, window.elsewhere_until = sum(n for n, _ in others), when

    async def _read(self, window: Window) -> Page:
        found = await self._documents.get(window.path, timeout_s=CALL_TIMEOUT_S)
        if found is not None:
            self._time.seen(self._clock.monotonic(), found.version / _MICRO)
        page = window.page = _decode(found)
        return page

    async def _commit(
        self, window: Window, page: Page, seats: int, *, lasts: float = LEASE_S
    ) -> bool:
        """Write that this holder has ``seats`` for so long from now; whether nobody came first."""
        sent, wall = self._clock.monotonic(), self._clock.wall()
        others = {
            holder: lease
            for holder, lease in page.held.items()
            if holder != window.holder and self._time.earliest(sent) < lease[1] + WINDOW_S + GRAIN_S
        }
        data = self._encode(window.holder, others, seats, lasts, wall)
        window.page = None  # whatever becomes of the write; then it is known again
        path, version = window.path, page.version
        try:
            if version is None:
                version = await self._documents.create(path, data, timeout_s=CALL_TIMEOUT_S)
            else:
                version = await self._documents.set(
                    path, data, if_version=version, timeout_s=CALL_TIMEOUT_S
                )
        except PreconditionFailed:
            return False
        received, at = self._clock.monotonic(), version / _MICRO
        self._time.committed(sent, received, at)
        window.elsewhere = sum(n for n, _ in others.values())
        window.elsewhere_until = received + LEASE_S
        page.version, page.held = version, others
        if seats:
            page.held[window.holder] = (seats, at + lasts)
        window.page = page
        if seats and lasts:
            window.held = seats
            window.held_until = sent + lasts * (1 - DRIFT) - GRAIN_S
            window.held_until_wall = wall + lasts
            window.refused_until = 0.0
        return True

    def _encode(
        self,
        holder: str,
        others: dict[str, tuple[int, float]],
        seats: int,
        lasts: float,
        wall: float,
    ) -> Data:
        held: Data = {
            name: {"seats": n, "until": round(until * _MICRO)}
            for name, (n, until) in others.items()
        }
        if seats:
            held[holder] = {"seats": seats, "lasts": lasts}
        # The tag makes every content new, so that every write has a version, which is its time.
        return {
            "held": held,
            "tag": f"{self._rng.getrandbits(48):012x}",
            EXPIRES_AT: datetime.fromtimestamp(wall, UTC) + KEPT,
        }

    async def _wait(self, attempt: int) -> None:
        await self._clock.sleep(FIRST_WAIT_S * 2**attempt * self._rng.random())


def _decode(document: Document | None) -> Page:
    """Raises ``StoreUnavailable`` for a document this code has not written."""
    if document is None:
        return Page(None, {})
    page = Page(document.version, {})
    held = document.data.get("held")
    if not isinstance(held, dict):
        raise StoreUnavailable("a document of client limits is not readable")
    for holder, lease in held.items():
        if not isinstance(lease, dict) or not isinstance(seats := lease.get("seats"), int):
            raise StoreUnavailable("a document of client limits is not readable")
        until, lasts = lease.get("until"), lease.get("lasts")
        if isinstance(until, int):
            page.held[holder] = (seats, until / _MICRO)
        else:
            length = float(lasts) if isinstance(lasts, int | float) else LEASE_S
            page.held[holder] = (seats, document.version / _MICRO + length)
    return page
