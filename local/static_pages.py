"""The built pages, served as Firebase Hosting serves them: clean addresses, ETag, 404 page."""

from __future__ import annotations

import asyncio
import hashlib
import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Scope, Send

from local.hosting import Hosting
from shared.edge.asgi import Header, send_body

# Fixed here because the tables of operating systems differ.
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
_OTHER = "application/octet-stream"
_HTML: Header = (b"content-type", b"text/html; charset=utf-8")
_NO_STORE: Header = (b"cache-control", b"no-store")
_KEPT_FILES = 200


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    etag: bytes
    stamp: tuple[int, int]


class StaticPages:
    """Serves ``hosting.public``. ``state`` says why there are no pages yet ("" where there are)."""

    def __init__(self, hosting: Hosting, state: Callable[[], str]) -> None:
        self._hosting = hosting
        self._root = hosting.public
        self._state = state
        self._files: dict[Path, _File] = {}

    async def serve(self, scope: Scope, send: Send) -> None:
        """Answer GET and HEAD for a page; everything else is 405."""
        method, path = scope["method"], scope["path"]
        if method not in ("GET", "HEAD"):
            allow: Header = (b"allow", b"GET, HEAD")
            await _page(
                send, 405, "There is only a page here; it can be read, nothing else.", allow
            )
            return
        found = await asyncio.to_thread(self._find, path)
        if found is None:
            await self._missing(path, send)
            return
        kind, file = found
        headers: list[Header] = [
            (b"content-type", kind.encode()),
            (b"etag", file.etag),
            *self._hosting.headers_for(path),
        ]
        if _matches(dict(scope["headers"]).get(b"if-none-match"), file.etag):
            await send({"type": "http.response.start", "status": 304, "headers": headers[1:]})
            await send({"type": "http.response.body"})
            return
        await send_body(send, 200, headers, file.data)

    async def _missing(self, path: str, send: Send) -> None:
        state = self._state()
        if state and not (self._root / "index.html").is_file():
            await _page(send, 503, state, (b"retry-after", b"3"))
            return
        own = await asyncio.to_thread(self._find, "/404.html")
        if own is not None:
            await send_body(send, 404, [_HTML, _NO_STORE], own[1].data)
            return
        shown = html.escape(path[:200])
        await _page(send, 404, f"There is no page at {shown}. The playground is at /.")

    def _find(self, path: str) -> tuple[str, _File] | None:
        """The file behind a path: itself, with .html, or a folder's index; nothing outside."""
        segments = path.split("/")
        if "\0" in path or "\\" in path or any(part.startswith(".") for part in segments):
            return None
        below = path.strip("/")
        for name in (below, f"{below}.html" if below else "", f"{below}/index.html".lstrip("/")):
            file = self._read(self._root / name) if name else None
            if file is not None:
                return CONTENT_TYPES.get(Path(name).suffix.lower(), _OTHER), file
        return None

    def _read(self, path: Path) -> _File | None:
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(self._root.resolve()) or not real.is_file():
                return None
            status = real.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._files.get(real)
            if known is not None and known.stamp == stamp:
                return known
            data = real.read_bytes()
        except (OSError, ValueError, RuntimeError):
            return None
        etag = b'"%s"' % hashlib.sha256(data).hexdigest()[:32].encode()
        if len(self._files) >= _KEPT_FILES:
            self._files.clear()
        file = self._files[real] = _File(data, etag, stamp)
        return file


def _matches(sent: bytes | None, etag: bytes) -> bool:
    if sent is None:
        return False
    return any(tag.strip().removeprefix(b"W/") in (etag, b"*") for tag in sent.split(b","))


async def _page(send: Send, status: int, text: str, *headers: Header) -> None:
    """A plain page of one sentence; it looks again by itself while the pages are being built."""
    again = '<meta http-equiv="refresh" content="3">' if status == 503 else ""
    body = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width"><title>CODEEX Router</title>'
        "<style>body{font:1rem/1.5 system-ui;max-width:36rem;margin:15vh auto;padding:0 1rem}"
        f"</style><h1>CODEEX Router</h1><p>{text}</p></html>"
    )
    await send_body(send, status, [_HTML, _NO_STORE, *headers], body.encode("utf-8", "replace"))
