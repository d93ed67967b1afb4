"""Time as an injected part: the two clocks the house uses, and the one deadline of a request."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from msgspec import Struct


class Clock(Protocol):
    """Both clocks in seconds. ``monotonic`` measures waiting, ``wall`` (Unix time) dates things."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds of ``time.monotonic``, the clock asyncio's own timeouts run on."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds of ``time.time``."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """``asyncio.sleep``."""
        await asyncio.sleep(seconds)


class Deadline(Struct):
    """The one end of a request (R5, decision: one deadline covers the whole request).

    ``at`` is a reading of ``clock.monotonic``. It is handed down the stack; nobody makes a
    second one, so retries cannot multiply timeouts.
    """

    clock: Clock
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """A deadline ``seconds`` from now."""
        return cls(clock, clock.monotonic() + seconds)

    def left(self) -> float:
        """Seconds that remain, never below 0."""
        return max(0.0, self.at - self.clock.monotonic())

    def cap(self, seconds: float, reserve: float = 0.0) -> float:
        """``seconds``, or what is left less ``reserve`` where that is shorter; never below 0."""
        return max(0.0, min(seconds, self.left() - reserve))
