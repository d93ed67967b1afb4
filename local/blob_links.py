"""Serves the links of a folder of blobs: GET, HEAD and PUT of ``/blobs/{name}``.

The link is the only right there is; whoever has none learns nothing, not even what exists.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from shared.errors import CodeexError
from shared.storage.blobs import BlobInfo, BlobMissing, BlobStore
from shared.storage.blobs_folder import FolderBlobs
from shared.storage.blobs_links import PATH
from shared.storage.errors import InvalidArgument

_STEP = 2**20  # bytes sent at a time
_UPLOAD_TIMEOUT_S = 3_600.0
_RANGE = re.compile(r"bytes=(\d{1,15})?-(\d{1,15})?")
# What is stored came from users and models: a page among it must not act in this address's name.
_GUARDED = {
    "content-security-policy": "sandbox",
    "x-content-type-options": "nosniff",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag, content-range",
}


class BlobLinks:
    """The ASGI application of ``/blobs/``."""

    def __init__(self, folder: FolderBlobs) -> None:
        self._folder = folder
        self._store = BlobStore(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method: str = scope["method"]
        name = scope["path"].removeprefix(PATH)
        headers = {key.decode(): value.decode("latin-1") for key, value in scope["headers"]}
        if method == "OPTIONS":
            allowed = {"access-control-allow-methods": "GET, HEAD, PUT"}
            allowed["access-control-allow-headers"] = "content-type, range"
            await _answer(send, 204, allowed)
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        links = await self._folder.links()
        if not links.allows(method, name, query, headers.get("content-type")):
            await _answer(send, 403, {}, b"This link is wrong or no longer valid.\n")
            return
        try:
            if method == "PUT":
                kind = headers.get("content-type", "application/octet-stream")
                info = await self._store.put(
                    name, _body(receive), kind, timeout_s=_UPLOAD_TIMEOUT_S
                )
                await _answer(send, 200, {"etag": f'"{info.etag}"'})
            else:
                await self._send_blob(await self._store.stat(name), headers, method, send)
        except BlobMissing:
            await _answer(send, 404, {}, b"There is nothing here.\n")
        except InvalidArgument as error:
            await _answer(send, 400, {}, f"{error}\n".encode())
        except CodeexError as error:
            await _answer(send, error.status, {}, f"{error.message}\n".encode())
        except _CutOff:
            return

    async def _send_blob(
        self, info: BlobInfo, headers: Mapping[str, str], method: str, send: Send
    ) -> None:
        span = _span(headers.get("range"), info.size)
        if span is None:
            await _answer(send, 416, {"content-range": f"bytes */{info.size}"})
            return
        start, end = span
        about = {
            "content-type": info.content_type,
            "accept-ranges": "bytes",
            "etag": f'"{info.etag}"',
        }
        status = 200
        if end - start != info.size:
            status = 206
            about["content-range"] = f"bytes {start}-{end - 1}/{info.size}"
        if method == "HEAD" or start == end:
            await _head(send, status, about, end - start)
            await send({"type": "http.response.body"})
            return
        # The first bytes before the head: a blob gone in between is still a 404.
        step = min(end, start + _STEP)
        data = await self._store.get_range(info.name, start, step, if_etag=info.etag)
        await _head(send, status, about, end - start)
        while step < end:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            start, step = step, min(end, step + _STEP)
            try:
                data = await self._store.get_range(info.name, start, step, if_etag=info.etag)
            except (BlobMissing, CodeexError):
                raise _CutOff from None
        await send({"type": "http.response.body", "body": data})


class _CutOff(Exception):
    """Client or blob went away in the middle; the server closes a connection left like this."""


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _CutOff
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes to send, from and to before; None where there are none (RFC 9110, 14.1.2).

    A header that is no single range counts as none.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.group(1) == match.group(2) is None:
        return 0, size
    first, last = match.groups()
    if first is None:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), size if last is None else min(size, int(last) + 1)
        if last is not None and int(last) < start:
            return 0, size
    return (start, end) if start < end else None


async def _head(send: Send, status: int, headers: Mapping[str, str], length: int) -> None:
    every = {**_GUARDED, **headers, "content-length": str(length)}
    fields = [(key.encode(), value.encode("latin-1")) for key, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def _answer(send: Send, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
    about = {"content-type": "text/plain; charset=utf-8", **headers} if body else headers
    await _head(send, status, about, len(body))
    await send({"type": "http.response.body", "body": body})
