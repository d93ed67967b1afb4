"""Blobs in Cloud Storage, by Google's client (https://cloud.google.com/storage/docs/json_api).

The client is synchronous and its import takes 0.2 s: it is loaded and made by the first call, in
a thread, and every call runs in a few threads of its own. Calls are retried as Google's client does
it, within the call's time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from shared.errors import StoreUnavailable
from shared.storage.blobs import PIECE_BYTES, BlobInfo, BlobMissing, Method

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport import Request

    from shared.storage.gcs_client import Blob, BlobWriter, Bucket, Connection

T = TypeVar("T")
_THREADS = 8
_CONNECT_S = 3.05  # just over a TCP retransmission
_FIRST_WAIT_S = 0.5


class CloudBlobs:
    """Stands behind ``BlobStore``.

    ``endpoint`` is an emulator's address (``STORAGE_EMULATOR_HOST``, with or without ``http://``);
    it is asked without credentials where none are given, as Google's client does. Without it,
    credentials are Google's default ones. ``transport`` carries the requests that sign links.
    ``first_wait_s``: seconds before the first retry.
    """

    __slots__ = (
        "_bucket",
        "_connection",
        "_credentials",
        "_endpoint",
        "_first_wait_s",
        "_lock",
        "_project",
        "_threads",
        "_transport",
    )

    def __init__(
        self,
        bucket: str,
        *,
        project: str | None = None,
        endpoint: str | None = None,
        credentials: Credentials | None = None,
        transport: Request | None = None,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        self._bucket = bucket
        self._project = project
        self._endpoint = endpoint
        self._credentials = credentials
        self._transport = transport
        self._first_wait_s = first_wait_s
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None

    async def put(
        self, name: str, data: bytes, content_type: str, if_absent: bool, timeout_s: float
    ) -> BlobInfo:
        """In one request to 8 MB, above in a resumable upload."""

        def upload(bucket: Bucket) -> BlobInfo:
            from shared.storage.gcs_client import info, retrying

            blob = bucket.blob(name)
            blob.upload_from_string(
                data,
                content_type,
                if_generation_match=0 if if_absent else None,
                timeout=(_CONNECT_S, timeout_s),
                retry=retrying(self._first_wait_s, timeout_s),
            )
            return info(blob)

        return await self._run(name, upload)

    async def put_pieces(
        self,
        name: str,
        pieces: AsyncIterator[bytes],
        content_type: str,
        if_absent: bool,
        timeout_s: float,
    ) -> BlobInfo:
        """A resumable upload, a request for each piece; given up, it leaves nothing."""

        def start(bucket: Bucket) -> tuple[Blob, BlobWriter]:
            from shared.storage.gcs_client import retrying

            blob = bucket.blob(name, chunk_size=PIECE_BYTES)
            writer = blob.open(
                "wb",
                content_type=content_type,
                if_generation_match=0 if if_absent else None,
                timeout=(_CONNECT_S, timeout_s),
                retry=retrying(self._first_wait_s, timeout_s),
            )
            return blob, writer

        blob, writer = await self._run(name, start)
        try:
            async for piece in pieces:
                await self._run(name, lambda _, piece=piece: writer.write(piece))  # type: ignore[misc]
            await self._run(name, lambda _: writer.close())
        except BaseException:
            await asyncio.shield(self._abandon(name, writer))
            raise
        return await self._run(name, lambda _: self._reloaded(blob, timeout_s))

    async def read(
        self, name: str, start: int, end: int | None, etag: str | None, timeout_s: float
    ) -> bytes:
        """A download of these bytes, of one generation where ``etag`` names it."""
        if etag is not None and not (etag.isascii() and etag.isdigit()):
            raise BlobMissing(f"{name} has no version {etag[:40]}")

        def download(bucket: Bucket) -> bytes:
            from shared.storage.gcs_client import RequestRangeNotSatisfiable, retrying

            try:
                found: bytes = bucket.blob(name).download_as_bytes(
                    start=start or (None if end is None else 0),
                    end=None if end is None else end - 1,
                    if_generation_match=None if etag is None else int(etag),
                    timeout=(_CONNECT_S, timeout_s),
                    retry=retrying(self._first_wait_s, timeout_s),
                )
            except RequestRangeNotSatisfiable:
                return b""  # the blob is shorter
            return found

        return await self._run(name, download, reads=True)

    async def stat(self, name: str, timeout_s: float) -> BlobInfo:
        """The object's metadata."""
        return await self._run(
            name, lambda bucket: self._reloaded(bucket.blob(name), timeout_s), reads=True
        )

    async def delete(self, name: str, timeout_s: float) -> None:
        """Deletes the object."""

        def delete(bucket: Bucket) -> None:
            from shared.storage.gcs_client import retrying

            retry = retrying(self._first_wait_s, timeout_s)
            bucket.blob(name).delete(timeout=(_CONNECT_S, timeout_s), retry=retry)

        try:
            await self._run(name, delete, reads=True)
        except BlobMissing:
            return

    async def list(
        self, prefix: str, start_after: str, limit: int, timeout_s: float
    ) -> list[BlobInfo]:
        """Pages of the bucket's list."""

        def collect(bucket: Bucket) -> list[BlobInfo]:
            from shared.storage.gcs_client import info, retrying

            page = bucket.list_blobs(
                prefix=prefix or None,
                start_offset=start_after or None,  # finds the name itself too
                max_results=limit + 1,
                fields="items(name,size,contentType,generation,updated),nextPageToken",
                timeout=(_CONNECT_S, timeout_s),
                retry=retrying(self._first_wait_s, timeout_s),
            )
            return [info(blob) for blob in page if blob.name != start_after][:limit]

        return await self._run(prefix, collect)

    async def signed_url(
        self, name: str, expires_s: int, method: Method, content_type: str | None, timeout_s: float
    ) -> str:
        """A V4 link. On Cloud Run there is no key to sign with: IAM's signBlob does it."""

        def sign(bucket: Bucket) -> str:
            made: str = bucket.blob(name).generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=expires_s),
                method=method,
                content_type=content_type,
                credentials=self._connected().signer(),
            )
            return made

        return await self._run(name, sign)

    async def close(self) -> None:
        """End the threads and connections; a later call makes them anew."""
        threads, self._threads = self._threads, None
        connection, self._connection = self._connection, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        if connection is not None:
            connection.close()

    async def _run(self, name: str, work: Callable[[Bucket], T], *, reads: bool = False) -> T:
        """``work`` in a thread; what Google's client raises becomes the port's errors."""

        def run() -> T:
            from shared.storage.gcs_client import FAILURES, translated

            try:
                return work(self._connected().bucket)
            except FAILURES as error:
                raise translated(error, name, reads=reads) from None

        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "cloud-storage")
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _connected(self) -> Connection:
        from shared.storage.gcs_client import connect

        with self._lock:
            if self._connection is None:
                self._connection = connect(
                    self._bucket,
                    self._project,
                    self._endpoint,
                    self._credentials,
                    self._transport,
                )
            return self._connection

    def _reloaded(self, blob: Blob, timeout_s: float) -> BlobInfo:
        from shared.storage.gcs_client import info, retrying

        retry = retrying(self._first_wait_s, timeout_s)
        blob.reload(timeout=(_CONNECT_S, timeout_s), retry=retry)
        return info(blob)

    async def _abandon(self, name: str, writer: BlobWriter) -> None:
        def give_up(_: Bucket) -> None:
            from shared.storage.gcs_client import give_up

            give_up(writer)

        try:
            await self._run(name, give_up)
        except StoreUnavailable:
            return  # Cloud Storage forgets an unfinished upload after a week
