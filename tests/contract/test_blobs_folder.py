"""What is the folder's own: killed processes, several at once, its files and its secret."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.package import ROOT
from shared.errors import StoreUnavailable
from shared.storage.blobs import BlobMissing, BlobStore, check_name
from shared.storage.blobs_folder import FolderBlobs
from tests.support.blob_worlds import FolderWorld, folder_world
from tests.support.blob_writer_process import LARGE, content
from tests.support.virtual_time import START_WALL, ManualClock


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FolderWorld]:
    async with folder_world(tmp_path) as made:
        yield made


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_killed_process_loses_nothing_it_said_was_there(tmp_path: Path, after: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.blob_writer_process",
        str(tmp_path),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(after + 1):
        await process.stdout.readline()
    process.kill()
    told = after + 1 + len((await process.stdout.read()).splitlines())
    await process.wait()

    store = BlobStore(FolderBlobs(tmp_path))
    for number in range(told):
        assert await store.get(f"n/{number}") == content(number)
    found = {info.name: info.size for info in await store.list("n/")}
    assert told <= len(found) <= told + 1, "what it was at may be there, whole"
    assert set(found.values()) <= {300, LARGE}
    assert await store.get("same") in [content(told - 1), content(told)]


async def test_processes_share_a_folder_and_its_links(world: FolderWorld) -> None:
    other = FolderBlobs(world.data_dir, base_url="http://elsewhere", clock=world.clock)
    await BlobStore(other).put("a", b"1", "text/plain")
    assert await world.store.get("a") == b"1"
    link = await BlobStore(other).signed_url("a", 60)
    here = (await world.store.signed_url("a", 60)).split("/blobs/")[0]
    assert (await world.fetch(link.replace("http://elsewhere", here))).body == b"1"


async def test_secret_is_the_owners_alone_and_in_no_repr(world: FolderWorld) -> None:
    await asyncio.gather(*(FolderBlobs(world.data_dir).links() for _ in range(8)))
    secret = world.data_dir / "blobs" / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_bytes()) == 32
    assert secret.read_bytes().hex() not in repr(await world.folder.links())
    assert list((world.data_dir / "blobs" / "partial").iterdir()) == []


async def test_link_without_a_base_is_a_path(tmp_path: Path) -> None:
    store = BlobStore(FolderBlobs(tmp_path, clock=ManualClock()))
    link = await store.signed_url("a b/c", 60)
    assert link.startswith(f"/blobs/a%20b/c?expires={int(START_WALL) + 60}&signature=")


async def test_half_written_files_of_long_ago_are_swept(tmp_path: Path) -> None:
    partial = tmp_path / "blobs" / "partial"
    partial.mkdir(parents=True)
    for name, age_s in (("old", 90_000), ("young", 80_000)):
        (partial / name).write_bytes(b"half")
        os.utime(partial / name, (START_WALL - age_s,) * 2)
    store = BlobStore(FolderBlobs(tmp_path, clock=ManualClock()))
    await store.put("a", b"1", "text/plain")
    assert [path.name for path in partial.iterdir()] == ["young"]


async def test_folders_left_empty_go(world: FolderWorld) -> None:
    await world.store.put("users/u1/a", b"1", "text/plain")
    await world.store.put("users/u2/a", b"1", "text/plain")
    await world.store.delete("users/u1/a")
    objects = world.data_dir / "blobs" / "objects"
    assert sorted(path.relative_to(objects).as_posix() for path in objects.rglob("*")) == [
        "users",
        "users/u2",
        "users/u2/a%f",
    ]


async def test_puts_and_deletes_that_meet_in_a_folder_both_succeed(world: FolderWorld) -> None:
    async def come_and_go(name: str) -> None:
        for _ in range(40):
            await world.store.put(name, b"1", "text/plain")
            await world.store.delete(name)

    await asyncio.gather(*(come_and_go(f"u/deep/down/{n}") for n in range(6)))
    assert await world.store.list() == []


async def test_put_makes_a_folder_again_that_another_process_took_away(world: FolderWorld) -> None:
    folder = world.folder.path_of("u/a").parent
    done = threading.Event()

    def take_away() -> int:
        taken = 0
        while not done.is_set():
            with contextlib.suppress(OSError):
                folder.rmdir()
                taken += 1
        return taken

    taking = asyncio.create_task(asyncio.to_thread(take_away))
    for n in range(100):
        await world.store.put(f"u/{n}", b"1", "text/plain")
        await world.store.delete(f"u/{n}")
    done.set()
    assert await taking > 0


async def test_damaged_file_is_unavailable_not_a_crash(world: FolderWorld) -> None:
    await world.store.put("a", b"1", "text/plain")
    for damage in (b"", b"no head\n", b"{}\n", b"[1]\n", b"\xff" * 2_000):
        (world.data_dir / "blobs" / "objects" / "a%f").write_bytes(damage)
        with pytest.raises(StoreUnavailable, match="damaged"):
            await world.store.get("a")


async def test_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = BlobStore(FolderBlobs(tmp_path / "file"))
    with pytest.raises(StoreUnavailable):
        await store.put("a", b"1", "text/plain", timeout_s=1.0)
    with pytest.raises(BlobMissing):
        await store.get("a")


CHARACTER = st.characters(
    codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ", exclude_characters="/"
)
SEGMENT = st.text(CHARACTER, min_size=1, max_size=20).filter(lambda text: text not in (".", ".."))
LONG = st.builds(lambda character, times: character * times, CHARACTER, st.integers(3, 175))
NAME = st.lists(SEGMENT, min_size=1, max_size=8).map("/".join) | LONG  # to 700 bytes


@settings(max_examples=40)
@given(st.lists(NAME, unique=True))
@example(["aB", "Ab", "a%42", "a%f", "a%+/b"])
def test_every_name_has_its_own_place_below_the_folder(names: list[str]) -> None:
    folder = FolderBlobs(Path("/data"))
    for name in names:
        check_name(name)
    paths = [folder.path_of(name) for name in names]
    assert len({str(path).lower() for path in paths}) == len(names)
    for path in paths:
        assert os.path.normpath(path) == str(path)
        assert path.is_relative_to("/data/blobs/objects")
        assert all(len(part.encode()) <= 255 for part in path.parts)
