"""What goes over the wire to Cloud Storage, and what becomes of its errors."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from shared.errors import StoreUnavailable
from shared.storage.blobs import PIECE_BYTES, BlobMissing, BlobStore
from shared.storage.blobs_gcs import CloudBlobs
from tests.support.blob_worlds import CloudWorld, cloud_world, fetch
from tests.support.gcs_server import BUCKET, GcsServer
from tests.support.gcs_signatures import TOKEN, CloudRunCredentials


@pytest.fixture
async def world() -> AsyncIterator[CloudWorld]:
    async with cloud_world() as made:
        yield made


async def stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_small_blob_is_one_request_with_the_accounts_token(world: CloudWorld) -> None:
    await world.store.put("a/b", b"1", "text/plain")
    assert world.server.requests == ["POST /upload/storage/v1/b/B/o"]
    assert world.server.authorizations == [f"Bearer {TOKEN}"]


async def test_whole_blob_is_got_in_one_request(world: CloudWorld) -> None:
    world.server.store("a/b", b"1", "text/plain")
    await world.store.get("a/b")
    assert world.server.requests == ["GET /download/storage/v1/b/B/o/a%2Fb"]


async def test_stream_is_uploaded_piece_by_piece(world: CloudWorld) -> None:
    await world.store.put("a", stream(b"x" * (2 * PIECE_BYTES + 5)), "video/mp4")
    methods = [line.split("/")[0].strip() for line in world.server.requests]
    assert methods == ["POST", "PUT", "PUT", "PUT", "GET"]
    assert world.server.uploads == {}


async def test_stream_given_up_is_given_up_there_too(world: CloudWorld) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * PIECE_BYTES)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.store.put("a", broken(), "video/mp4")
    gc.collect()  # a writer that is collected must not try to complete its blob
    assert world.server.requests[-1].startswith("DELETE /upload/session/")
    assert world.server.uploads == {}
    assert world.server.objects == {}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_passing_trouble_is_retried(world: CloudWorld, status: int) -> None:
    world.server.failures = [status, status]
    await world.store.put("a", b"1", "text/plain", if_absent=True)
    world.server.failures = [status]
    assert await world.store.get("a") == b"1"
    world.server.failures = [status]
    assert (await world.store.stat("a")).size == 1
    world.server.failures = [status]
    assert len(await world.store.list()) == 1
    world.server.failures = [status]
    await world.store.delete("a")
    assert world.server.objects == {}


async def test_failed_piece_is_sent_again(world: CloudWorld) -> None:
    data = bytes(range(256)) * (PIECE_BYTES // 128)

    async def troubled() -> AsyncIterator[bytes]:
        yield data[: PIECE_BYTES + 1]
        world.server.failures = [503, 503]
        yield data[PIECE_BYTES + 1 :]

    await world.store.put("a", troubled(), "video/mp4")
    assert world.server.objects["a"].data == data


async def test_trouble_that_stays_ends_within_the_time_given(world: CloudWorld) -> None:
    world.server.failures = [503] * 10_000
    for call in (
        world.store.put("a", b"1", "text/plain", timeout_s=0.05),
        world.store.get("a", timeout_s=0.05),
    ):
        with pytest.raises(StoreUnavailable):
            await call


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refusal_is_unavailability_and_tells_no_secret(
    world: CloudWorld, status: int
) -> None:
    world.server.failures = [status] * 9
    with pytest.raises(StoreUnavailable) as caught:
        await world.store.put("a", b"1", "text/plain")
    assert str(caught.value) == f"Cloud Storage: status {status}"
    assert TOKEN not in repr(caught.value)


async def test_missing_bucket_is_not_a_missing_blob(world: CloudWorld) -> None:
    backend = CloudBlobs(
        "no-such-bucket", endpoint=world.server.url, credentials=CloudRunCredentials()
    )
    store = BlobStore(backend)
    with pytest.raises(StoreUnavailable, match="404"):
        await store.put("a", b"1", "text/plain")
    await store.close()


async def test_corrupted_download_is_noticed(world: CloudWorld) -> None:
    world.server.store("a", b"0123456789", "text/plain")
    world.server.corrupt = True
    with pytest.raises(StoreUnavailable):
        await world.store.get("a", timeout_s=0.2)


async def test_nobody_listening_is_unavailability() -> None:
    async with GcsServer() as server:
        url = server.url
    store = BlobStore(CloudBlobs(BUCKET, endpoint=url, first_wait_s=0.001))
    with pytest.raises(StoreUnavailable):
        await store.get("a", timeout_s=0.1)
    await store.close()


async def test_link_is_signed_by_iam_without_any_key(world: CloudWorld) -> None:
    world.server.store("a", b"1", "text/plain")
    link = await world.store.signed_url("a", 60)
    assert world.transport.hosts == ["iamcredentials.googleapis.com"]
    assert TOKEN not in link
    assert "X-Goog-Algorithm=GOOG4-RSA-SHA256" in link
    assert (await world.fetch(link)).body == b"1"


async def test_iam_that_refuses_is_unavailability(world: CloudWorld) -> None:
    world.server.failures = [403]
    with pytest.raises(StoreUnavailable):
        await world.store.signed_url("a", 60)


async def test_emulator_is_asked_without_credentials_and_needs_no_scheme() -> None:
    async with GcsServer() as server:
        store = BlobStore(CloudBlobs(BUCKET, endpoint=server.url.removeprefix("http://")))
        await store.put("a", b"1", "text/plain")
        assert server.authorizations == [""]
        link = await store.signed_url("a", 60)
        assert link.startswith(f"{server.url}/{BUCKET}/a?X-Goog-Algorithm=")
        # A server that does check is not fooled by it.
        assert (await fetch(link, "GET", b"", {})).status == 403
        await store.close()


async def test_version_that_cannot_be_one_is_missing_unasked(world: CloudWorld) -> None:
    with pytest.raises(BlobMissing):
        await world.store.get("a", if_etag="1 or 2")
    assert world.server.requests == []
