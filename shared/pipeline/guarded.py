"""The guard beside a stream: nothing leaves before its verdict, and nothing waits without need.

Joins the window (``safety.stream``), the pace and the guard to what the executor calls a gate.
For each model's stream a passage is opened: one task reads the provider, at most one asks the
guard, and whoever consumes the passage is woken when something may leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from shared.clock import Deadline
from shared.errors import ProviderFailure
from shared.messages import Chunk, Usage
from shared.pipeline.guarded_filter import Filters, MakeFilter
from shared.pipeline.guarded_work import GuardWork, Judge, ask, late
from shared.routing.opening import close
from shared.safety.stream import StreamWindow
from shared.safety.stream_pace import PIECE_S, Pace

# So many characters wait for a client that reads slowly before the provider is read on.
MOST_WAITING = 65_536
# A clock's grain: a wait is never shorter, so that a moment just reached is really past.
GRAIN_S = 0.001


class GuardedStream:
    """The gate of one request's stream (``routing.ports.Gate``).

    ``choices`` is the request's ``n``. What the guarding takes is written into ``work``.
    """

    __slots__ = ("_deadline", "_filters", "_judge", "_window", "_work")

    def __init__(
        self,
        judge: Judge,
        deadline: Deadline,
        work: GuardWork,
        choices: int = 1,
        make_filter: MakeFilter | None = None,
    ) -> None:
        self._judge = judge
        self._deadline = deadline
        self._work = work
        self._window = StreamWindow(choices)
        self._filters = Filters(make_filter) if make_filter is not None else None

    @property
    def usage(self) -> Usage | None:
        """See ``Gate.usage``."""
        return self._window.usage

    def own_tokens(self) -> int:
        """See ``Gate.own_tokens``."""
        return self._window.own_tokens()

    def through(
        self, first: list[Chunk], source: AsyncIterator[list[Chunk]] | None, *, quiet: bool
    ) -> AsyncGenerator[list[Chunk], None]:
        """See ``Gate.through``."""
        window = self._window
        window.begin(quiet=quiet)
        window.add(first)
        return _Passage(window, self._judge, self._deadline, self._work, source).batches()

    def filtered(self, batch: list[Chunk], *, last: bool = False) -> list[Chunk]:
        """See ``Gate.filtered``."""
        return batch if self._filters is None else self._filters.batch(batch, last=last)


class _Passage:
    """One model's stream on its way past the guard."""

    __slots__ = (
        "_asking",
        "_deadline",
        "_judge",
        "_pace",
        "_reading",
        "_room",
        "_source",
        "_wake",
        "_window",
        "_work",
    )

    def __init__(
        self,
        window: StreamWindow,
        judge: Judge,
        deadline: Deadline,
        work: GuardWork,
        source: AsyncIterator[list[Chunk]] | None,
    ) -> None:
        self._window = window
        self._judge = judge
        self._deadline = deadline
        self._work = work
        self._source = source
        self._pace = Pace(deadline.clock.monotonic())
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def batches(self) -> AsyncGenerator[list[Chunk], None]:
        """What may leave, as it may leave.

        Raises the provider's ``ProviderFailure`` at once, whatever is held then; what ``ask``
        raises; ``DeadlineExceeded``. Closing it ends reading and asking.
        """
        try:
            if self._source is None:
                self._window.close()
            else:
                self._reading = asyncio.create_task(self._read(self._source))
                self._reading.add_done_callback(self._woken)
            while True:
                self._wake.clear()
                self._verdict()
                self._broken()
                self._ask()
                out = self._leaving()
                if out:
                    yield out
                    self._room.set()
                elif self._window.over and not self._window.waiting:
                    return
                else:
                    await self._wait()
        finally:
            await self._end()

    async def _read(self, source: AsyncIterator[list[Chunk]]) -> None:
        """Take in what the provider sends, waking the passage only when it has something to do."""
        window = self._window
        async for batch in source:
            window.add(batch)
            if self._asking is None and (window.due or window.ending):
                self._wake.set()
            if window.held > MOST_WAITING:
                self._wake.set()
                self._room.clear()
                await self._room.wait()
        window.close()

    def _verdict(self) -> None:
        """Take in a verdict that has come."""
        asking = self._asking
        if asking is None or not asking.done():
            return
        self._asking = None
        self._pace.told(self._now())
        asking.result()
        self._window.passes()

    def _broken(self) -> None:
        """Raise what ended the provider's stream, unless every choice had its end before."""
        reading = self._reading
        if reading is None or not reading.done():
            return
        self._reading = None
        failure = reading.exception()
        if isinstance(failure, ProviderFailure) and self._window.complete:
            self._window.close()
        elif failure is not None:
            raise failure

    def _ask(self) -> None:
        """Have the next text judged, one at a time."""
        window = self._window
        if self._asking is not None or not window.due:
            return
        fresh = window.fresh
        text = window.cut()
        if not text.strip():
            window.passes()
            return
        self._pace.asked(self._now(), fresh)
        self._asking = asyncio.create_task(ask(self._judge, text, self._deadline, self._work))
        self._asking.add_done_callback(self._woken)

    def _leaving(self) -> list[Chunk]:
        """What leaves now: at the end all that may, before it at the stream's pace."""
        window, pace, now = self._window, self._pace, self._now()
        ready = window.ready
        if window.over or window.complete or not ready:
            out = window.take()
        elif pace.due_in(now) > 0.0:
            return []
        else:
            most = pace.piece(now, ready, pace.to_next(now, window.fresh, window.step))
            out = window.take(most, must=pace.impatient(now))
        if out:
            pace.left(now)
        return out

    async def _wait(self) -> None:
        """Until the provider or the guard has something to say, or a piece is due."""
        seconds = self._deadline.left()
        if seconds <= 0.0:
            raise late()
        if self._window.ready:
            due_in = self._pace.due_in(self._now()) or PIECE_S
            seconds = min(seconds, max(GRAIN_S, due_in))
        timer = asyncio.create_task(self._deadline.clock.sleep(seconds))
        timer.add_done_callback(self._woken)
        try:
            await self._wake.wait()
        finally:
            # A timer that is no longer wanted must not wake the next wait.
            timer.remove_done_callback(self._woken)
            timer.cancel()

    async def _end(self) -> None:
        """Nobody reads and nobody asks any more; the provider's call is aborted."""
        tasks = [task for task in (self._reading, self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close(self._source)

    def _now(self) -> float:
        return self._deadline.clock.monotonic()

    def _woken(self, _: asyncio.Task[None]) -> None:
        self._wake.set()
