"""A provider that fails on cue: an HTTP server on a raw socket, with a journal of what it saw.

One server stands for one provider on a port of its own. For every attempt it is told what to do,
byte by byte (``Play``); it knows both wires' paths and nothing of what is in the bytes it sends.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from shared.messages import JsonObject
from tests.support.wire_server import Cut, Hang, Pause, Reset, Step

_GEMINI = re.compile(r"/v1beta/models/([^:?]+):(generateContent|streamGenerateContent)(?:\?|$)")
_CHAT = re.compile(r"(?:/[\w/]*)?/chat/completions$")


@dataclass(frozen=True, slots=True)
class Play:
    """What a provider does with one request.

    ``spent``: it worked on an answer, so its tokens were used although the answer may be lost.
    """

    steps: tuple[Step, ...]
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as a provider understands it. ``number`` counts from 1 at this provider."""

    number: int
    model: str
    stream: bool
    body: JsonObject

    @property
    def tools(self) -> bool:
        """Whether the client offers tools."""
        return bool(self.body.get("tools"))

    @property
    def prefixed(self) -> bool:
        """Whether the last message is the assistant's own, to be continued."""
        turns = self.body.get("messages") or self.body.get("contents")
        last = turns[-1] if isinstance(turns, list) and turns else None
        return isinstance(last, dict) and last.get("role") in ("assistant", "model")


@dataclass(slots=True)
class Entry:
    """A line of the journal. Times are seconds of the running loop.

    ``ended``: when the server had done all it was told to; ``left``: when the client closed the
    connection before that.
    """

    provider: str
    path: str
    ask: Ask
    at: float
    spent: bool = False
    ended: float | None = None
    left: float | None = None

    @property
    def open(self) -> bool:
        """Whether the provider is still at work on it."""
        return self.ended is None and self.left is None


Script = Callable[[Ask], Play]


@dataclass(slots=True)
class FaultServer:
    """``async with FaultServer("groq", script) as server``: listens on ``server.url``."""

    provider: str
    script: Script
    journal: list[Entry] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)  # paths no provider has
    _server: asyncio.Server | None = None
    _connections: set[_Connection] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [connection.stop() for connection in tuple(self._connections)]
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def note(self, path: str, body: bytes, at: float) -> Entry | None:
        """Write a request down; None where it is none a provider knows."""
        found = _GEMINI.match(path)
        if found is None and not _CHAT.match(path):
            self.strays.append(path)
            return None
        parsed: object = json.loads(body)
        assert isinstance(parsed, dict)
        number = len(self.journal) + 1
        if found is not None:
            ask = Ask(number, found[1], found[2].startswith("stream"), parsed)
        else:
            ask = Ask(number, str(parsed.get("model")), bool(parsed.get("stream")), parsed)
        entry = Entry(self.provider, path, ask, at)
        self.journal.append(entry)
        return entry

    def joined(self, connection: _Connection) -> None:
        """A client has connected."""
        self._connections.add(connection)

    def gone(self, connection: _Connection) -> None:
        """A connection is closed."""
        self._connections.discard(connection)


class _Connection(asyncio.Protocol):
    """One connection: requests one after another, each played to its end."""

    def __init__(self, server: FaultServer) -> None:
        self._owner = server
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._entry: Entry | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._entry is not None and self._entry.open:
            self._entry.left = self._loop.time()
        if self._task is not None:
            self._task.cancel()
        self._owner.gone(self)

    def stop(self) -> asyncio.Task[None] | None:
        """Close at once; what was being played is handed back, cancelled."""
        if self._transport is not None:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next()

    def _next(self) -> None:
        """Start on the next whole request, if there is one."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).decode("latin-1")
        length = re.search(r"(?im)^content-length:\s*(\d+)", head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < whole:
            return
        body = bytes(self._buffer[end + 4 : whole])
        del self._buffer[:whole]
        self._entry = self._owner.note(head.split(" ", 2)[1], body, self._loop.time())
        if self._entry is None:
            assert self._transport is not None
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        play = self._owner.script(self._entry.ask)
        self._entry.spent = play.spent
        self._task = self._loop.create_task(self._play(play, self._entry))

    async def _play(self, play: Play, entry: Entry) -> None:
        transport = self._transport
        assert transport is not None
        for step in play.steps:
            if isinstance(step, bytes):
                transport.write(step)
                # Two turns of the loop: a client in this loop reads each part by itself.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Hang):
                await asyncio.Event().wait()
            else:
                entry.ended = self._loop.time()
                self._close(transport, step)
                return
        entry.ended = self._loop.time()
        self._task = None
        self._next()

    @staticmethod
    def _close(transport: asyncio.Transport, step: Cut | Reset) -> None:
        if isinstance(step, Cut):
            transport.close()
            return
        own: socket.socket = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
