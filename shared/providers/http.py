"""The one HTTP session of an instance, and the clocks that run while a provider answers.

Both wires speak through ``HttpPool``: ``fetch`` for whole bodies, ``stream`` for bodies read as
they come. Whatever goes wrong below leaves here as a ``ProviderFailure``; cancelling the task or
closing the ``ByteStream`` closes the connection at once (R22, R23.8). aiohttp because the HTTP
client decides the router's speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from shared.errors import (
    ConnectionFailed,
    FirstByteTimeout,
    MalformedAnswer,
    ProviderFailure,
    StreamCut,
    StreamStalled,
)
from shared.providers.base import Timeouts
from shared.providers.http_loss import LossWatch

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
# Below the shortest idle time of the balancers in front of the providers (60 s), so that a
# request is not written into a connection that is just being closed.
KEEPALIVE_S = 55.0
DNS_CACHE_S = 300
# How long a finished stream may take to send its last chunk marker, so that its connection can
# be used again.
DRAIN_S = 0.25
MAX_HEADER_BYTES = 32 * 1024
USER_AGENT = "codeex-router"

# What aiohttp raises while a response is awaited or read. RuntimeError is its way to say that the
# connection was closed under a reader.
_NETWORK = (aiohttp.ClientError, OSError, RuntimeError)


class Endpoint(Struct, frozen=True):
    """Where to send a request, prepared once: nothing of it is built per call."""

    provider: str
    method: str
    url: URL
    headers: CIMultiDict[str]


def endpoint(
    provider: str, method: str, base_url: str, path: str, headers: Mapping[str, str]
) -> Endpoint:
    """An endpoint with the headers that aiohttp would otherwise add on every request.

    Bodies are asked for uncompressed: answers are small, and a compressor in between holds
    events of a stream back. Raises ``ValueError`` for an address that is none.
    """
    url = URL(base_url.rstrip("/") + path)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the base address is not an http(s) URL")
    complete = CIMultiDict(
        {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
    )
    if method == "POST":
        complete["Content-Type"] = "application/json"
    complete.update(headers)
    return Endpoint(provider, method, url, complete)


class Answer(Struct, frozen=True):
    """A response read whole. ``headers`` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpPool:
    """One aiohttp session, made on first use inside the running loop.

    No limit on connections (quotas limit the requests), keep-alive, a DNS cache, no cookies, no
    proxies or credentials out of the environment, no redirects (a key must not follow one).
    """

    __slots__ = ("_connect_timeouts", "_draining", "_session")

    def __init__(self) -> None:
        self._session: ClientSession | None = None
        self._connect_timeouts: dict[float, ClientTimeout] = {}
        self._draining: set[ClientResponse] = set()

    async def close(self) -> None:
        """Close every connection. The pool may be used again afterwards."""
        for response in tuple(self._draining):
            self._drained(response)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def fetch(
        self,
        target: Endpoint,
        body: bytes | None,
        timeouts: Timeouts,
        max_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """A whole response of any status, its body at most ``max_bytes``.

        Raises ``ConnectionFailed``, ``FirstByteTimeout``, ``StreamStalled``, ``StreamCut`` or
        ``MalformedAnswer``. The body of an error status that breaks off is handed over as far as
        it came: the status says enough.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        end = start + timeouts.total
        response: ClientResponse | None = None
        loss: LossWatch | None = None
        parts: list[bytes] = []
        began = False
        try:
            async with asyncio.timeout_at(min(start + timeouts.first_byte, end)) as limit:
                response = await self._open(target, body, timeouts.connect)
                reader = response.content
                size = 0
                while part := await reader.readany():
                    parts.append(part)
                    size += len(part)
                    if size > max_bytes:
                        raise MalformedAnswer(
                            f"{target.provider} sent a body of over {max_bytes} bytes",
                            provider=target.provider,
                        )
                    if reader.at_eof():
                        break
                    loss = loss or LossWatch(response)
                    # Blanks keep a connection open; like a stream's comments they are no answer.
                    if began or not part.isspace():
                        began = True
                        limit.reschedule(min(loop.time() + timeouts.stall, end))
        except TimeoutError:
            if response is None or response.status < 400:
                raise _silence(target.provider, began, loop.time() >= end) from None
        except _NETWORK as error:
            if response is None:
                raise connection_failure(error, target.provider) from None
            if response.status < 400:
                raise body_failure(target.provider) from None
        finally:
            if loss is not None:
                loss.end()
            if response is not None:
                response.close()
        return Answer(
            response.status, response.headers, parts[0] if len(parts) == 1 else b"".join(parts)
        )

    async def stream(self, target: Endpoint, body: bytes | None, timeouts: Timeouts) -> ByteStream:
        """A response whose headers have come and whose body is read as it comes.

        The caller closes it, always. Raises ``ConnectionFailed``, ``FirstByteTimeout`` or
        ``MalformedAnswer``.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        end = start + timeouts.total
        first_at = min(start + timeouts.first_byte, end)
        try:
            async with asyncio.timeout_at(first_at):
                response = await self._open(target, body, timeouts.connect)
        except TimeoutError:
            raise _silence(target.provider, False, loop.time() >= end) from None
        except _NETWORK as error:
            raise connection_failure(error, target.provider) from None
        return ByteStream(
            response, target.provider, loop, first_at, timeouts.stall, end, self._drain
        )

    def _drain(self, response: ClientResponse) -> None:
        """Leave a finished answer a moment to end its body; aiohttp gives the connection back by
        itself when it does."""
        self._draining.add(response)
        asyncio.get_running_loop().call_later(DRAIN_S, self._drained, response)

    def _drained(self, response: ClientResponse) -> None:
        self._draining.discard(response)
        response.close()

    async def _open(self, target: Endpoint, body: bytes | None, connect_s: float) -> ClientResponse:
        session = self._session
        if session is None:
            session = self._session = self._make_session()
        timeout = self._connect_timeouts.get(connect_s)
        if timeout is None:
            timeout = ClientTimeout(connect=connect_s)
            self._connect_timeouts[connect_s] = timeout
        try:
            return await session.request(
                target.method,
                target.url,
                data=body,
                headers=target.headers,
                allow_redirects=False,
                timeout=timeout,
            )
        except aiohttp.ConnectionTimeoutError as error:
            # A TimeoutError by birth; caught here, it is not taken for the attempt's own clock.
            raise connection_failure(error, target.provider) from None

    @staticmethod
    def _make_session() -> ClientSession:
        return ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=DNS_CACHE_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=ClientTimeout(),
            trust_env=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )


