"""What the embedded store alone has to show: its file, its processes, its sweep."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.errors import StoreUnavailable
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import VersionConflict
from shared.storage.queries import Query
from shared.storage.sqlite_backend import FILE, SqliteBackend
from shared.storage.transactions import Transaction
from shared.storage.values import Increment
from shared.storage.writes import Set
from tests.support.local_process import ROOT
from tests.support.stores import memory_store, sqlite_store
from tests.support.virtual_time import ManualClock, run_virtual

# Adds to one counter and keeps a document of its own for every addition it was told is committed.
WORKER = """
import asyncio, sys
from pathlib import Path
from shared.storage.documents import DocumentStore
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.values import Increment
from shared.storage.writes import Create, Set

async def main():
    store = DocumentStore(SqliteBackend(Path(sys.argv[1])))
    for n in range(1_000_000):
        path = f"work/{sys.argv[2]}-{n}"
        count = Set("work/total", {"n": Increment(1)}, merge=True)
        await store.commit([Create(path, {"text": "x" * 1_000}), count])
        sys.stdout.write(path + "\\n")
        sys.stdout.flush()

asyncio.run(main())
"""
KILLS = 6


def start_worker(folder: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(worker: subprocess.Popen[str], lines: int) -> list[str]:
    """Everything the worker was told is committed before it was killed."""
    assert worker.stdout is not None
    with worker.stdout as output:
        told = [output.readline() for _ in range(lines)]
        worker.send_signal(signal.SIGKILL)
        told += output.read().splitlines(keepends=True)
    assert worker.wait(30) == -signal.SIGKILL
    return [line.strip() for line in told if line.endswith("\n")]


async def test_killing_processes_loses_no_commit_and_breaks_no_file(tmp_path: Path) -> None:
    told: list[str] = []
    workers = [start_worker(tmp_path, f"w{n}") for n in range(2)]
    for kill in range(KILLS):
        told += await asyncio.to_thread(kill_after, workers.pop(0), 5 + 7 * kill)
        if kill < KILLS - 2:
            workers.append(start_worker(tmp_path, f"k{kill}"))
    store = sqlite_store(tmp_path)
    found = {each.path: each for each in await store.query(Query("work"), timeout_s=30)}
    await store.close()
    total = found.pop("work/total").data["n"]
    # A commit may have been made whose process died before it could say so: one for each.
    assert set(told) <= set(found)
    assert len(found) <= len(told) + KILLS
    assert total == len(found)
    assert [each.data for each in found.values()] == [{"text": "x" * 1_000}] * len(found)
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    one, other = sqlite_store(tmp_path), sqlite_store(tmp_path)
    versions = [await store.set("a/1", {"n": n}) for n, store in enumerate([one, other] * 5)]
    assert sorted(set(versions)) == versions
    assert (await one.get("a/1")) == (await other.get("a/1"))
    work = [store.update("a/1", {"n": Increment(1)}) for store in [one, other] * 20]
    await asyncio.gather(*work)
    found = await one.get("a/1")
    assert found is not None
    assert found.data == {"n": 49}
    await one.close()
    await other.close()


async def test_what_was_written_is_there_after_a_new_start(tmp_path: Path) -> None:
    first = sqlite_store(tmp_path / "made" / "here")
    version = await first.set("a/1", {"n": 1})
    await first.close()
    second = sqlite_store(tmp_path / "made" / "here")
    assert await second.get("a/1") == Document("a/1", {"n": 1}, version, version)
    await second.close()
    assert (await second.get("a/1")) is not None
    await second.close()


async def test_a_deleted_file_is_left_by_whoever_had_it_open(tmp_path: Path) -> None:
    """Else one process would go on in a file that nobody else sees and that ends with it."""
    old = sqlite_store(tmp_path)
    await old.set("a/b", {"n": 1})
    assert await old.get("a/b") is not None
    _delete(tmp_path)
    new = sqlite_store(tmp_path)
    await new.set("a/c", {"n": 2})
    assert await old.get("a/b") is None
    await old.set("a/d", {"n": 3})
    await old.close()
    assert await new.get("a/d") is not None
    await new.close()
    last = sqlite_store(tmp_path)
    assert [each.id for each in await last.query(Query("a"))] == ["c", "d"]
    await last.close()


async def test_versions_grow_when_the_clock_goes_back(tmp_path: Path) -> None:
    clock = ManualClock()
    store = sqlite_store(tmp_path, clock)
    first = await store.set("a/1", {"n": 1})
    clock.advance(-3_600)
    second = await store.set("a/1", {"n": 2})
    await store.delete("a/1")
    third = await store.create("a/1", {"n": 1})
    assert first < second < third
    await store.close()


async def test_expired_documents_are_swept(tmp_path: Path) -> None:
    clock = ManualClock()
    backend = SqliteBackend(tmp_path, expiring={"jobs"}, clock=clock)
    store = DocumentStore(backend, clock=clock)
    now = datetime.fromtimestamp(clock.wall(), UTC)
    soon, later = now + timedelta(seconds=10), now + timedelta(seconds=1_000)
    await store.commit(
        [
            Set("users/u/jobs/soon", {"expires_at": soon}),
            Set("jobs/later", {"expires_at": later}),
            Set("jobs/never", {"expires_at": "soon"}),
            Set("kept/soon", {"expires_at": soon}),
            Set("jobs/changed", {"expires_at": soon}),
        ]
    )
    await store.update("jobs/changed", {"expires_at": later})
    clock.advance(10)
    assert await backend.sweep() == 1
    assert await store.get("users/u/jobs/soon") is None
    assert await store.count(Query("jobs")) == 3
    assert await store.get("kept/soon") is not None
    clock.advance(1_000)
    await store.set("any/write", {})
    assert [each.id for each in await store.query(Query("jobs"))] == ["never"]
    await store.close()


async def test_transactions_notice_every_change_of_what_they_saw(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    await store.set("a/1", {"n": 1})
    runs = 0

    async def count(transaction: Transaction) -> int:
        nonlocal runs
        runs += 1
        found = await transaction.query(Query("a"))
        await transaction.get("b/1")
        if runs == 1:
            await store.create("a/2", {})
        if runs == 2:
            await store.create("b/1", {})
        if runs == 3:
            await store.update("a/1", {"n": 2})
        transaction.set("a/count", {"n": len(found)})
        return len(found)

    assert await store.transaction(count) == 2
    assert runs == 4

    async def overtaken(transaction: Transaction) -> None:
        await transaction.get("a/1")
        await store.update("a/1", {"n": Increment(1)})
        transaction.update("a/1", {"n": 0})

    with pytest.raises(VersionConflict, match="2 times"):
        await store.transaction(overtaken, attempts=2)
    await store.close()


async def test_a_lock_held_too_long_is_unavailable(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    await store.set("a/1", {"n": 1})
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.set("a/1", {"n": 2}, timeout_s=0.05)
    found = await store.get("a/1", timeout_s=0.5)
    assert found is not None
    assert found.data == {"n": 1}
    other.execute("ROLLBACK")
    other.close()
    await store.set("a/1", {"n": 3})
    await store.close()


@pytest.mark.parametrize("bad", ["a directory", "no database", "a newer format"])
async def test_a_file_that_is_none_of_ours_is_unavailable(tmp_path: Path, bad: str) -> None:
    path = tmp_path / FILE
    if bad == "a directory":
        path.mkdir()
    elif bad == "no database":
        path.write_bytes(b"something else entirely" * 100)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    store = sqlite_store(tmp_path)
    with pytest.raises(StoreUnavailable):
        await store.get("a/1")
    with pytest.raises(StoreUnavailable):
        await store.set("a/1", {})
    await store.close()


def test_in_memory_it_runs_on_virtual_time() -> None:
    async def work() -> int | None:
        store = memory_store()
        await asyncio.sleep(3_600)
        await asyncio.gather(*(store.change("a/1", _one_more, attempts=50) for _ in range(10)))
        found = await store.get("a/1")
        await store.close()
        assert found is not None
        assert isinstance(found.data["n"], int)
        return found.data["n"]

    assert run_virtual(work()) == 10


def _one_more(found: Document | None) -> dict[str, int]:
    old = found.data["n"] if found is not None else 0
    assert isinstance(old, int)
    return {"n": old + 1}


def _delete(folder: Path) -> None:
    for path in folder.glob(f"{FILE}*"):
        path.unlink()
