"""What time it is at the store, and when days and months turn there.

Instances need not agree on the time: the only clock that counts is the store's, which dates every
write (a document's version is the time of its last commit). A commit that an instance sent at its
monotonic second ``sent`` and heard of at ``received`` happened in between, so the difference of
the two clocks lies between ``at - received`` and ``at - sent``. Whoever frees capacity takes the
early bound, whoever dates a use the late one.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# The rate at which two clocks may part: NTP slews by up to 500 ppm (adjtimex(2)), both ways.
DRIFT = 0.001
# Bounds further apart than this (seconds) are not good enough to call a provider full.
PRECISE_S = 2.0
# What the store's own clock may be out by between two of its machines.
GRAIN_S = 0.05
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
ROLLING = "rolling"


class StoreClock:
    """Bounds of the store's time, from the commits an instance has made and seen.

    All times are seconds: ``now``, ``sent`` and ``received`` of the monotonic clock, ``at`` of the
    store's.
    """

    __slots__ = ("_high", "_low", "_sampled")

    def __init__(self) -> None:
        self._low = -math.inf
        self._high = math.inf
        self._sampled = 0.0

    def committed(self, sent: float, received: float, at: float) -> None:
        """A write of ours: sent then, known then to have been made at ``at``."""
        self._narrow(received, at - received, at - sent)

    def seen(self, received: float, at: float) -> None:
        """A document was read that somebody had written at ``at``."""
        self._narrow(received, at - received, math.inf)

    def earliest(self, now: float) -> float:
        """The store's time is not before this; minus infinity where nothing is known."""
        return now + self._low - DRIFT * (now - self._sampled)

    def latest(self, now: float) -> float:
        """The store's time is not after this; infinity where nothing is known."""
        return now + self._high + DRIFT * (now - self._sampled)

    def precise(self, now: float) -> bool:
        """Whether the bounds are close together."""
        return self.latest(now) - self.earliest(now) <= PRECISE_S

    def when(self, at: float) -> float:
        """The monotonic second from which on the store's time is surely not before ``at``."""
        return (at - self._low - DRIFT * self._sampled) / (1.0 - DRIFT)

    def _narrow(self, received: float, low: float, high: float) -> None:
        aged = DRIFT * max(0.0, received - self._sampled)
        self._low = max(low, self._low - aged)
        self._high = min(high, self._high + aged)
        self._sampled = received
        if self._low > self._high + GRAIN_S:
            # One of the clocks was set, or this machine slept: only the newest word counts.
            self._low, self._high = low, high


def day_slot(reset: str, at: int) -> int:
    """The slot that ``at`` (ms) is counted in: the hour (of Unix time) in which the zone's day
    began; where the day is rolling, the hour itself."""
    if reset == ROLLING:
        return at // HOUR_MS
    return _midnight(reset, at, 0) // HOUR_MS


def slot_end(reset: str, slot: int) -> int:
    """The moment (ms) from which on what is in that slot no longer counts."""
    if reset == ROLLING:
        return (slot + 1) * HOUR_MS + DAY_MS
    # Noon of the slot's day, whatever the zone's offset and the time of year.
    return _midnight(reset, slot * HOUR_MS + DAY_MS // 2, 1)


def day_begin(reset: str, at: int) -> int:
    """The moment (ms) since which uses count into the day that is ``at``."""
    return at - DAY_MS if reset == ROLLING else _midnight(reset, at, 0)


def month_slot(at: int) -> int:
    """The calendar month, UTC, as a number that grows by one each month."""
    day = datetime.fromtimestamp(at / 1000, UTC)
    return day.year * 12 + day.month - 1


def month_end(slot: int) -> int:
    """The moment (ms) at which that month is over."""
    year, month = divmod(slot + 1, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1000


def _midnight(reset: str, at: int, days: int) -> int:
    zone = _zone(reset)
    day = datetime.fromtimestamp(at / 1000, zone).date() + timedelta(days=days)
    return int(datetime.combine(day, time(), zone).timestamp()) * 1000


@cache
def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # only where a provider's day has a zone

    return ZoneInfo(name)
