"""A light load generator on raw sockets, so that the client's own cost stays small and equal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Target:
    """Where and how a chat request is sent."""

    name: str
    port: int
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, body: bytes) -> bytes:
        """The bytes of one HTTP request."""
        lines = [f"POST {self.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Timing:
    """Seconds from sending the request."""

    first: float  # to the first byte of content
    total: float


class Connection:
    """One keep-alive connection that sends a request and reads its whole answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """A connection to loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    def close(self) -> None:
        """Close it."""
        self._writer.close()

    async def ask(self, request: bytes) -> Timing:
        """Send and read one answer. Raises ``RuntimeError`` for any status but 200."""
        start = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head!r} {await self._reader.read(2000)!r}")
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            first = await self._chunks()
        else:
            length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await self._reader.readexactly(length)
            first = time.perf_counter()
        return Timing(first - start, time.perf_counter() - start)

    async def _chunks(self) -> float:
        """Read chunks to the last; returns when the first token came."""
        first = 0.0
        while True:
            size = int(await self._reader.readline(), 16)
            data = await self._reader.readexactly(size + 2)
            if not first and b"token" in data:
                first = time.perf_counter()
            if size == 0:
                return first or time.perf_counter()


async def sequential(target: Target, body: bytes, count: int) -> list[Timing]:
    """One request after another on one connection."""
    connection = await Connection.open(target.port)
    request = target.request(body)
    try:
        return [await connection.ask(request) for _ in range(count)]
    finally:
        connection.close()


async def concurrent(
    target: Target, body: bytes, connections: int, seconds: float
) -> tuple[int, float, list[Timing]]:
    """Closed loop: every connection sends its next request when the last is answered.

    Returns how many were answered, the seconds it took, and their timings.
    """
    request = target.request(body)
    timings: list[Timing] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        connection = await Connection.open(target.port)
        while time.perf_counter() < end:
            timings.append(await connection.ask(request))
        connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    return len(timings), time.perf_counter() - start, timings


async def together(target: Target, body: bytes, connections: int) -> list[Timing]:
    """One request on each of ``connections`` connections, begun at once."""
    request = target.request(body)

    async def one() -> Timing:
        connection = await Connection.open(target.port)
        try:
            return await connection.ask(request)
        finally:
            connection.close()

    return list(await asyncio.gather(*(one() for _ in range(connections))))
