"""Blobs: the one door to whatever is too large for a document, in Cloud Storage or in a folder.

A blob is written whole, appears at once and is never seen half written. Every call ends in a result
or in ``BlobMissing``, ``BlobExists``, ``errors.InvalidArgument`` (a fault of the calling code) or
``shared.errors.StoreUnavailable``; a write that ended in the last may have been made or not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from typing import Literal, Protocol

from msgspec import Struct

from shared.storage.budget import Within
from shared.storage.errors import InvalidArgument

TIMEOUT_S = 60.0
PIECE_BYTES = 4 * 2**20
"""How much of a stream is held at once; Cloud Storage wants a multiple of 256 KiB."""
NAME_LIMIT = 700  # bytes; Cloud Storage takes 1,024, a path on disk needs room to quote them
EXPIRES_LIMIT_S = (
    604_800  # https://cloud.google.com/storage/docs/access-control/signed-urls: 7 days
)
LIST_LIMIT = 1_000  # blobs in one answer, as Cloud Storage
Method = Literal["GET", "PUT"]
_TYPE = re.compile(r"[a-zA-Z0-9.+_-]{1,100}/[a-zA-Z0-9.+_-]{1,100}(;[\x20-\x7e]{1,100})?")


class BlobMissing(Exception):
    """There is no blob of that name, or no longer the version asked for."""


class BlobExists(Exception):
    """``if_absent`` found a blob. After a lost answer it can be the caller's own."""


class BlobInfo(Struct, frozen=True):
    """What is known of a blob. ``size`` in bytes, ``updated`` in Unix seconds.

    ``etag`` names this very content: a blob written again, even with the same bytes, has another.
    """

    name: str
    size: int
    content_type: str
    etag: str
    updated: float


class BlobBackend(Protocol):
    """Where blobs are. What arrives here is checked; only the port's errors leave."""

    async def put(
        self, name: str, data: bytes, content_type: str, if_absent: bool, timeout_s: float
    ) -> BlobInfo:
        """Write a blob at once."""
        ...

    async def put_pieces(
        self,
        name: str,
        pieces: AsyncIterator[bytes],
        content_type: str,
        if_absent: bool,
        timeout_s: float,
    ) -> BlobInfo:
        """Write a blob of ``PIECE_BYTES`` each, the last may be shorter. No end, no blob."""
        ...

    async def read(
        self, name: str, start: int, end: int | None, etag: str | None, timeout_s: float
    ) -> bytes:
        """Bytes from ``start`` to before ``end`` (None: the end), as far as there are any."""
        ...

    async def stat(self, name: str, timeout_s: float) -> BlobInfo:
        """What is known of it."""
        ...

    async def delete(self, name: str, timeout_s: float) -> None:
        """Take it away, or nothing where there is none."""
        ...

    async def list(
        self, prefix: str, start_after: str, limit: int, timeout_s: float
    ) -> list[BlobInfo]:
        """Blobs whose names begin so and come after ``start_after``, in the order of names."""
        ...

    async def signed_url(
        self, name: str, expires_s: int, method: Method, content_type: str | None, timeout_s: float
    ) -> str:
        """A link that needs no other right."""
        ...

    async def close(self) -> None:
        """Let connections go; a later call makes them anew."""
        ...


