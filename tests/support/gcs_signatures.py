"""V4 signed links, checked as Cloud Storage checks them, and IAM's signBlob that signs them.

https://cloud.google.com/storage/docs/authentication/signatures and .../canonical-requests.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote, urlsplit, urlunsplit

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from google.auth.credentials import Credentials
from google.auth.transport import Request, Response
from google.auth.transport import requests as google_requests

ACCOUNT = "media@demo-test.iam.gserviceaccount.com"
TOKEN = "an-access-token"


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class SigningKey:
    """The key Google holds for an account."""

    def sign_blob(self, path: str, body: Mapping[str, str]) -> dict[str, str]:
        """The answer of ``projects.serviceAccounts.signBlob``."""
        assert path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:signBlob", path
        message = base64.b64decode(body["payload"])
        signed = _private_key().sign(message, padding.PKCS1v15(), SHA256())
        return {"keyId": "k1", "signedBlob": base64.b64encode(signed).decode()}

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether it was made by this key."""
        try:
            _private_key().public_key().verify(signature, message, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


class CloudRunCredentials(Credentials):
    """As on Cloud Run: a token and no key; the account is known once the token was fetched."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.service_account_email = "default"

    def refresh(self, request: Request) -> None:
        """Fetch the token, here from nowhere."""
        self.token = TOKEN
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
        self.service_account_email = ACCOUNT


class RedirectedTransport(google_requests.Request):
    """Carries every request to one server, whatever host it names. ``hosts`` are those named."""

    def __init__(self, server_url: str) -> None:
        super().__init__()
        self._server = urlsplit(server_url)
        self.hosts: list[str] = []

    def __call__(  # type: ignore[override]
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5,
    ) -> Response:
        """Send it there."""
        asked = urlsplit(url)
        self.hosts.append(asked.netloc)
        there = urlunsplit((self._server.scheme, self._server.netloc, asked.path, asked.query, ""))
        answer: Response = super().__call__(there, method, body, headers, timeout)  # type: ignore[no-untyped-call]
        return answer


def signed_link_problem(request: web.Request, key: SigningKey, now: datetime) -> str:
    """What is wrong with the link a request came by; empty where nothing is."""
    query = {name: value for name, value in request.query.items() if name != "X-Goog-Signature"}
    signature = request.query.get("X-Goog-Signature", "")
    if query.get("X-Goog-Algorithm") != "GOOG4-RSA-SHA256" or not signature:
        return "no signature"
    signed = query["X-Goog-SignedHeaders"].split(";")
    if "host" not in signed:
        return "the host is not signed"
    canonical_query = "&".join(
        sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query.items())
    )
    headers = "".join(f"{name}:{request.headers.get(name, '')}\n" for name in signed)
    canonical = "\n".join(
        [
            request.method,
            request.rel_url.raw_path,
            canonical_query,
            headers,
            ";".join(signed),
            "UNSIGNED-PAYLOAD",
        ]
    )
    account, scope = query["X-Goog-Credential"].split("/", 1)
    date = query["X-Goog-Date"]
    if account != ACCOUNT or scope != f"{date[:8]}/auto/storage/goog4_request":
        return "wrong credential scope"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    message = "\n".join(["GOOG4-RSA-SHA256", date, scope, digest])
    if not key.verify(bytes.fromhex(signature), message.encode()):
        return "SignatureDoesNotMatch"
    made = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if now >= made + timedelta(seconds=int(query["X-Goog-Expires"])):
        return "the link has expired"
    return ""
