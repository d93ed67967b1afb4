"""What one caller has used of a limit at this instance: the sliding 60 s that every request asks.

A limit is so many seats, and a request takes one for 60 s. ``share`` of them belong to each
instance, so that an ordinary caller costs no store operation; the rest is the pool, of which an
instance leases some (``clients_pool``). A seat is used by one instance at a time and once in 60 s,
so all instances together never exceed the limit by more than the shares.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from msgspec import Struct, field

WINDOW_S = 60.0  # R18.6 and R18.7 are per minute
# A user's seats at each instance, and how many an instance leases at once (architecture, Quotas).
USER_SHARE = 2
LEASE_STEP = 4
# Where a limit is large, that fraction of it is leased at once: fours would be a write each.
FRACTION = 5


class Scale(Struct, frozen=True):
    """A limit in requests per 60 s, and how it is cut."""

    limit: int
    share: int
    step: int

    @property
    def pool(self) -> int:
        """Seats that instances lease."""
        return self.limit - self.share

    @classmethod
    def strict(cls, limit: int) -> Scale:
        """At most limit + 2(n - 1) on n instances (architecture, Quotas)."""
        return cls(limit, min(USER_SHARE, limit), max(LEASE_STEP, limit // FRACTION))

    @classmethod
    def wide(cls, limit: int) -> Scale:
        """For what many share, as an office behind one address: each instance admits a fifth by
        itself, so that ten colleagues do not pay a write a minute for a limit they never reach."""
        share = max(min(USER_SHARE, limit), limit // FRACTION)
        return cls(limit, share, max(LEASE_STEP, limit // FRACTION))


class Seat(IntEnum):
    """Where a request would sit."""

    NONE = 0  # refused, and nobody need be asked
    OWN = 1
    LEASED = 2
    LENT = 3  # the store does not answer
    ASK = 4  # the pool may have one


class Page(Struct):
    """The pool's document as this instance knows it. ``held``: by holder, how many seats and when
    (store's seconds) its lease ends; ``version`` None: there is no document."""

    version: int | None
    held: dict[str, tuple[int, float]]


class Window(Struct):
    """One caller at this instance. Times are the monotonic clock's seconds, uses oldest first."""

    path: str
    holder: str
    own: deque[float] = field(default_factory=deque)
    leased: deque[float] = field(default_factory=deque)
    lent: deque[float] = field(default_factory=deque)
    held: int = 0
    held_until: float = 0.0
    # The same end on the wall clock: the monotonic one stands still while a machine sleeps.
    held_until_wall: float = 0.0
    refused_until: float = 0.0
    elsewhere: int = 0  # seats that others hold, until ``elsewhere_until``
    elsewhere_until: float = 0.0
    page: Page | None = None

    def look(self, now: float, wall: float, scale: Scale, down: bool) -> Seat:
        """Where a request that comes now would sit."""
        old = now - WINDOW_S
        own = self.own
        while own and own[0] <= old:
            own.popleft()
        if not self.leased and not self.lent:
            if len(own) < scale.share:
                return Seat.OWN
        else:
            for uses in (self.leased, self.lent):
                while uses and uses[0] <= old:
                    uses.popleft()
            if len(own) + len(self.leased) + len(self.lent) >= scale.limit:
                return Seat.NONE
            if len(own) < scale.share:
                return Seat.OWN
        pool = scale.limit - scale.share
        busy = len(self.leased)
        if busy < pool:
            if busy < self.held and now < self.held_until and wall < self.held_until_wall:
                return Seat.LEASED
            if down:
                return Seat.LENT
            if now >= self.refused_until:
                return Seat.ASK
        return Seat.NONE

    def take(self, seat: Seat, now: float) -> None:
        """The request is admitted."""
        if seat is Seat.OWN:
            self.own.append(now)
        elif seat is Seat.LEASED:
            self.leased.append(now)
        else:
            self.lent.append(now)

    def remaining(self, now: float, scale: Scale) -> int:
        """Requests the caller may still make now, as far as this instance knows."""
        used = len(self.own) + len(self.leased) + len(self.lent)
        if now < self.elsewhere_until:
            used += self.elsewhere
        return max(0, scale.limit - used)

    def reset_s(self, now: float) -> float:
        """Seconds until everything used here has returned."""
        newest = [uses[-1] for uses in (self.own, self.leased, self.lent) if uses]
        return max(0.0, max(newest) + WINDOW_S - now) if newest else 0.0

    def retry_after_s(self, now: float) -> float:
        """Seconds until a refused caller may be admitted again."""
        ends = [uses[0] + WINDOW_S for uses in (self.own, self.leased, self.lent) if uses]
        if now < self.refused_until:
            ends.append(self.refused_until)
        return max(0.0, min(ends, default=now) - now)

    def valid(self, now: float, wall: float) -> bool:
        """Whether the leased seats may still be used."""
        return now < self.held_until and wall < self.held_until_wall

    def busy(self, now: float) -> int:
        """Leased seats that are taken."""
        leased, old = self.leased, now - WINDOW_S
        while leased and leased[0] <= old:
            leased.popleft()
        return len(leased)