class BlobStore:
    """Checks what is asked, counts it (``operations``, by method) and hands it on.

    ``timeout_s`` bounds each call; past it the call ends in ``StoreUnavailable``.
    """

    __slots__ = ("_backend", "operations")

    def __init__(self, backend: BlobBackend) -> None:
        self._backend = backend
        self.operations: Counter[str] = Counter()

    async def put(
        self,
        name: str,
        data: bytes | AsyncIterable[bytes],
        content_type: str,
        *,
        if_absent: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> BlobInfo:
        """Write a blob, in place of an older one. Raises ``BlobExists``.

        What a stream raises, this raises, and nothing is written.
        """
        check_name(name)
        if not _TYPE.fullmatch(content_type):
            raise InvalidArgument(f"{content_type!r} is no content type")
        self.operations["put"] += 1
        async with Within(timeout_s):
            if not isinstance(data, bytes):
                async with aclosing(regrouped(data, PIECE_BYTES)) as pieces:
                    first = await anext(pieces, b"")
                    if len(first) == PIECE_BYTES:
                        return await self._backend.put_pieces(
                            name, _with_first(first, pieces), content_type, if_absent, timeout_s
                        )
                data = first
            return await self._backend.put(name, data, content_type, if_absent, timeout_s)

    async def get(
        self, name: str, *, if_etag: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> bytes:
        """The whole blob, into memory. Raises ``BlobMissing``."""
        check_name(name)
        self.operations["get"] += 1
        async with Within(timeout_s):
            return await self._backend.read(name, 0, None, if_etag, timeout_s)

    async def get_range(
        self,
        name: str,
        start: int,
        end: int,
        *,
        if_etag: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """Bytes ``start`` to before ``end``; fewer or none where the blob is shorter.

        With ``if_etag`` those of that version only. Raises ``BlobMissing``.
        """
        check_name(name)
        if not 0 <= start < end:
            raise InvalidArgument(f"bytes {start} to {end} are no range")
        self.operations["get"] += 1
        async with Within(timeout_s):
            return await self._backend.read(name, start, end, if_etag, timeout_s)

    async def stat(self, name: str, *, timeout_s: float = TIMEOUT_S) -> BlobInfo:
        """Size, type and version. Raises ``BlobMissing``."""
        check_name(name)
        self.operations["stat"] += 1
        async with Within(timeout_s):
            return await self._backend.stat(name, timeout_s)

    async def delete(self, name: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Take a blob away; one that is not there is fine."""
        check_name(name)
        self.operations["delete"] += 1
        async with Within(timeout_s):
            await self._backend.delete(name, timeout_s)

    async def list(
        self,
        prefix: str = "",
        *,
        start_after: str = "",
        limit: int = LIST_LIMIT,
        timeout_s: float = TIMEOUT_S,
    ) -> list[BlobInfo]:
        """Up to ``limit`` (1,000) blobs whose names begin with ``prefix``, in the order of names.

        The last name found, as ``start_after``, leads to the next.
        """
        _check_text(prefix)
        _check_text(start_after)
        if not 1 <= limit <= LIST_LIMIT:
            raise InvalidArgument(f"a list has 1 to {LIST_LIMIT} blobs, not {limit}")
        self.operations["list"] += 1
        async with Within(timeout_s):
            return await self._backend.list(prefix, start_after, limit, timeout_s)

    async def signed_url(
        self,
        name: str,
        expires_s: int,
        method: Method = "GET",
        *,
        content_type: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> str:
        """A link good for ``expires_s`` seconds (7 days at most), whether the blob exists or not.

        With ``content_type``, a PUT must carry just that ``Content-Type``.
        """
        check_name(name)
        if not 1 <= expires_s <= EXPIRES_LIMIT_S:
            raise InvalidArgument(f"a link lives 1 to {EXPIRES_LIMIT_S} s, not {expires_s}")
        if content_type is not None and (method != "PUT" or not _TYPE.fullmatch(content_type)):
            raise InvalidArgument(f"{method} with {content_type!r}: a link for PUT names a type")
        self.operations["signed_url"] += 1
        async with Within(timeout_s):
            return await self._backend.signed_url(name, expires_s, method, content_type, timeout_s)

    async def close(self) -> None:
        """Let connections go; a later call makes them anew."""
        await self._backend.close()


def check_name(name: str) -> None:
    """Raise ``InvalidArgument`` unless ``name`` is segments joined by ``/``.

    Printable text, no segment empty, ``.`` or ``..``, 700 bytes in all: what every store takes and
    no path can be made of that leads elsewhere.
    """
    _check_text(name)
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise InvalidArgument(f"{name[:200]!r} cannot name a blob: a segment is empty or dots")
    if name.startswith(".well-known/"):
        raise InvalidArgument("Cloud Storage keeps names below .well-known/ for itself")


def _check_text(text: str) -> None:
    # Printable also means: no lone surrogate, so encoding cannot fail.
    if not text.isprintable():
        raise InvalidArgument(f"{text[:200]!r}: names of blobs are printable text")
    if len(text.encode()) > NAME_LIMIT:
        raise InvalidArgument(f"a blob's name of more than {NAME_LIMIT} bytes")


async def regrouped(parts: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The same bytes in pieces of ``size``, the last one shorter; none for an empty stream."""
    held = bytearray()
    async for part in parts:
        held += part
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
