"""The public keys App Check signs with, out of their JWKS (RFC 7517)."""

from __future__ import annotations

import base64
from collections.abc import Callable

import orjson

from shared.edge.certificates import Verifier

# https://firebase.google.com/docs/app-check/custom-resource-backend (other languages)
JWKS_URL = "https://firebaseappcheck.googleapis.com/v1/jwks"


def read_jwks(body: bytes) -> dict[str, Verifier]:
    """Key id to verifier of every RSA key. Raises ``ValueError`` for anything but a key set with
    such a key in it."""
    # As heavy as google-auth, and like it only there once a token has to be judged.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
    from google.auth import crypt

    loaded = orjson.loads(body)
    keys = loaded.get("keys") if isinstance(loaded, dict) else None
    if not isinstance(keys, list):
        raise ValueError("expected a key set")
    build: Callable[[RSAPublicKey], Verifier] = crypt.RSAVerifier
    verifiers: dict[str, Verifier] = {}
    for key in keys:
        if not isinstance(key, dict) or key.get("kty") != "RSA":
            continue
        key_id = key.get("kid")
        if not isinstance(key_id, str):
            raise ValueError("expected keys with ids")
        numbers = RSAPublicNumbers(_number(key.get("e")), _number(key.get("n")))
        verifiers[key_id] = build(numbers.public_key())
    if not verifiers:
        raise ValueError("expected an RSA key")
    return verifiers


def _number(value: object) -> int:
    """A base64url number. Raises ``ValueError``."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected a number")
    return int.from_bytes(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), "big")
