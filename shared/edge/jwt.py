"""Signed tokens as Google writes them (RFC 7519, RS256): read strictly, checked, and remembered.

What a token must claim is its reader's business (``firebase_tokens.py``, ``app_check.py``).
"""

from __future__ import annotations

import binascii
import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

import orjson
from msgspec import Struct

from shared.edge.certificates import CertificateSource
from shared.messages import JsonObject, JsonValue

# A Firebase ID token has about 1 KB, with 1,000 bytes of custom claims at most 3; an App Check
# token about 1.
MAX_TOKEN_CHARS = 8192
# Seconds by which our clock and Google's may differ.
CLOCK_SKEW_S = 5
# Remembered tokens, about 0.4 KB each.
MAX_REMEMBERED = 10_000

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
T = TypeVar("T")


class Jwt(Struct, frozen=True):
    """The parts of a token. ``signed`` is what the signature is of."""

    header: JsonObject
    claims: JsonObject
    signed: bytes
    signature: bytes


def parse(token: bytes) -> Jwt:
    """The token's parts. Raises ``ValueError`` for a wrong number of them, base64 or JSON."""
    head, payload, signature = token.split(b".")
    return Jwt(_segment(head), _segment(payload), head + b"." + payload, _decode(signature))


async def signature_fault(jwt: Jwt, keys: CertificateSource) -> str | None:
    """What is wrong with the signature, for the log; None: it is RS256 by one of ``keys``.

    The header's ``alg`` chooses nothing: it must say RS256. Raises ``StoreUnavailable`` while the
    keys cannot be had.
    """
    header = jwt.header
    key_id = header.get("kid")
    if header.get("alg") != "RS256" or "crit" in header or not isinstance(key_id, str):
        return "another kind of signature"
    verifier = await keys.verifier(key_id)
    if verifier is None:
        return "unknown key"
    return None if verifier.verify(jwt.signed, jwt.signature) else "forged"


def unix_time(value: JsonValue) -> float | None:
    """A Unix time in seconds, None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


class Remembered(Generic[T]):
    """What tokens that passed stand for, under their SHA-256, until they expire.

    The tokens themselves are kept nowhere. Who was not seen for longest goes first.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[T, float]] = OrderedDict()

    @staticmethod
    def key(token: bytes) -> bytes:
        """Under what a token is remembered."""
        return hashlib.sha256(token).digest()

    def get(self, key: bytes, now: float) -> T | None:
        """What was put under ``key``, unless it has expired at ``now`` (Unix seconds)."""
        found = self._kept.get(key)
        if found is None:
            return None
        if now >= found[1]:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: bytes, value: T, expires: float) -> None:
        """Remember ``value`` until ``expires`` (Unix seconds)."""
        self._kept[key] = (value, expires)
        if len(self._kept) > MAX_REMEMBERED:
            self._kept.popitem(last=False)

    def values(self) -> list[T]:
        """All of them, least recently used first."""
        return [value for value, _ in self._kept.values()]


def _segment(part: bytes) -> JsonObject:
    """The JSON object of one part of a token. Raises ``ValueError``."""
    loaded = orjson.loads(_decode(part))
    if not isinstance(loaded, dict):
        raise ValueError("not an object")
    return loaded


def _decode(part: bytes) -> bytes:
    """Base64url without padding, strictly. Raises ``ValueError``."""
    if b"+" in part or b"/" in part or b"=" in part:
        raise ValueError("not base64url")
    padded = part.translate(_URL_SAFE) + b"=" * (-len(part) % 4)
    return binascii.a2b_base64(padded, strict_mode=True)
