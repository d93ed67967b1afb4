"""A scripted HTTP server on a real socket: says what a test wrote down, byte for byte.

It knows no provider. A ``Reply`` is a list of steps: bytes to send, a pause, a cut, a reset, a
hang. Replies are taken in order; the last one is repeated. Requests are kept as they came.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence, in seconds of the running loop."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection in the middle (FIN)."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Tear the connection down (RST)."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Send nothing more until the client leaves."""


Step = bytes | Pause | Cut | Reset | Hang


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server does after one request. The connection stays open unless a step closes it."""

    steps: tuple[Step, ...]


@dataclass(slots=True)
class Seen:
    """A request as it came. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body, which must be a JSON object."""
        parsed: object = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """A response head."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Scripted\r\n{fields}\r\n".encode("latin-1")


def to_bytes(body: object) -> bytes:
    """Bytes as they are, text as UTF-8, anything else as JSON."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, ensure_ascii=False).encode()


def plain(
    body: object = b"",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Reply:
    """A whole body with its length."""
    data = to_bytes(body)
    every = {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})}
    return Reply((head(status, every) + data,))


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def chunked(
    parts: Iterable[Step],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "text/event-stream",
    *,
    end: bool = True,
) -> Reply:
    """A chunked body, each bytes part sent by itself. ``end`` False leaves the body open."""
    every = {"Content-Type": content_type, "Transfer-Encoding": "chunked", **(headers or {})}
    steps: list[Step] = [head(status, every)]
    steps += [chunk(part) if isinstance(part, bytes) else part for part in parts if part != b""]
    if end:
        steps.append(LAST_CHUNK)
    return Reply(tuple(steps))


def data(*events: object) -> bytes:
    """Events of a stream: objects as JSON, text as it is."""
    return b"".join(b"data: " + to_bytes(event) + b"\n\n" for event in events)


def pieces(whole: bytes, sizes: Sequence[int]) -> list[bytes]:
    """``whole`` cut into parts of ``sizes`` bytes in turn (repeated), to the last byte."""
    parts: list[bytes] = []
    start = turn = 0
    while start < len(whole):
        size = max(1, sizes[turn % len(sizes)])
        parts.append(whole[start : start + size])
        start, turn = start + size, turn + 1
    return parts


@dataclass(slots=True)
class WireServer:
    """``async with WireServer([...]) as server``: listens on ``server.url``.

    ``asked`` is set when a request has come whole, ``left`` when a client closes a connection in
    the middle of a reply that hangs.
    """

    replies: list[Reply] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def say(self, *replies: Reply) -> None:
        """The replies from now on."""
        self.replies = list(replies)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._read_request(reader):
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if not await self._play(reply, reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.transport.abort()

    async def _read_request(self, reader: asyncio.StreamReader) -> bool:
        first = await reader.readline()
        if not first:
            return False
        method, path, _ = first.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := (await reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(Seen(method, path, headers, body))
        self.asked.set()
        return True

    async def _play(
        self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection may be used again."""
        for step in reply.steps:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                # Two turns of the loop: the client has read this part before the next leaves.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Hang):
                while await reader.read(1024):
                    pass
                self.left.set()
                return False
            elif isinstance(step, Reset):
                own: socket.socket = writer.get_extra_info("socket")
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            else:
                writer.close()
                await writer.wait_closed()
                return False
        return True
