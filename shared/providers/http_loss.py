"""Noticing that a connection is gone while somebody reads from it.

aiohttp tells a reader when a body ends too early, but not when its framing goes wrong in the
middle (a chunk size that is none): the connection is closed and the reader waits on, up to the
stall timeout. This tells it at once.
"""

from __future__ import annotations

import asyncio

import aiohttp


class LossWatch:
    """From its making until ``end``, the loss of the response's connection ends a read."""

    __slots__ = ("_closed", "_reader")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._reader = response.content
        connection = response.connection
        protocol = None if connection is None else connection.protocol
        self._closed = None if protocol is None else protocol.closed
        if self._closed is not None:
            # One watcher of the exception per connection, however often it is used again; without
            # any, asyncio would log an exception that nobody looked at.
            self._closed.remove_done_callback(_look_at)
            self._closed.add_done_callback(_look_at)
            self._closed.add_done_callback(self._lost)
        elif protocol is not None:
            self._tell()

    def end(self) -> None:
        """Stop watching: the connection may serve another request."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
            self._closed = None

    def _lost(self, closed: asyncio.Future[None]) -> None:
        self._tell()

    def _tell(self) -> None:
        # aiohttp has spoken by now where it does at all: this runs a turn of the loop later.
        if not self._reader.is_eof() and self._reader.exception() is None:
            self._reader.set_exception(aiohttp.ClientPayloadError("connection lost"))


def _look_at(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()
