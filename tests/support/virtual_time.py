"""An event loop whose time moves only when nothing is left to do: hours pass in milliseconds.

``asyncio.timeout``, ``sleep`` and ``call_later`` all run on it, so timeouts, backoff and stalls
are tested exactly, without waiting and without patching.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")
# 2026-11-23T12:00:00Z, the day the catalog's data was read.
START_WALL = 1795435200.0


class _Selector(selectors.DefaultSelector):
    """Polls without waiting; what the loop would have waited is added to virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise RuntimeError("deadlock: nothing is scheduled and nothing can happen")
        if timeout > 0:
            self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``time()`` starts at 0 and jumps to the next timer whenever no callback is ready."""

    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        """Virtual seconds. It never moves by itself."""
        return self.virtual.now


class VirtualClock:
    """The injected clock on virtual time; ``wall`` starts at ``START_WALL``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wall_start: float = START_WALL) -> None:
        self._loop = loop
        self._wall_start = wall_start

    def monotonic(self) -> float:
        """Virtual seconds since the loop began."""
        return self._loop.time()

    def wall(self) -> float:
        """Unix seconds, moving with the loop."""
        return self._wall_start + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """A virtual wait."""
        await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[None, None, T]) -> T:
    """Run ``main`` on a fresh virtual loop; leftover tasks are cancelled as asyncio.run does."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class ManualClock:
    """A clock set by hand, for code that never waits."""

    def __init__(self, wall: float = START_WALL, monotonic: float = 0.0) -> None:
        self.wall_now = wall
        self.monotonic_now = monotonic

    def monotonic(self) -> float:
        """What was set."""
        return self.monotonic_now

    def wall(self) -> float:
        """What was set."""
        return self.wall_now

    async def sleep(self, seconds: float) -> None:
        """Moves both clocks on at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        self.wall_now += seconds
        self.monotonic_now += seconds
