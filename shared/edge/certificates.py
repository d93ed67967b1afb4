"""Google's signing certificates for Firebase ID tokens, and its keys for App Check tokens: fetched
when first needed, kept as long as their Cache-Control says, renewed before they expire.

The network is injected, so tests sign with certificates of their own.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson

from shared.clock import Clock
from shared.errors import StoreUnavailable

# https://firebase.google.com/docs/auth/admin/verify-id-tokens (third-party verification)
CERTIFICATES_URL = (
    "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
)
# Google says about six hours; what is told is held within these bounds, in seconds.
MIN_AGE_S = 60.0
MAX_AGE_S = 86_400.0
# Renewal is due when this share of the age has passed.
RENEW_AT = 0.9
# After a failed fetch, seconds until the next one may begin.
RETRY_S = 10.0
# A key id nobody knows may be a forgery or a key rotated in early: one fetch a minute for these.
UNKNOWN_KEY_S = 60.0
# Certificates that could not be renewed serve this much longer, in seconds; Google announces a new
# key long before it signs with it, so an outage of this length does no harm.
STALE_S = 86_400.0

Fetch = Callable[[str], Awaitable[tuple[bytes, float]]]
"""``await fetch(url)`` gives the body and the seconds it may be cached; raises
``CertificatesUnavailable`` (or ``OSError``, which timeouts are too) where it cannot."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


class CertificatesUnavailable(Exception):
    """The certificates could not be fetched."""


class Verifier(Protocol):
    """google-auth's verifier of one key."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's RS256 signature of ``message``."""
        ...


Read = Callable[[bytes], dict[str, Verifier]]
"""Key id to verifier; raises ``ValueError``."""


def max_age_seconds(cache_control: str | None) -> float:
    """The ``max-age`` of a Cache-Control header in seconds; 0 where it tells none."""
    if cache_control is None or "no-store" in cache_control.lower():
        return 0.0
    told = _MAX_AGE.search(cache_control)
    return float(told[1]) if told else 0.0


class CertificateSource:
    """The current certificates by key id. One fetch runs at a time, whoever waits for it.

    ``read`` makes verifiers of what ``url`` answers, or raises ``ValueError``. ``judged``: what is
    checked with them, in words.
    """

    def __init__(
        self,
        fetch: Fetch,
        clock: Clock,
        url: str = CERTIFICATES_URL,
        *,
        read: Read | None = None,
        judged: str = "sign-in tokens",
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._url = url
        self._read = read or read_certificates
        self._judged = judged
        self._verifiers: dict[str, Verifier] = {}
        self._renew_at = float("-inf")  # readings of clock.monotonic, all four
        self._useless_at = float("-inf")
        self._retry_at = float("-inf")
        self._unknown_at = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._log = logging.getLogger("codeex.identity")

    async def verifier(self, key_id: str) -> Verifier | None:
        """The verifier of one key, None where Google has no such key.

        Waits for the network only without usable certificates or for an unknown key. Raises
        ``StoreUnavailable`` (503 with ``retry_after``) while there are no certificates to judge by.
        """
        now = self._clock.monotonic()
        if now >= self._renew_at:
            running = self._begin(now)
            if now >= self._useless_at:
                if running is not None:
                    await asyncio.shield(running)
                if self._clock.monotonic() >= self._useless_at:
                    raise StoreUnavailable(
                        f"{self._judged} cannot be checked right now: try again in a few seconds",
                        retry_after=RETRY_S,
                    )
        if key_id not in self._verifiers and now >= self._unknown_at:
            self._unknown_at = now + UNKNOWN_KEY_S
            running = self._begin(now)
            if running is not None:
                await asyncio.shield(running)
        return self._verifiers.get(key_id)

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _begin(self, now: float) -> asyncio.Task[None] | None:
        """The running fetch, or a new one; None while the last failure is too recent."""
        if self._running is None and now >= self._retry_at:
            # A task of its own: the caller that started it may leave, others wait for it too.
            self._running = asyncio.create_task(self._renew())
        return self._running

    async def _renew(self) -> None:
        try:
            body, max_age = await self._fetch(self._url)
            verifiers = self._read(body)
        except (CertificatesUnavailable, OSError, ValueError) as error:
            self._retry_at = self._clock.monotonic() + RETRY_S
            self._log.warning(
                "keys for %s not renewed: %s %s", self._judged, type(error).__name__, error
            )
        else:
            now = self._clock.monotonic()
            age = min(max(max_age, MIN_AGE_S), MAX_AGE_S)
            self._renew_at = now + age * RENEW_AT
            self._useless_at = now + age + STALE_S
            self._unknown_at = now + UNKNOWN_KEY_S
            self._verifiers = verifiers
        finally:
            self._running = None


def read_certificates(body: bytes) -> dict[str, Verifier]:
    """Key id to verifier. Raises ``ValueError`` for anything but an object of PEM certificates."""
    # 50 ms to import: only once a signed token has to be judged.
    from google.auth import crypt

    loaded = orjson.loads(body)
    if not isinstance(loaded, dict) or not loaded:
        raise ValueError("expected an object of certificates")
    build: Callable[[str], Verifier] = crypt.RSAVerifier.from_string
    verifiers: dict[str, Verifier] = {}
    for key_id, pem in loaded.items():
        if not isinstance(pem, str) or "-----BEGIN CERTIFICATE-----" not in pem:
            raise ValueError("expected PEM certificates")
        verifiers[key_id] = build(pem)
    return verifiers
