"""Blobs in a folder: for one machine, any number of processes.

Each blob is one file that begins with a line about itself, so that content, type and version
change in one rename. It is written under ``partial/`` and moved when it is on the disk: a process
killed at any moment leaves the old blob or the new one, and at most a partial file that is swept
later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote

from msgspec import Struct

from shared.clock import Clock, SystemClock
from shared.errors import StoreUnavailable
from shared.storage.blobs import BlobExists, BlobInfo, BlobMissing, Method
from shared.storage.blobs_links import SECRET_BYTES, LinkSigner

T = TypeVar("T")
FOLDER = "blobs"
_HEAD_LIMIT = 1_024  # bytes of the first line
# Lower case only: some file systems take A and a for the same. No dot: none is ever a way up.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_SEGMENT_LIMIT = 200  # bytes of a file's name, of 255
_FILE, _MORE = "%f", "%+"  # no quoted text ends so: after % come two hexadecimal digits
_ABANDONED_S = 86_400.0
_ATTEMPTS = 20


class _Head(Struct, frozen=True):
    """The first line of a file, and how long it is."""

    content_type: str
    etag: str
    size: int


class FolderBlobs:
    """Stands behind ``BlobStore``. All is kept below ``<data_dir>/blobs``, made when needed.

    Links lead to ``base_url`` (``http://127.0.0.1:8080``; empty: links are paths) and are served
    by whoever asks ``links``. The secret that signs them is kept beside the blobs, so links of one
    process hold in the next.
    """

    __slots__ = ("_base_url", "_clock", "_links", "_objects", "_partial", "_root", "_swept")

    def __init__(self, data_dir: Path, *, base_url: str = "", clock: Clock | None = None) -> None:
        self._root = data_dir / FOLDER
        self._objects = self._root / "objects"
        self._partial = self._root / "partial"
        self._base_url = base_url
        self._clock: Clock = clock or SystemClock()
        self._links: LinkSigner | None = None
        self._swept = False

    async def put(
        self, name: str, data: bytes, content_type: str, if_absent: bool, timeout_s: float
    ) -> BlobInfo:
        """Write a blob at once."""

        def write() -> BlobInfo:
            with self._new_file(content_type) as (file, etag):
                file.write(data)
                return self._publish(file, name, content_type, etag, if_absent)

        return await _in_thread(write)

    async def put_pieces(
        self,
        name: str,
        pieces: AsyncIterator[bytes],
        content_type: str,
        if_absent: bool,
        timeout_s: float,
    ) -> BlobInfo:
        """Write a blob piece by piece."""
        with contextlib.ExitStack() as stack:
            file, etag = await _in_thread(lambda: stack.enter_context(self._new_file(content_type)))
            async for piece in pieces:
                await _in_thread(lambda piece=piece: file.write(piece))  # type: ignore[misc]
            return await _in_thread(
                lambda: self._publish(file, name, content_type, etag, if_absent)
            )

    async def read(
        self, name: str, start: int, end: int | None, etag: str | None, timeout_s: float
    ) -> bytes:
        """Bytes of one version: the file stays what it was when opened."""

        def read() -> bytes:
            with self._opened(name) as (file, head):
                if etag is not None and etag != head.etag:
                    raise BlobMissing(f"{name} is no longer the version asked for")
                file.seek(head.size + start)
                return file.read(-1 if end is None else end - start)

        return await _in_thread(read)

    async def stat(self, name: str, timeout_s: float) -> BlobInfo:
        """What its first line and the file system say."""
        return await _in_thread(lambda: self._stat(name))

    async def delete(self, name: str, timeout_s: float) -> None:
        """Take the file away, and the folders it leaves empty."""

        def remove() -> None:
            path = self.path_of(name)
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._objects:
                    break
                try:
                    folder.rmdir()
                except OSError:
                    break  # not empty, or another process was first

        await _in_thread(remove)

    async def list(
        self, prefix: str, start_after: str, limit: int, timeout_s: float
    ) -> list[BlobInfo]:
        """Walks the folders that ``prefix`` leads to."""

        def walk() -> list[BlobInfo]:
            *folders, _ = prefix.split("/")
            top = self._objects.joinpath(*(_quoted(each) for each in folders if each))
            names = sorted(
                name for name in self._names(top) if name.startswith(prefix) and name > start_after
            )
            found: list[BlobInfo] = []
            for name in names:
                with contextlib.suppress(BlobMissing):  # taken away in between
                    found.append(self._stat(name))
                if len(found) == limit:
                    break
            return found

        return await _in_thread(walk)

    async def signed_url(
        self, name: str, expires_s: int, method: Method, content_type: str | None, timeout_s: float
    ) -> str:
        """A link to the local address."""
        return (await self.links()).link(name, expires_s, method, content_type)

    async def links(self) -> LinkSigner:
        """Who made this folder's links, in whatever process, and can tell whether one holds."""
        if self._links is None:
            secret = await _in_thread(self._secret)
            self._links = LinkSigner(secret, self._clock, self._base_url)
        return self._links

    async def close(self) -> None:
        """Nothing is held."""

    def path_of(self, name: str) -> Path:
        """The file of a blob."""
        *folders, last = name.split("/")
        return self._objects.joinpath(*map(_quoted, folders), _quoted(last) + _FILE)

    def _names(self, top: Path) -> Iterator[str]:
        for folder, _, files in os.walk(top):
            relative = os.path.relpath(folder, self._objects)
            for file in files:
                if file.endswith(_FILE):
                    whole = file if relative == "." else f"{relative}/{file}"
                    yield _name_of(whole.replace(os.sep, "/"))

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[tuple[BinaryIO, _Head]]:
        try:
            file = self.path_of(name).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise BlobMissing(f"there is no blob {name}") from None
        with file:
            line = file.readline(_HEAD_LIMIT)
            try:
                head = json.loads(line)
                known = _Head(head["type"], head["etag"], len(line))
            except (ValueError, KeyError, TypeError):
                raise StoreUnavailable(f"the file of the blob {name} is damaged") from None
            yield file, known

    def _stat(self, name: str) -> BlobInfo:
        with self._opened(name) as (file, head):
            status = os.fstat(file.fileno())
            size = status.st_size - head.size
            return BlobInfo(name, size, head.content_type, head.etag, status.st_mtime)

    @contextlib.contextmanager
    def _new_file(self, content_type: str) -> Iterator[tuple[BinaryIO, str]]:
        """A file to fill; it goes unless it was published."""
        _make_folder(self._partial)
        self._sweep()
        etag = secrets.token_hex(8)
        path = self._partial / secrets.token_hex(16)
        try:
            with path.open("xb") as file:
                file.write(_first_line(content_type, etag))
                yield file, etag
        finally:
            path.unlink(missing_ok=True)

    def _publish(
        self, file: BinaryIO, name: str, content_type: str, etag: str, if_absent: bool
    ) -> BlobInfo:
        file.flush()
        os.fsync(file.fileno())
        status = os.fstat(file.fileno())
        size = status.st_size - len(_first_line(content_type, etag))
        _move(Path(file.name), self.path_of(name), if_absent)
        return BlobInfo(name, size, content_type, etag, status.st_mtime)

    def _sweep(self) -> None:
        """Once per process: what a killed process left half written a day ago or more."""
        if self._swept:
            return
        self._swept = True
        for path in self._partial.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < self._clock.wall() - _ABANDONED_S:
                    path.unlink(missing_ok=True)

    def _secret(self) -> bytes:
        """The folder's secret; the first process to need it makes it."""
        path = self._root / "secret"
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        _make_folder(self._partial)
        made = self._partial / secrets.token_hex(16)
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(BlobExists):
            _move(made, path, if_absent=True)
        made.unlink(missing_ok=True)
        return path.read_bytes()


def _first_line(content_type: str, etag: str) -> bytes:
    return json.dumps({"type": content_type, "etag": etag}).encode() + b"\n"


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreUnavailable(f"the folder of blobs: {reason}", retry_after=1.0) from None


def _quoted(segment: str) -> str:
    """A segment as it stands on disk; a long one becomes folders in each other."""
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in segment.encode())
    pieces = [text[i : i + _SEGMENT_LIMIT] for i in range(0, len(text), _SEGMENT_LIMIT)]
    return f"{_MORE}/".join(pieces)


def _name_of(path: str) -> str:
    return unquote(path.removesuffix(_FILE).replace(f"{_MORE}/", ""))


def _move(source: Path, target: Path, if_absent: bool) -> None:
    """Give a finished file its place. Another process may take away the folder in between."""
    for attempt in range(_ATTEMPTS):
        _make_folder(target.parent)
        try:
            if if_absent:
                os.link(source, target)
            else:
                os.replace(source, target)
        except FileExistsError:
            raise BlobExists("there is a blob of that name") from None
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        break
    with contextlib.suppress(FileNotFoundError):  # deleted again, folder and all
        _sync(target.parent)


def _make_folder(path: Path) -> None:
    """A folder with all above it, each known to the disk."""
    while not path.is_dir():
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except FileNotFoundError:
            _make_folder(path.parent)
            continue
        with contextlib.suppress(FileNotFoundError):
            _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
