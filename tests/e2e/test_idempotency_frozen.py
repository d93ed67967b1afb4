"""A processor that is taken away the moment the client has gone, as the platform may do: the worker
of another process makes the answer, and the frozen one has no say in it any more."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

from shared.edge.idempotency_work import LOOK_AFTER_S
from shared.storage.sqlite_backend import FILE
from tests.e2e.test_idempotency import CHAT, asked, called, cut_off, fresh_key, started
from tests.support.local_process import LocalProcess
from tests.support.router_client import RouterClient

# The first words come late enough for the task to have been made, and well before the router gives
# the provider up (4 s).
SLOW_MS = 2_500
# What the task runner, the provider and a busy machine take beside.
SPARE_S = 20.0


def freeze(process: LocalProcess, data: Path) -> None:
    """Stop every part of a system, but not within a write: one instance on Firestore holds no lock
    that others wait for, whereas who is frozen while it writes to SQLite's file keeps all out."""
    for _ in range(100):
        os.killpg(process.process.pid, signal.SIGSTOP)
        file = sqlite3.connect(data / FILE, timeout=0.2, isolation_level=None)
        try:
            file.execute("BEGIN IMMEDIATE")
            file.execute("ROLLBACK")
        except sqlite3.OperationalError:
            os.killpg(process.process.pid, signal.SIGCONT)
            time.sleep(0.05)
        else:
            return
        finally:
            file.close()
    raise AssertionError("it writes all the time")


def test_an_answer_is_made_though_its_process_was_frozen_when_the_client_left(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    data = tmp_path / "data"
    with started(folders[0], data) as one, started(folders[1], data) as two:
        first, second, key = RouterClient(one.url), RouterClient(two.url), fresh_key()
        for router in (first, second):
            router.fault("groq", "slow", delay_ms=SLOW_MS)
        cut_off(one.url, key)
        freeze(one, data)
        try:
            end = time.monotonic() + LOOK_AFTER_S + SPARE_S
            while not called(second):
                assert time.monotonic() < end, "no worker came"
                time.sleep(0.1)
            live = second.post(CHAT, asked(), key)
            assert live.headers["idempotent-replayed"] == "true"
            assert second.post(CHAT, asked(), key).chunks() == live.chunks()
        finally:
            os.killpg(one.process.pid, signal.SIGCONT)
        # It goes on with its own answer, and may write none of it.
        woken = first.post(CHAT, asked(), key)
        assert woken.text() == live.text()
        assert second.post(CHAT, asked(), key).chunks() == live.chunks()
        assert (called(first), called(second)) == (1, 1)
