"""What needs Google's client for Cloud Storage: imported by the first call, in its thread."""

from __future__ import annotations

import google.auth
import google.auth.iam
import requests
import requests.exceptions
from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    RequestRangeNotSatisfiable,
)
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials, Credentials, Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport import Request
from google.auth.transport import requests as google_requests
from google.cloud.storage import Blob, Bucket, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.fileio import BlobWriter
from google.cloud.storage.retry import DEFAULT_RETRY
from msgspec import Struct

from shared.errors import StoreUnavailable
from shared.storage.blobs import BlobExists, BlobInfo, BlobMissing

__all__ = [
    "FAILURES",
    "Blob",
    "BlobWriter",
    "Bucket",
    "Connection",
    "RequestRangeNotSatisfiable",
    "connect",
    "give_up",
    "info",
    "retrying",
    "translated",
]

# All that Google's client lets out. OSError: sockets, and files of credentials.
FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    InvalidResponse,
    DataCorruption,
    requests.exceptions.RequestException,
    OSError,
)
_GIVE_UP_S = 5.0
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class Connection(Struct, frozen=True):
    """A bucket and who signs its links."""

    bucket: Bucket
    credentials: Credentials
    transport: Request

    def close(self) -> None:
        """Close its sockets."""
        self.bucket.client.close()

    def signer(self) -> Signing:
        """Credentials that can sign: themselves if they hold a key, else by IAM's signBlob."""
        own = self.credentials
        if isinstance(own, Signing):
            return own
        if isinstance(own, AnonymousCredentials):
            return _Unsigned()
        if not own.valid:
            # Only then does Cloud Run's metadata server say which account this is.
            own.refresh(self.transport)  # type: ignore[no-untyped-call]
        email: str | None = getattr(own, "service_account_email", None)
        if not email:
            raise StoreUnavailable("these credentials cannot sign links: no service account")
        return _IamSigning(self.transport, own, email)


class _IamSigning(Signing):
    """Signs by IAM's signBlob as ``email``, which needs serviceAccountTokenCreator on itself."""

    def __init__(self, transport: Request, credentials: Credentials, email: str) -> None:
        self._signer = google.auth.iam.Signer(transport, credentials, email)  # type: ignore[no-untyped-call]
        self._email = email

    def sign_bytes(self, message: bytes) -> bytes:
        """The signature of IAM."""
        signed: bytes = self._signer.sign(message)
        return signed

    @property
    def signer_email(self) -> str:
        """The account."""
        return self._email

    @property
    def signer(self) -> google.auth.iam.Signer:
        """What signs."""
        return self._signer


class _Unsigned(Signing):
    """For an emulator, which looks at no signature and knows no account."""

    def sign_bytes(self, message: bytes) -> bytes:
        """Nothing."""
        return b"\0"

    @property
    def signer_email(self) -> str:
        """Nobody."""
        return "nobody@emulator.invalid"

    @property
    def signer(self) -> None:
        """None."""
        return None


def connect(
    bucket: str,
    project: str | None,
    endpoint: str | None,
    credentials: Credentials | None,
    transport: Request | None,
) -> Connection:
    """A client for one bucket. Google's default credentials, unless there is an emulator."""
    if endpoint is not None and "://" not in endpoint:
        endpoint = f"http://{endpoint}"
    if credentials is None:
        if endpoint is not None:
            credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
        else:
            credentials, _ = google.auth.default(scopes=_SCOPES)
    client = Client(
        project=project or "none",  # only buckets are made in a project
        credentials=credentials,
        client_options={"api_endpoint": endpoint} if endpoint else None,
    )
    # For traces nobody takes, the client would ask for the bucket beside the first call, in a
    # thread of its own; that takes a right (storage.buckets.get) no account here has.
    client._bucket_metadata_cache = None
    client._http.hooks["response"].append(_read_failure)
    return Connection(
        client.bucket(bucket),
        credentials,
        transport or google_requests.Request(),
    )


def _read_failure(response: requests.Response, **_: object) -> None:
    """Read what a refused download says: unread, its connection is lost to the pool."""
    if response.status_code >= 400:
        response.content  # noqa: B018


def retrying(first_wait_s: float, timeout_s: float) -> Retry:
    """Google's own rule of what is retried, within ``timeout_s`` seconds."""
    retry: Retry = DEFAULT_RETRY.with_timeout(timeout_s).with_delay(initial=first_wait_s)
    return retry


def give_up(writer: BlobWriter) -> None:
    """End a resumable upload without a blob.

    ``BlobWriter.terminate`` of 3.17 asks the address where uploads begin, not the one of this
    upload; and a writer left alone completes its blob when it is collected.
    """
    started = writer._upload_and_transport
    writer._buffer.close()
    if started:
        upload, transport = started
        transport.delete(upload.resumable_url, timeout=_GIVE_UP_S)


def info(blob: Blob) -> BlobInfo:
    """What the client knows of an object."""
    return BlobInfo(
        blob.name,
        blob.size,
        blob.content_type or "application/octet-stream",
        str(blob.generation),
        blob.updated.timestamp(),
    )


def translated(error: BaseException, name: str, *, reads: bool) -> Exception:
    """The port's error. ``reads``: the call asked for an object, so 404 and 412 are about it.

    Google's own text stays out: it holds addresses and accounts.
    """
    status = _status(error)
    if reads and status in (404, 412):
        return BlobMissing(f"there is no blob {name}, or no longer that version")
    if status == 412:
        return BlobExists(f"there is a blob {name}")
    reason = f"status {status}" if status else type(error).__name__
    return StoreUnavailable(f"Cloud Storage: {reason}", retry_after=1.0)


def _status(error: BaseException) -> int | None:
    if isinstance(error, GoogleAPICallError):
        return None if error.code is None else int(error.code)
    if isinstance(error, InvalidResponse):
        found: int = error.response.status_code
        return found
    return None
