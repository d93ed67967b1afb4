"""The few pieces of ASGI the edge needs: reading a request, sending JSON, knowing who left.

Bare ASGI on purpose: Starlette's StreamingResponse costs about 170 us a stream, this does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import orjson
from starlette.types import Receive, Scope, Send

from shared.edge.json_body import MAX_BODY_BYTES
from shared.errors import ClientCancelled, InvalidRequest, PayloadTooLarge
from shared.messages import JsonObject

T = TypeVar("T")

# A body over the limit is read on to this many bytes, so that a client which is still sending
# sees the 413 instead of a reset connection.
MAX_DRAIN_BYTES = 64 * 1024 * 1024

Header = tuple[bytes, bytes]
JSON_TYPE: Header = (b"content-type", b"application/json")


class HttpRequest:
    """One HTTP request as the edge sees it. Header names are lower case."""

    __slots__ = ("headers", "method", "path", "query", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])

    def header(self, name: bytes) -> str | None:
        """A header's value, or None. Bytes outside Latin-1 cannot occur in ASGI headers."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self, limit: int = MAX_BODY_BYTES) -> bytes:
        """The whole body.

        Raises ``PayloadTooLarge`` over ``limit`` bytes and ``ClientCancelled`` when the client
        leaves before it has sent everything.
        """
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientCancelled("the client left while sending the request")
        first: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(first) > limit:
                raise _too_large(limit)
            return first
        return await self._rest(bytearray(first), limit)

    async def _rest(self, gathered: bytearray, limit: int) -> bytes:
        total, more = len(gathered), True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientCancelled("the client left while sending the request")
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            total += len(piece)
            if total <= limit:
                gathered += piece
            elif total > MAX_DRAIN_BYTES:
                break
        if total > limit:
            raise _too_large(limit)
        return bytes(gathered)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the body is over {limit // (1024 * 1024)} MiB; send less text or smaller images"
    )


def refuse_form_bodies(request: HttpRequest) -> None:
    """Raises ``InvalidRequest`` for multipart bodies where JSON is expected."""
    kind = request.headers.get(b"content-type", b"")
    if kind[:10].lower() == b"multipart/":
        raise InvalidRequest("this endpoint takes JSON: send content-type application/json")


async def send_body(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    """A whole response in two ASGI messages."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, headers: list[Header], body: JsonObject) -> None:
    """``body`` as JSON."""
    await send_body(send, status, [JSON_TYPE, *headers], orjson.dumps(body))


# An answer that takes no longer than this is not worth a watcher: a task costs more than most of
# the edge, and nobody needs to know within 20 ms that a client has left.
WATCH_AFTER_S = 0.02


class _Watch:
    """Looks out for the client that leaves, beside the task that works for it."""

    __slots__ = ("_current", "_receive", "_task", "_timer", "left")

    def __init__(self, receive: Receive, current: asyncio.Task[object]) -> None:
        self._receive = receive
        self._current = current
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)
        self.left = False

    def stop(self) -> None:
        """The work has ended."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._until_disconnect())

    async def _until_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._current.cancel()


async def unless_client_leaves(receive: Receive, work: Coroutine[None, None, T]) -> T:
    """Run ``work`` in this task, cancelling it as soon as the client leaves (R23.8).

    A client that leaves shows only as ``http.disconnect`` on ``receive``, so that is watched
    beside the work. Raises ``ClientCancelled``; a cancellation from elsewhere passes through.
    """
    current = asyncio.current_task()
    if current is None:  # not inside a task: nobody to cancel
        return await work
    watch = _Watch(receive, current)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.left and current.uncancel() == 0:
            raise ClientCancelled("the client left before the answer was complete") from None
        raise
    finally:
        watch.stop()
