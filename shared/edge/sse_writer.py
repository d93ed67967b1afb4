"""A server-sent event response over bare ASGI: opened late, kept alive, closed once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Send

from shared.edge.asgi import Header
from shared.edge.sse import KEEP_ALIVE

# Contract, Chat: the status line waits for the first content this many seconds at most; after
# that a comment of the same rhythm keeps proxies and clients from giving up.
HEARTBEAT_S = 5.0
SSE_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class SseWriter:
    """Writes one event stream.

    Nothing is sent until the first ``write`` or until ``HEARTBEAT_S`` have passed, so an error
    before the first content can still have its own status. One timer a stream, no task unless
    the stream is silent for long.
    """

    __slots__ = ("_beating", "_headers", "_last", "_loop", "_send", "_timer", "opened")

    def __init__(self, send: Send, headers: Callable[[], list[Header]]) -> None:
        self._send = send
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._beating: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)
        self.opened = False

    @classmethod
    def begun(cls, send: Send) -> SseWriter:
        """A writer for a stream that somebody else has begun and keeps alive: it can only end
        it."""
        writer = cls(send, list)
        writer.stop()
        writer.opened = True
        return writer

    async def write(self, frames: bytes) -> None:
        """Send ``frames`` in one write, after the status line where that is still to come."""
        if not self.opened:
            self.opened = True
            headers = [*SSE_HEADERS, *self._headers()]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._last = self._loop.time()
        await self._send({"type": "http.response.body", "body": frames, "more_body": True})

    async def close(self, frames: bytes) -> None:
        """Send the last ``frames`` and end the response."""
        self.stop()
        await self.write(frames)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def stop(self) -> None:
        """No more heartbeats; safe to call twice."""
        self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()

    def _beat(self) -> None:
        silent = self._loop.time() - self._last
        if silent >= HEARTBEAT_S - 0.01:
            self._beating = self._loop.create_task(self.write(KEEP_ALIVE))
            silent = 0.0
        self._timer = self._loop.call_later(HEARTBEAT_S - silent, self._beat)
