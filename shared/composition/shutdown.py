"""What an instance does when it is told to stop (LESSONS 22: SIGTERM leaves 10 s).

functions-framework has no lifespan and gunicorn owns the signals, so the hook is set in the
worker's loop at the first request, in front of the server's own handler: requests under way may
end, those that do not are ended with a typed error, what the instance owes the store is written,
and only then is the server told.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType

from shared.errors import StoreUnavailable

_log = logging.getLogger("codeex.shutdown")

# Of the 10 s the platform gives: requests end within 5.5, are cut within 0.5, the rest is written
# within 3.
REQUESTS_S = 5.5
CUT_S = 0.5
WRITE_S = 3.0

Flush = Callable[[], Awaitable[None]]
Handler = Callable[[int, FrameType | None], object] | int | None


class Shutdown:
    """The end of one instance. ``flushes`` are what it owes the store, made side by side."""

    __slots__ = ("_active", "_flushes", "_idle", "_previous", "_stopping")

    def __init__(self, flushes: Sequence[Flush]) -> None:
        self._flushes = tuple(flushes)
        self._active: set[asyncio.Task[object]] = set()
        self._idle: asyncio.Event | None = None
        self._previous: Handler = None
        self._stopping: asyncio.Task[None] | None = None

    def is_stopping(self) -> bool:
        """Whether the instance has been told to stop."""
        return self._stopping is not None

    def install(self) -> None:
        """Stand in front of the SIGTERM handler of whoever serves; in its loop and main thread."""
        self._previous = signal.getsignal(signal.SIGTERM)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._told)

    def entered(self) -> asyncio.Task[object] | None:
        """A request begins in this task; pass the result to ``left``."""
        task = asyncio.current_task()
        if task is not None:
            self._active.add(task)
        return task

    def left(self, task: asyncio.Task[object] | None) -> None:
        """The request has ended."""
        if task is not None:
            self._active.discard(task)
            if self._idle is not None and not self._active:
                self._idle.set()

    def watch(self, task: asyncio.Task[None]) -> None:
        """Work begins that outlives its request: it ends, or is cut, as a request is."""
        self._active.add(task)
        task.add_done_callback(self.left)

    async def finish(self) -> None:
        """Let requests end, cut those that do not, and write what is owed."""
        await self._ended(REQUESTS_S)
        for task in self._active:
            task.cancel()
        await self._ended(CUT_S)
        await flush_all(self._flushes)

    def _told(self) -> None:
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop())

    async def _stop(self) -> None:
        try:
            await self.finish()
        finally:
            if callable(self._previous):
                self._previous(signal.SIGTERM, None)
            else:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
                signal.raise_signal(signal.SIGTERM)

    async def _ended(self, seconds: float) -> None:
        if not self._active:
            return
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return


async def flush_all(flushes: Sequence[Flush]) -> None:
    """Write what is owed, for at most ``WRITE_S``. What cannot be written is lost by design:
    leases run out by themselves, figures are figures."""
    try:
        async with asyncio.timeout(WRITE_S):
            results = await asyncio.gather(*(flush() for flush in flushes), return_exceptions=True)
    except TimeoutError:
        _log.warning("The store did not answer in time; leases will run out by themselves.")
        return
    for result in results:
        if isinstance(result, StoreUnavailable):
            _log.warning("The store did not answer; leases will run out by themselves.")
        elif isinstance(result, BaseException):
            raise result
