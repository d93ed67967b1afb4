"""An answer that is made for whoever asks for it: recorded once, followed by any number of clients.

It is made in a task of its own and never waits for a client. What ends a whole answer is held back
until the recording is closed, which is when the answer has been stored: the platform slows the
processor down as soon as the last byte has left, and a client that has everything may ask again.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Send

from shared.edge.asgi import Header
from shared.edge.call import Call
from shared.edge.sse_writer import SseWriter
from shared.errors import AllModelsFailed

REPLAYED: Header = (b"idempotent-replayed", b"true")
# What belongs to the answer; the rest of the headers belongs to the request they came with.
_KEPT = frozenset(
    {
        b"cache-control",
        b"content-length",
        b"content-type",
        b"location",
        b"retry-after",
        b"x-accel-buffering",
        b"x-codeex-model",
        b"x-codeex-provider",
    }
)
_EVENTS = b"text/event-stream"


class Recording:
    """An ASGI ``send`` that keeps what is sent. ``status`` is 0 until the answer begins;
    ``ended``: it is whole. Belongs to one event loop."""

    __slots__ = ("_changed", "_ready", "closed", "ended", "headers", "pieces", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.pieces: list[bytes] = []
        self.ended = False
        self.closed = False
        self._ready = 0
        self._changed = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        """Take the next message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [one for one in message["headers"] if one[0] in _KEPT]
        else:
            if message.get("body"):
                self.pieces.append(message["body"])
            self.ended = not message.get("more_body", False)
        if not self.ended:
            self._ready = len(self.pieces)
            self._wake()

    def close(self) -> None:
        """Nothing more comes; let the end of the answer go."""
        self.closed = True
        self._wake()

    @property
    def ready(self) -> int:
        """How many pieces may be seen by now."""
        return len(self.pieces) if self.closed else self._ready

    @property
    def sealed(self) -> bool:
        """Whether the answer says that it must not be stored (RFC 9111, 5.2.2.5)."""
        return any(
            name == b"cache-control" and b"no-store" in value for name, value in self.headers
        )

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Follower:
    """Passes an answer on to one client, piece by piece. ``replayed``: it is not the first."""

    __slots__ = ("_call", "_replayed", "_send", "started")

    def __init__(self, send: Send, call: Call, *, replayed: bool) -> None:
        self._send = send
        self._call = call
        self._replayed = replayed
        self.started = False

    async def begin(self, status: int, headers: list[Header]) -> None:
        """Send the status line. From here on, an error is told as an event where events are what
        the client reads."""
        self.started = True
        self._call.status = status
        if any(name == b"content-type" and value.startswith(_EVENTS) for name, value in headers):
            self._call.writer = SseWriter.begun(self._send)
        own = [REPLAYED] if self._replayed else []
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *own, *self._call.headers()],
            }
        )

    async def more(self, body: bytes) -> None:
        """Send the next bytes."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes) -> None:
        """Send the last bytes."""
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def follow(self, recording: Recording) -> None:
        """Send everything there is and will be.

        Raises ``AllModelsFailed`` where the recording is closed without its end.
        """
        sent = 0
        while True:
            if recording.status and not self.started:
                await self.begin(recording.status, recording.headers)
            last, ready = recording.closed, recording.ready
            body = b"".join(recording.pieces[sent:ready])
            sent = ready
            if last:
                if not recording.ended:
                    raise cut_short()
                await self.end(body)
                return
            if body:
                await self.more(body)
            elif not recording.closed and recording.ready == sent:
                await recording.changed()


def cut_short() -> AllModelsFailed:
    """What a client is told whose answer will not be finished where it was begun."""
    return AllModelsFailed(
        "the instance that served this has stopped; send the request again with the same "
        "Idempotency-Key",
        retry_after=1.0,
    )
