"""The ASGI application of a function: path table, identity, errors, the record of every call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field
from starlette.types import Message, Receive, Scope, Send

from shared import VERSION
from shared.clock import Clock
from shared.edge.allowance import rate_limited
from shared.edge.asgi import HttpRequest, send_body, send_json
from shared.edge.call import Call
from shared.edge.client_address import ClientAddresses
from shared.edge.cors import CorsPolicy, is_preflight
from shared.edge.dialect import Dialect
from shared.edge.gate import Gate
from shared.edge.identity import Authenticator
from shared.errors import (
    AllModelsFailed,
    ClientCancelled,
    CodeexError,
    Internal,
    MethodNotAllowed,
    NotFound,
)
from shared.limits.clients import ClientKey, ClientLimiter

if TYPE_CHECKING:
    from shared.edge.idempotency import Idempotency

KEY_HEADER = b"idempotency-key"
Handler = Callable[[HttpRequest, Send, Call], Awaitable[None]]


class Routes(Struct, frozen=True):
    """Paths of one function. ``exact`` and ``patterns`` map to methods.

    ``patterns``: paths with one ``{id}``, which stands for one character or more, slashes too
    (models have such ids); the first that fits is taken. ``counted``: method and path of what
    counts against the caller's limit.
    """

    exact: dict[str, dict[str, Handler]]
    patterns: dict[str, dict[str, Handler]]
    counted: frozenset[tuple[str, str]] = frozenset()

    def find(self, path: str, method: str) -> Handler:
        """The handler. Raises ``NotFound`` or ``MethodNotAllowed``, which says what is allowed."""
        methods = self.exact.get(path)
        if methods is None:
            for pattern, candidate in self.patterns.items():
                if _fits(path, pattern):
                    methods = candidate
                    break
        if methods is None:
            raise NotFound(f"there is nothing at {path[:200]}; see docs/openapi.json for the paths")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(method, tuple(sorted(methods)))
        return handler


def _fits(path: str, pattern: str) -> bool:
    before, _, behind = pattern.partition("{id}")
    around = len(before) + len(behind)
    return len(path) > around and path.startswith(before) and path.endswith(behind)


def _nothing() -> None:
    """The usual ``after``."""


def _never() -> bool:
    """The usual ``stopping``."""
    return False


class EdgeParts(Struct):
    """What the edge needs of the house.

    ``limiter``: the callers' own limits; None for a function that only the house calls.
    ``trusted_proxy_hops`` and ``address_salt`` say whose address a caller has
    (``client_address.py``). ``before`` runs once for every request of a signed-in caller, before
    anything is decided: it brings the configuration up to date. ``gate``: what else such a caller
    has to pass, before a request counts. ``after`` is asked before the last byte of every answer
    leaves for what has to be finished first (the processor is throttled behind it). ``stopping``:
    the instance has been told to stop, and cuts what does not end.
    ``dialects``: the paths that do not speak OpenAI's way, and how they speak to whom.
    ``idempotency`` serves what is sent with a key; it is made when the first such request comes.
    """

    function: str
    routes: Routes
    authenticator: Authenticator
    clock: Clock
    new_request_id: Callable[[str | None], str]
    record: Callable[[Call], None]
    record_crash: Callable[[Call, BaseException], None]
    cors: CorsPolicy
    limiter: ClientLimiter | None = None
    trusted_proxy_hops: int = 1
    address_salt: bytes = b""
    before: Callable[[], Awaitable[None]] | None = None
    gate: Gate | None = None
    after: Callable[[], Awaitable[None] | None] = _nothing
    stopping: Callable[[], bool] = _never
    dialects: Mapping[str, Callable[[HttpRequest], Dialect]] = field(default_factory=dict)
    idempotency: Callable[[], Idempotency] | None = None


class EdgeApp:
    """An ASGI application. Every way out of a call is in ``_answer``."""

    __slots__ = ("_addresses", "_parts")

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self._addresses = ClientAddresses(parts.trusted_proxy_hops, parts.address_salt)

    @property
    def routes(self) -> Routes:
        """The path table, beside which there is only ``/health``."""
        return self._parts.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        parts = self._parts
        http = HttpRequest(scope, receive)
        call = Call(
            parts.new_request_id(http.header(b"x-request-id")),
            http.method,
            http.path,
            parts.clock.monotonic(),
            cors=parts.cors.headers(http),
        )
        sending = _Started(send, parts.after)
        await self._answer(self._serve(http, sending, call), http, sending, call)

    async def perform(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Answer a request that was let in before, whatever comes of it, with its record."""
        sending = _Started(send, _nothing)
        await self._answer(self._handle(http, sending, call), http, sending, call)

    async def finish(self, record: str) -> bool:
        """See ``Idempotency.finish``; where there is none, nothing is left to do."""
        make = self._parts.idempotency
        return make is None or await make().finish(record, self.perform)

    async def _answer(
        self, work: Coroutine[None, None, None], http: HttpRequest, sending: _Started, call: Call
    ) -> None:
        """Every way out of a call."""
        parts = self._parts
        speaks = parts.dialects.get(http.path)
        if speaks is not None:
            call.dialect = speaks(http)
        try:
            await work
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if not parts.stopping() or current is None:
                raise
            current.uncancel()
            await self._fail(_stopped(), sending, call)
        except ClientCancelled as error:
            call.status, call.code = error.status, error.code
        except CodeexError as error:
            if parts.gate is not None:
                await parts.gate.failed(call, error)
            await self._fail(error, sending, call)
        except Exception as error:  # noqa: BLE001 - the edge: nobody leaves without an answer
            parts.record_crash(call, error)
            await self._fail(
                Internal(f"an internal error; the log has it under {call.request_id}"),
                sending,
                call,
            )
        if not call.recorded:
            parts.record(call)

    async def _serve(self, http: HttpRequest, send: Send, call: Call) -> None:
        parts = self._parts
        if is_preflight(http):
            call.status = 204
            await parts.cors.preflight(http, send, call.headers())
            return
        if http.path == "/health":
            if http.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(http.method, ("GET",))
            body = {"status": "ok", "function": parts.function, "version": VERSION}
            await send_json(send, 200, call.headers(), dict(body))
            return
        call.identity = await parts.authenticator.authenticate(http.header(b"authorization"))
        if parts.before is not None:
            await parts.before()
        identity = call.identity
        call.client = ClientKey(identity.uid, self._addresses.of(http), not identity.anonymous)
        if parts.gate is not None:
            await parts.gate.enter(http, call)
        if parts.limiter is not None:
            await self._admit(parts.limiter, http, call, call.client)
        if parts.idempotency is not None and KEY_HEADER in http.headers and http.method == "POST":
            parts.routes.find(http.path, http.method)
            await parts.idempotency().serve(http, send, call, self.perform)
            return
        await self._handle(http, send, call)

    async def _handle(self, http: HttpRequest, send: Send, call: Call) -> None:
        await self._parts.routes.find(http.path, http.method)(http, send, call)

    async def _admit(
        self, limiter: ClientLimiter, http: HttpRequest, call: Call, key: ClientKey
    ) -> None:
        """Count the request against the caller's limit, where it is one that counts.

        Raises ``RateLimited``, and ``CaptchaRequired`` for who turns out to be blocked.
        """
        if (http.method, http.path) not in self._parts.routes.counted:
            call.allowance = limiter.look(key)
            return
        told = limiter.admit(key)
        if told is None:
            answer = limiter.admit_slow(key)
            gate = self._parts.gate
            told = await (answer if gate is None else gate.asked(http, call, answer))
        call.allowance = told
        if not told.allowed:
            raise rate_limited(told)

    async def _fail(self, error: CodeexError, send: _Started, call: Call) -> None:
        """Answer with the error: as its own status, or as the event that ends an open stream."""
        call.status, call.code = error.status, error.code
        if call.allowance is None and call.client is not None and self._parts.limiter is not None:
            call.allowance = self._parts.limiter.look(call.client)
        if not send.started:
            failed = call.dialect.failed(error, call.request_id)
            await send_body(send, failed.status, [*failed.headers, *call.headers()], failed.body)
        elif call.writer is not None:
            await call.writer.close(call.dialect.failed_event(error, call.request_id))


class _Started:
    """A ``send`` that knows whether the status line has left, and ends what is under way before
    the last byte does."""

    __slots__ = ("_after", "_send", "started")

    def __init__(self, send: Send, after: Callable[[], Awaitable[None] | None]) -> None:
        self._send = send
        self._after = after
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        if not message.get("more_body", False) and message["type"] == "http.response.body":
            rest = self._after()
            if rest is not None:
                await rest
        await self._send(message)


def _stopped() -> AllModelsFailed:
    """What a request is told that had to be cut at the instance's end."""
    return AllModelsFailed(
        "the instance that served this is being stopped; ask again", retry_after=1.0
    )
