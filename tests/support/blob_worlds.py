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


@dataclass(slots=True)
class FolderWorld:
    """A folder and the local address."""

    store: BlobStore
    folder: FolderBlobs
    data_dir: Path
    clock: ManualClock

    async def fetch(
        self, url: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        """A request to the local address."""
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
    clock = ManualClock()
    listening = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    folder = FolderBlobs(data_dir, base_url=base_url, clock=clock)
    config = uvicorn.Config(BlobLinks(folder), lifespan="off", log_config=None, ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    try:
        yield FolderWorld(BlobStore(folder), folder, data_dir, clock)
    finally:
        await server.shutdown(sockets=[listening])
