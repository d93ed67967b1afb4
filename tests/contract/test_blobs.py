"""What every store of blobs does, asked of Cloud Storage's protocol and of a folder alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.errors import StoreUnavailable
from shared.storage.blobs import PIECE_BYTES, BlobExists, BlobMissing, BlobStore
from shared.storage.errors import InvalidArgument
from tests.support.blob_worlds import BlobWorld, cloud_world, folder_world

ODD_NAMES = [
    "a",
    "users/u1/jobs/j1/result.json",
    "users/Ü ser/%2e%2e/ä?b#c&d=e+f.mp4",
    "a\\b/C:/con.txt",
    "...",
    "x" * 300 + "/" + "y" * 399,
    "é" * 350,
    "z" * 200 + "../end",
    "users/%f/%+/x",
]
BAD_NAMES = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/.",
    "a\nb",
    "a\0b",
    "\ud800",
    "x" * 701,
]


@pytest.fixture(params=["cloud", "folder"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobWorld]:
    if request.param == "cloud":
        async with cloud_world() as cloud:
            yield cloud
    else:
        async with folder_world(tmp_path) as folder:
            yield folder


@pytest.fixture
def store(world: BlobWorld) -> BlobStore:
    return world.store


async def stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_what_is_put_is_got_under_its_own_name(store: BlobStore, name: str) -> None:
    info = await store.put(name, name.encode(), "text/plain; charset=utf-8")
    assert await store.get(name) == name.encode()
    assert await store.stat(name) == info
    assert (info.name, info.size) == (name, len(name.encode()))
    assert info.content_type == "text/plain; charset=utf-8"
    assert [each.name for each in await store.list()] == [name]
    await store.delete(name)
    assert await store.list() == []


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_name_that_is_none_is_refused_before_anything_is_asked(
    store: BlobStore, name: str
) -> None:
    with pytest.raises(InvalidArgument):
        await store.put(name, b"", "text/plain")
    with pytest.raises(InvalidArgument):
        await store.get(name)
    with pytest.raises(InvalidArgument):
        await store.signed_url(name, 60)
    assert not store.operations


async def test_names_that_differ_in_case_alone_are_two(store: BlobStore) -> None:
    await store.put("users/aB", b"1", "text/plain")
    await store.put("users/Ab", b"2", "text/plain")
    assert [await store.get("users/aB"), await store.get("users/Ab")] == [b"1", b"2"]


async def test_name_can_be_a_blob_and_the_beginning_of_others(store: BlobStore) -> None:
    await store.put("a", b"1", "text/plain")
    await store.put("a/b", b"2", "text/plain")
    await store.delete("a")
    assert await store.get("a/b") == b"2"
    with pytest.raises(BlobMissing):
        await store.get("a")


async def test_empty_blob_is_a_blob(store: BlobStore) -> None:
    assert (await store.put("empty", b"", "text/plain")).size == 0
    assert await store.get("empty") == b""
    assert await store.get_range("empty", 0, 10) == b""


async def test_missing_blob_is_missing_to_every_call(store: BlobStore) -> None:
    for call in (store.get("x"), store.get_range("x", 0, 1), store.stat("x")):
        with pytest.raises(BlobMissing):
            await call
    await store.delete("x")


async def test_second_put_replaces_content_type_and_version(store: BlobStore) -> None:
    first = await store.put("a", b"one", "text/plain")
    second = await store.put("a", b"two", "application/json")
    assert await store.get("a") == b"two"
    assert await store.stat("a") == second
    assert first.etag != second.etag
    assert second.content_type == "application/json"


async def test_same_content_written_again_is_another_version(store: BlobStore) -> None:
    first = await store.put("a", b"one", "text/plain")
    assert (await store.put("a", b"one", "text/plain")).etag != first.etag


async def test_if_absent_writes_once(store: BlobStore) -> None:
    await store.put("a", b"one", "text/plain", if_absent=True)
    with pytest.raises(BlobExists):
        await store.put("a", b"two", "text/plain", if_absent=True)
    assert await store.get("a") == b"one"
    await store.delete("a")
    await store.put("a", b"three", "text/plain", if_absent=True)
    assert await store.get("a") == b"three"


async def test_of_many_who_put_if_absent_one_wins(store: BlobStore) -> None:
    results = await asyncio.gather(
        *(store.put("a", b"%d" % n, "text/plain", if_absent=True) for n in range(12)),
        return_exceptions=True,
    )
    winners = [n for n, each in enumerate(results) if not isinstance(each, BaseException)]
    assert len(winners) == 1
    assert sum(isinstance(each, BlobExists) for each in results) == 11
    assert await store.get("a") == b"%d" % winners[0]


async def test_range_is_cut_at_the_end_of_the_blob(store: BlobStore) -> None:
    await store.put("a", b"0123456789", "text/plain")
    assert await store.get_range("a", 0, 4) == b"0123"
    assert await store.get_range("a", 4, 5) == b"4"
    assert await store.get_range("a", 8, 100) == b"89"
    assert await store.get_range("a", 10, 20) == b""
    assert await store.get_range("a", 1_000, 2_000) == b""
    for start, end in ((3, 3), (4, 3), (-1, 3)):
        with pytest.raises(InvalidArgument):
            await store.get_range("a", start, end)


async def test_read_of_a_version_ends_when_the_blob_is_written_again(store: BlobStore) -> None:
    first = await store.put("a", b"one", "text/plain")
    assert await store.get_range("a", 0, 2, if_etag=first.etag) == b"on"
    second = await store.put("a", b"two", "text/plain")
    for read in (
        store.get_range("a", 2, 3, if_etag=first.etag),
        store.get("a", if_etag=first.etag),
        store.get("a", if_etag="no-etag-of-ours"),
    ):
        with pytest.raises(BlobMissing):
            await read
    assert await store.get("a", if_etag=second.etag) == b"two"


@pytest.mark.parametrize(
    "sizes",
    [
        (),
        (0, 3, 0),
        (PIECE_BYTES,),
        (PIECE_BYTES - 1, 1, 1),
        (2 * PIECE_BYTES,),
        (1_000_000,) * 9,
    ],
    ids=["empty", "small", "one-piece", "one-over", "two-pieces", "uneven"],
)
async def test_stream_becomes_one_blob(store: BlobStore, sizes: tuple[int, ...]) -> None:
    parts = [bytes([65 + n % 26]) * size for n, size in enumerate(sizes)]
    info = await store.put("video", stream(*parts), "video/mp4")
    assert info.size == sum(sizes)
    assert info == await store.stat("video")
    assert await store.get("video") == b"".join(parts)


async def test_large_blob_goes_in_whole(store: BlobStore) -> None:
    data = bytes(range(256)) * 40_000  # over 8 MB: a resumable upload
    info = await store.put("large", data, "video/mp4")
    assert info.size == len(data)
    assert await store.get_range("large", 9_000_001, 9_000_005) == data[9_000_001:9_000_005]
    assert await store.get("large") == data


async def test_stream_that_breaks_leaves_the_blob_as_it_was(store: BlobStore) -> None:
    class Broken(Exception):
        pass

    async def broken(before: int) -> AsyncIterator[bytes]:
        yield b"x" * before
        raise Broken

    await store.put("a", b"old", "text/plain")
    for before in (10, 2 * PIECE_BYTES + 1):
        with pytest.raises(Broken):
            await store.put("a", broken(before), "text/plain")
    assert await store.get("a") == b"old"
    assert [each.name for each in await store.list()] == ["a"]


async def test_stream_if_absent_that_comes_second_changes_nothing(store: BlobStore) -> None:
    await store.put("a", b"old", "text/plain")
    for size in (1, 2 * PIECE_BYTES):
        with pytest.raises(BlobExists):
            await store.put("a", stream(b"x" * size), "text/plain", if_absent=True)
    assert await store.get("a") == b"old"


async def test_stream_that_stops_coming_ends_in_time(store: BlobStore) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * PIECE_BYTES
        await asyncio.Event().wait()

    with pytest.raises(StoreUnavailable, match="within"):
        await store.put("a", stuck(), "text/plain", timeout_s=0.05)
    assert await store.list() == []


async def test_list_is_ordered_pages_and_takes_any_prefix(store: BlobStore) -> None:
    names = ["a/1", "a/10", "a/2", "a0", "ab/1", "aé", "b", "A/1", "a/2/deep/er"]
    for name in names:
        await store.put(name, b"", "text/plain")
    expected = sorted(names)  # by code points, which is the order of UTF-8

    async def found(prefix: str) -> list[str]:
        return [each.name for each in await store.list(prefix)]

    assert await found("") == expected
    for prefix in ("a", "a/", "a/1", "a/2", "A", "aé", "a/2/", "nothing", "nothing/at/all"):
        assert await found(prefix) == [each for each in expected if each.startswith(prefix)]
    paged: list[str] = []
    while page := await store.list(limit=2, start_after=paged[-1] if paged else ""):
        paged += [each.name for each in page]
        assert len(page) <= 2
    assert paged == expected
    assert len(await store.list(limit=2, start_after=expected[0])) == 2
    between = await store.list("a", start_after="a/15", limit=3)
    assert [each.name for each in between] == ["a/2", "a/2/deep/er", "a0"]
    with pytest.raises(InvalidArgument):
        await store.list(limit=0)


async def test_link_gives_the_blob_to_whoever_holds_it(world: BlobWorld) -> None:
    name = "users/Ü ser/ä?b#c&d=e+f~.mp4"
    await world.store.put(name, b"0123456789", "video/mp4")
    link = await world.store.signed_url(name, 60)
    answer = await world.fetch(link)
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["Content-Type"] == "video/mp4"
    part = await world.fetch(link, Range="bytes=2-4")
    assert (part.status, part.body) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"
    past = await world.fetch(link, Range="bytes=10-")
    assert past.status == 416


async def test_link_does_one_thing_only(world: BlobWorld) -> None:
    await world.store.put("a/mine", b"mine", "text/plain")
    await world.store.put("a/theirs", b"theirs", "text/plain")
    link = await world.store.signed_url("a/mine", 60)
    flipped = link[:-1] + ("0" if link[-1] != "0" else "1")
    for wrong in (
        link.replace("mine", "theirs"),
        flipped,
        link.split("?")[0],
        link.replace("xpires=", "xpires=9"),
    ):
        answer = await world.fetch(wrong)
        assert answer.status in (400, 403)
        assert b"theirs" not in answer.body
    put = await world.fetch(link, "PUT", b"hacked", Content_Type="text/plain")
    assert put.status == 403
    assert await world.store.get("a/mine") == b"mine"


async def test_link_ends_when_it_says(world: BlobWorld) -> None:
    await world.store.put("a", b"1", "text/plain")
    link = await world.store.signed_url("a", 60)
    world.advance(50)
    assert (await world.fetch(link)).status == 200
    world.advance(11)
    assert (await world.fetch(link)).status in (400, 403)


async def test_link_to_nothing_says_so(world: BlobWorld) -> None:
    link = await world.store.signed_url("nothing", 60)
    assert (await world.fetch(link)).status == 404


async def test_link_for_an_upload_takes_the_type_it_names(world: BlobWorld) -> None:
    link = await world.store.signed_url("in/up", 60, "PUT", content_type="audio/mpeg")
    wrong = await world.fetch(link, "PUT", b"x", Content_Type="text/html")
    assert wrong.status == 403
    assert (await world.fetch(link)).status == 403
    done = await world.fetch(link, "PUT", b"sound", Content_Type="audio/mpeg")
    assert done.status == 200
    info = await world.store.stat("in/up")
    assert (info.size, info.content_type) == (5, "audio/mpeg")


async def test_link_without_a_type_takes_any(world: BlobWorld) -> None:
    link = await world.store.signed_url("in/up", 60, "PUT")
    assert (await world.fetch(link, "PUT", b"x", Content_Type="image/png")).status == 200
    assert (await world.store.stat("in/up")).content_type == "image/png"


async def test_link_and_content_type_are_checked(store: BlobStore) -> None:
    for seconds in (0, 604_801):
        with pytest.raises(InvalidArgument):
            await store.signed_url("a", seconds)
    with pytest.raises(InvalidArgument):
        await store.signed_url("a", 60, "GET", content_type="text/plain")
    for kind in ("", "text", "text/plain\r\nx: y", "text/plain;é"):
        with pytest.raises(InvalidArgument):
            await store.put("a", b"", kind)


async def test_calls_are_counted(store: BlobStore) -> None:
    await store.put("a", b"1", "text/plain")
    await store.get("a")
    await store.get_range("a", 0, 1)
    await store.delete("a")
    assert store.operations == {"put": 1, "get": 2, "delete": 1}


async def test_closed_store_opens_again(store: BlobStore) -> None:
    await store.put("a", b"1", "text/plain")
    await store.close()
    assert await store.get("a") == b"1"
