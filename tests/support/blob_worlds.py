"""The two stores of blobs as one kind of world, for a suite that both must pass."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
import uvicorn
from yarl import URL

from local.blob_links import BlobLinks
from shared.storage.blobs import BlobStore
from shared.storage.blobs_folder import FolderBlobs
from shared.storage.blobs_gcs import CloudBlobs
from tests.support.gcs_server import BUCKET, GcsServer
from tests.support.gcs_signatures import CloudRunCredentials, RedirectedTransport
from tests.support.virtual_time import ManualClock


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a link."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BlobWorld(Protocol):
    """A store, and what its links lead to."""

    store: BlobStore

    async def fetch(
        self, url: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        """A request by somebody with nothing but the link."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass for whoever checks links."""
        ...


async def fetch(url: str, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """One request over a real socket; ``content_type`` and the like become header names."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session,
        session.request(method, URL(url, encoded=True), data=body, headers=named) as response,
    ):
        return Answer(response.status, response.headers.copy(), await response.read())


@dataclass(slots=True)
class CloudWorld:
    """Cloud Storage."""

    store: BlobStore
    server: GcsServer
    transport: RedirectedTransport

    async def fetch(
        self, url: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        """A request to the server."""
        return await fetch(url, method, body, headers)

    def advance(self, seconds: float) -> None:
        """Move the server's clock."""
        self.server.offset_s += seconds


class LinkServer:
    """The local address. It listens at once, and serves when first asked."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server: uvicorn.Server | None = None
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    async def start(self, app: BlobLinks) -> None:
        """Serve, if it does not yet."""
        if self._server is not None:
            return
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._listening])

    async def stop(self) -> None:
        """Close."""
        if self._server is not None:
            await self._server.shutdown(sockets=[self._listening])
        self._listening.close()


@dataclass(slots=True)
class FolderWorld:
    """A folder and the local address."""

    store: BlobStore
    folder: FolderBlobs
    data_dir: Path
    clock: ManualClock
    server: LinkServer

    async def fetch(
        self, url: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        """A request to the local address."""
        await self.server.start(BlobLinks(self.folder))
        return await fetch(url, method, body, headers)

    def advance(self, seconds: float) -> None:
        """Move the folder's clock."""
        self.clock.advance(seconds)


@asynccontextmanager
async def cloud_world() -> AsyncIterator[CloudWorld]:
    """A bucket of its own."""
    async with GcsServer() as server:
        transport = RedirectedTransport(server.url)
        backend = CloudBlobs(
            BUCKET,
            project="demo-test",
            endpoint=server.url,
            credentials=CloudRunCredentials(),
            transport=transport,
            first_wait_s=0.001,
        )
        store = BlobStore(backend)
        try:
            yield CloudWorld(store, server, transport)
        finally:
            await store.close()
            transport.session.close()


@asynccontextmanager
async def folder_world(data_dir: Path) -> AsyncIterator[FolderWorld]:
    """A folder of its own."""
    clock, server = ManualClock(), LinkServer()
    folder = FolderBlobs(data_dir, base_url=server.url, clock=clock)
    try:
        yield FolderWorld(BlobStore(folder), folder, data_dir, clock, server)
    finally:
        await server.stop()
