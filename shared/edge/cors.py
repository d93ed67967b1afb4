"""Which pages of other origins may call a function from a browser (contract, Environment:
``ALLOWED_ORIGINS``), by the Fetch standard's CORS protocol.

Callers show a bearer token, never a cookie, so credentials are not allowed to browsers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.types import Send

from shared.edge.asgi import Header, HttpRequest

ANY = "*"
# "http://localhost:*" is that host at any port, or at none.
_ANY_PORT = ":*"
_METHODS: Header = (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE")
# Two hours: the longest Chromium keeps a preflight's answer.
_MAX_AGE: Header = (b"access-control-max-age", b"7200")
_VARY: Header = (b"vary", b"Origin")
# What a page may read of an answer (contract, Environment and Chat).
_EXPOSED: Header = (
    b"access-control-expose-headers",
    b"x-request-id, x-codeex-model, x-codeex-provider, x-ratelimit-limit-requests, "
    b"x-ratelimit-remaining-requests, x-ratelimit-reset-requests, Retry-After, Location, "
    b"Idempotent-Replayed",
)
# A list of header names (RFC 9110, 5.6.2); anything else is not repeated.
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{1,4096}")


class CorsPolicy:
    """Answers the CORS questions of every call. ``origins``: exact ones (``https://app.example``),
    with any port (``http://localhost:*``), or ``*`` for all."""

    __slots__ = ("_any", "_any_port", "_exact")

    def __init__(self, origins: Iterable[str]) -> None:
        plain = {origin.lower().rstrip("/") for origin in origins}
        self._any = ANY in plain
        self._any_port = tuple(
            origin.removesuffix(_ANY_PORT) for origin in plain if origin.endswith(_ANY_PORT)
        )
        self._exact = frozenset(plain)

    def allows(self, origin: str) -> bool:
        """Whether pages of ``origin`` (the header's value) may read answers."""
        origin = origin.lower()
        if self._any or origin in self._exact:
            return True
        for host in self._any_port:
            rest = origin[len(host) :]
            if origin.startswith(host) and (not rest or (rest[0] == ":" and rest[1:].isdigit())):
                return True
        return False

    def headers(self, http: HttpRequest) -> tuple[Header, ...]:
        """The headers of the answer to ``http``; none where no browser page of another origin
        asks, or one that may not read it."""
        origin = http.headers.get(b"origin")
        if origin is None:
            return ()
        if not self.allows(origin.decode("latin-1")):
            return (_VARY,)
        return ((b"access-control-allow-origin", origin), _EXPOSED, _VARY)

    async def preflight(self, http: HttpRequest, send: Send, headers: list[Header]) -> None:
        """Answer a preflight; ``headers`` are those of every answer to it, ``self.headers``
        included. A page that may not call is told so by what is missing."""
        if len(self.headers(http)) > 1:
            headers += (_METHODS, _MAX_AGE)
            asked = http.headers.get(b"access-control-request-headers", b"")
            if _HEADER_NAMES.fullmatch(asked):
                headers.append((b"access-control-allow-headers", asked))
        # 204 has no body and no content-length (RFC 9110, 8.6).
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def is_preflight(http: HttpRequest) -> bool:
    """Whether a browser asks, without any token, if a page may make a call."""
    return (
        http.method == "OPTIONS"
        and b"origin" in http.headers
        and b"access-control-request-method" in http.headers
    )


def hosting_origins(project: str | None) -> tuple[str, ...]:
    """The project's own Hosting sites, which may always call."""
    if not project:
        return ()
    return (f"https://{project}.web.app", f"https://{project}.firebaseapp.com")
