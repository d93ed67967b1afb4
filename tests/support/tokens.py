"""RS256 tokens and certificates of our own, in place of Google's."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import hmac
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from shared.messages import JsonObject
from tests.support.virtual_time import START_WALL

PROJECT = "codeex-test"
PROJECT_NUMBER = "1234567890"


@functools.cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """The same key for the same name, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def certificate(name: str) -> str:
    """A self-signed PEM certificate of that key."""
    key = private_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def public_key_pem(name: str) -> bytes:
    """The public key alone, as an attacker knows it."""
    return (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def certificates(*names: str) -> bytes:
    """The body Google would send: key id to certificate (the name is the key id)."""
    return json.dumps({name: certificate(name) for name in names}).encode()


def good_claims(
    uid: str = "alice", *, project: str = PROJECT, now: float = START_WALL
) -> JsonObject:
    """Claims as Firebase writes them for somebody who signed in ten minutes ago."""
    return {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "sub": uid,
        "user_id": uid,
        "auth_time": int(now) - 600,
        "iat": int(now) - 600,
        "exp": int(now) + 3000,
        "firebase": {"identities": {}, "sign_in_provider": "password"},
    }


def jwks(*names: str) -> bytes:
    """The key set App Check would publish (the name is the key id)."""
    return json.dumps({"keys": [_jwk(name) for name in names]}).encode()


def _jwk(name: str) -> dict[str, str]:
    numbers = private_key(name).public_key().public_numbers()
    found = {
        part: base64url(value.to_bytes(-(-value.bit_length() // 8), "big"))
        for part, value in (("n", numbers.n), ("e", numbers.e))
    }
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, **found}


def app_claims(*, project: str = PROJECT, now: float = START_WALL) -> JsonObject:
    """Claims of an App Check token that was issued a minute ago for an hour."""
    return {
        "iss": f"https://firebaseappcheck.googleapis.com/{PROJECT_NUMBER}",
        "aud": [f"projects/{PROJECT_NUMBER}", f"projects/{project}"],
        "sub": f"1:{PROJECT_NUMBER}:web:321abc456def",
        "iat": int(now) - 60,
        "exp": int(now) + 3540,
    }


def encode(part: object) -> str:
    """One part of a token: base64url of JSON without padding."""
    return base64url(json.dumps(part).encode())


def base64url(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: object, key: str = "key-1", *, header: JsonObject | None = None) -> str:
    """An RS256 token; ``header`` replaces fields of the usual one (None deletes)."""
    head: JsonObject = {"alg": "RS256", "kid": key, "typ": "JWT", **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    signed = f"{encode(head)}.{encode(claims)}"
    signature = private_key(key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64url(signature)}"


def sign_hs256(claims: object, secret: bytes, key: str = "key-1") -> str:
    """A token signed with HMAC, the public key as its secret: the classic confusion attack."""
    signed = f"{encode({'alg': 'HS256', 'kid': key, 'typ': 'JWT'})}.{encode(claims)}"
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def unsigned(claims: object) -> str:
    """A token as the Auth emulator makes them: alg none, an empty signature."""
    return f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(claims)}."


class FakeKeys:
    """The injected fetch of App Check's key set."""

    def __init__(self, *names: str) -> None:
        self.body = jwks(*(names or ("app-1",)))
        self.failure: Exception | None = None
        self.fetches = 0

    async def __call__(self, url: str) -> tuple[bytes, float]:
        self.fetches += 1
        if self.failure is not None:
            raise self.failure
        return self.body, 3600.0


class FakeCertificates:
    """The injected fetch: serves what ``body`` holds, counts calls, fails when told to."""

    def __init__(self, *names: str, max_age: float = 3600.0) -> None:
        self.body = certificates(*(names or ("key-1",)))
        self.max_age = max_age
        self.urls: list[str] = []
        self.failure: Exception | None = None

    async def __call__(self, url: str) -> tuple[bytes, float]:
        self.urls.append(url)
        if self.failure is not None:
            raise self.failure
        return self.body, self.max_age