class ByteStream:
    """The body of a response, read as it comes, under one lazy timer.

    Until ``answering`` is called the first-byte clock runs; afterwards silence may last ``stall``
    seconds, counted only while somebody waits in ``read`` (a slow reader is not the provider's
    silence). The timer looks at the clock when it fires instead of being set anew at each read.
    """

    __slots__ = (
        "_answering",
        "_drain",
        "_due",
        "_end",
        "_finished",
        "_loop",
        "_loss",
        "_provider",
        "_reader",
        "_response",
        "_stall",
        "_timer",
        "_waiting_since",
        "headers",
        "status",
    )

    def __init__(
        self,
        response: ClientResponse,
        provider: str,
        loop: asyncio.AbstractEventLoop,
        first_at: float,
        stall: float,
        end: float,
        drain: Callable[[ClientResponse], None],
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._reader = response.content
        self._provider = provider
        self._loop = loop
        self._stall = stall
        self._end = end
        self._drain = drain
        self._answering = False
        self._finished = False
        self._due = first_at
        self._waiting_since: float | None = None
        self._loss = LossWatch(response)
        self._timer: asyncio.TimerHandle | None = loop.call_at(first_at, self._check)

    async def read(self) -> bytes:
        """The bytes that have come, waiting for some; empty at the end of the body.

        Raises ``StreamCut``, ``FirstByteTimeout`` or ``StreamStalled``.
        """
        now = self._loop.time()
        if now >= self._end:
            raise _silence(self._provider, self._answering, True)
        self._waiting_since = now
        try:
            return await self._reader.readany()
        except _NETWORK:
            raise body_failure(self._provider) from None
        finally:
            self._waiting_since = None

    async def read_rest(self, max_bytes: int = MAX_ERROR_BYTES) -> bytes:
        """What is left of the body, at most ``max_bytes``, as far as it comes: for error bodies."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < max_bytes and (part := await self.read()):
                parts.append(part)
                size += len(part)
        except ProviderFailure:
            pass
        return b"".join(parts)[:max_bytes]

    def answering(self, stall: float | None = None) -> None:
        """The first meaningful event has come: from now on only silence is timed.

        ``stall`` (seconds) replaces the longest silence, where the answer is already complete and
        only its end mark is missing.
        """
        self._answering = True
        if stall is not None and stall < self._stall:
            self._stall = stall
            if self._timer is not None:
                self._timer.cancel()
                self._timer = self._loop.call_later(stall, self._check)

    def close(self) -> None:
        """Close the connection now, unless the answer was finished or read to its end."""
        self._loss.end()
        if self._finished:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._response.close()

    def finish(self) -> None:
        """The answer is complete: keep the connection if the body ends within a moment."""
        self._finished = True
        self._loss.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._reader.is_eof():
            self._drain(self._response)

    def _check(self) -> None:
        self._timer = None
        now = self._loop.time()
        since = self._waiting_since
        due = now + self._stall if since is None else since + self._stall
        if not self._answering:
            due = self._due
        due = min(due, self._end)
        if due > now:
            self._timer = self._loop.call_at(due, self._check)
        elif since is not None:
            self._reader.set_exception(_silence(self._provider, self._answering, now >= self._end))


def _silence(provider: str, began: bool, deadline: bool) -> ProviderFailure:
    what = "the time for this attempt ended" if deadline else "no sign in time"
    if began:
        return StreamStalled(f"{provider} fell silent in its answer: {what}", provider=provider)
    return FirstByteTimeout(f"{provider} did not begin to answer: {what}", provider=provider)


def connection_failure(error: Exception, provider: str) -> ProviderFailure:
    """What an exception before the response's headers means. Names no address and no key."""
    if isinstance(error, aiohttp.ClientResponseError):
        return MalformedAnswer(f"{provider} did not answer in HTTP", provider=provider)
    reason = "the connection broke before an answer"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        reason = "connecting took too long"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        reason = "its name could not be resolved"
    elif isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        reason = "TLS failed"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = "it could not be connected to"
    return ConnectionFailed(f"{provider}: {reason}", provider=provider)


def body_failure(provider: str) -> ProviderFailure:
    """What an exception inside a response's body means."""
    return StreamCut(f"{provider} broke off its answer", provider=provider)
