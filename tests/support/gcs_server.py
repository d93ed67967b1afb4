"""The part of Cloud Storage that is used, on a real socket: JSON API, signed links, IAM's signBlob.

Written from https://cloud.google.com/storage/docs/json_api/v1 and .../authentication/signatures;
it knows nothing of the client it is asked by. Its clock is moved by hand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import google_crc32c
from aiohttp import web

from tests.support.gcs_signatures import SigningKey, signed_link_problem

BUCKET = "test-media"


@dataclass(slots=True)
class Stored:
    """One object."""

    name: str
    data: bytes
    content_type: str
    generation: int
    updated: datetime

    def to_json(self) -> dict[str, str]:
        """Its metadata; numbers are text, as in the JSON API."""
        return {
            "kind": "storage#object",
            "bucket": BUCKET,
            "name": self.name,
            "size": str(len(self.data)),
            "contentType": self.content_type,
            "generation": str(self.generation),
            "metageneration": "1",
            "updated": self.updated.isoformat().replace("+00:00", "Z"),
            "crc32c": crc32c(self.data),
            "md5Hash": md5(self.data),
        }


@dataclass(slots=True)
class Upload:
    """A resumable upload under way."""

    metadata: dict[str, str]
    if_generation: str | None
    data: bytearray = field(default_factory=bytearray)


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str = "refused") -> None:
        super().__init__(message)
        self.status = status


def crc32c(data: bytes) -> str:
    """As Cloud Storage writes it: big-endian, base64."""
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def md5(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


class GcsServer:
    """One bucket. ``requests`` are the requests seen; ``failures`` are statuses answered first."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self.failures: list[int] = []
        self.corrupt = False
        self.key = SigningKey()
        self.offset_s = 0.0
        self.url = ""
        self._generation = 1_700_000_000_000_000
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def now(self) -> datetime:
        """The server's time."""
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.offset_s, UTC)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        self.requests.append(f"{request.method} {path.replace(BUCKET, 'B')}")
        self.authorizations.append(request.headers.get("Authorization", ""))
        try:
            if self.failures:
                await request.read()
                raise Refused(self.failures.pop(0))
            return await self._routed(request, path)
        except Refused as refusal:
            body = {"error": {"code": refusal.status, "message": str(refusal)}}
            return web.json_response(body, status=refusal.status)

    async def _routed(self, request: web.Request, path: str) -> web.StreamResponse:
        if path.endswith(":signBlob"):
            return web.json_response(self.key.sign_blob(path, await request.json()))
        if path.startswith("/upload/session/"):
            return await self._session(request, path.rsplit("/", 1)[1])
        if path == f"/upload/storage/v1/b/{BUCKET}/o":
            return await self._upload(request)
        prefix = f"/storage/v1/b/{BUCKET}/o"
        if path == prefix:
            return self._list(request)
        if path.startswith(f"/download{prefix}/"):
            return self._download(request, unquote(path[len(prefix) + 10 :]))
        if path.startswith(f"{prefix}/"):
            return self._object(request, unquote(path[len(prefix) + 1 :]))
        if path.startswith(f"/{BUCKET}/"):
            return await self._linked(request, unquote(path[len(BUCKET) + 2 :]))
        raise Refused(404, "no such path or bucket")

    async def _upload(self, request: web.Request) -> web.Response:
        body = await request.read()
        if_generation = request.query.get("ifGenerationMatch")
        kind = request.query["uploadType"]
        if kind == "multipart":
            metadata, content_type, data = _related(request.headers["Content-Type"], body)
            metadata.setdefault("contentType", content_type)
            return web.json_response(self._finish(Upload(metadata, if_generation, bytearray(data))))
        if kind != "resumable":
            raise Refused(400, f"uploadType {kind}")
        metadata = json.loads(body or b"{}")
        metadata.setdefault("name", request.query.get("name", ""))
        sent_type = request.headers.get("X-Upload-Content-Type", "application/octet-stream")
        metadata.setdefault("contentType", sent_type)
        self._check_generation(metadata["name"], if_generation)
        identifier = f"u{len(self.requests)}"
        self.uploads[identifier] = Upload(metadata, if_generation)
        return web.Response(headers={"Location": f"{self.url}/upload/session/{identifier}"})

    async def _session(self, request: web.Request, identifier: str) -> web.Response:
        upload = self.uploads.get(identifier)
        if upload is None:
            raise Refused(410, "no such upload")
        if request.method == "DELETE":
            del self.uploads[identifier]
            return web.Response(status=499)
        data = await request.read()
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers["Content-Range"])
        assert match is not None, request.headers["Content-Range"]
        first, last, total = match.groups()
        if first is not None:
            if int(first) != len(upload.data) or int(last) - int(first) + 1 != len(data):
                raise Refused(400, "bytes are missing")
            upload.data += data
        if total != "*" and len(upload.data) == int(total):
            del self.uploads[identifier]
            return web.json_response(self._finish(upload))
        if len(data) % 2**18:
            raise Refused(400, "pieces are multiples of 256 KiB")
        have = {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return web.Response(status=308, headers=have)

    def _finish(self, upload: Upload) -> dict[str, str]:
        data, metadata = bytes(upload.data), upload.metadata
        self._check_generation(metadata["name"], upload.if_generation)
        if metadata.get("crc32c", crc32c(data)) != crc32c(data):
            raise Refused(400, "crc32c differs")
        if metadata.get("md5Hash", md5(data)) != md5(data):
            raise Refused(400, "md5 differs")
        return self.store(metadata["name"], data, metadata["contentType"]).to_json()

    def store(self, name: str, data: bytes, content_type: str) -> Stored:
        """Put an object there."""
        self._generation += 1
        made = Stored(name, data, content_type, self._generation, self.now())
        self.objects[name] = made
        return made

    def _check_generation(self, name: str, if_generation: str | None) -> None:
        found = self.objects.get(name)
        if if_generation is not None and int(if_generation) != (found.generation if found else 0):
            raise Refused(412, "conditionNotMet")

    def _found(self, name: str) -> Stored:
        if name not in self.objects:
            raise Refused(404, "No such object")
        return self.objects[name]

    def _object(self, request: web.Request, name: str) -> web.Response:
        found = self._found(name)
        if request.method == "DELETE":
            del self.objects[name]
            return web.Response(status=204)
        if request.query.get("alt") == "media":
            return self._download(request, name)
        return web.json_response(found.to_json())

    def _download(self, request: web.Request, name: str) -> web.Response:
        found = self._found(name)
        self._check_generation(name, request.query.get("ifGenerationMatch"))
        return self._content(request, found)

    def _content(self, request: web.Request, found: Stored) -> web.Response:
        data, status = found.data, 200
        headers = {
            "Content-Type": found.content_type,
            "ETag": f'"{found.generation}"',
            "X-Goog-Generation": str(found.generation),
            "X-Goog-Hash": f"crc32c={crc32c(data)},md5={md5(data)}",
        }
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if match is not None:
            start, end = int(match.group(1)), int(match.group(2) or len(data) - 1) + 1
            if start >= len(data):
                raise Refused(416, "the range is past the end")
            end = min(end, len(data))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            data, status = data[start:end], 206
        if self.corrupt and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        return web.Response(body=data, status=status, headers=headers)

    def _list(self, request: web.Request) -> web.Response:
        query = request.query
        most = min(1_000, int(query.get("maxResults", "1000")))
        names = sorted(
            name
            for name in self.objects
            if name.startswith(query.get("prefix", ""))
            and name >= query.get("startOffset", "")
            and name > query.get("pageToken", "")
        )
        body: dict[str, object] = {"items": [self.objects[name].to_json() for name in names[:most]]}
        if len(names) > most:
            body["nextPageToken"] = names[most - 1]
        return web.json_response(body)

    async def _linked(self, request: web.Request, name: str) -> web.Response:
        data = await request.read()
        problem = signed_link_problem(request, self.key, self.now())
        if problem:
            raise Refused(403 if "expired" not in problem else 400, problem)
        if request.method == "PUT":
            made = self.store(name, data, request.headers["Content-Type"])
            return web.Response(headers={"ETag": f'"{made.generation}"'})
        return self._content(request, self._found(name))


def _related(content_type: str, body: bytes) -> tuple[dict[str, str], str, bytes]:
    """Metadata, type and content of a ``multipart/related`` body of two parts."""
    match = re.search(r'boundary="?([^";]+)"?', content_type)
    assert match is not None, content_type
    mark = b"--" + match.group(1).encode()
    _, first, rest = body.split(mark, 2)
    second = rest[: rest.rindex(b"\r\n" + mark + b"--")]
    _, metadata = first.split(b"\r\n\r\n", 1)
    head, data = second.split(b"\r\n\r\n", 1)
    kind = re.search(rb"(?i)content-type: *([^\r\n]+)", head)
    return json.loads(metadata), kind.group(1).decode() if kind else "", data
