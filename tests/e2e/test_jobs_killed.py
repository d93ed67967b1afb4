"""kill -9 of a worker, again and again: every job ends once, with every result kept."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

from shared.jobs.job import State
from tests.support.jobs_worker_process import STEPS, open_queue

KILLS = 50
JOBS = 60


def _worker(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.jobs_worker_process", str(folder)]
    return subprocess.Popen(command)


async def test_p78_kill_9_loses_no_job_and_does_none_twice(tmp_path: Path) -> None:
    rng = random.Random(78)
    queue = open_queue(tmp_path)
    steps = tmp_path / "steps.txt"
    steps.touch()
    jobs = [
        await queue.submit("u1", "chat", {"n": n}, priority=5, total=STEPS) for n in range(JOBS)
    ]
    for _ in range(KILLS):
        before = steps.stat().st_size
        process = _worker(tmp_path)
        for _ in range(500):  # killed while it works, not while it starts
            if steps.stat().st_size > before or process.poll() is not None:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(rng.random() * 0.1)
        process.kill()
        process.wait()
    process = _worker(tmp_path)
    try:
        for _ in range(1_200):
            ended = [await queue.get("u1", job.id) for job in jobs]
            if all(job.state.finished for job in ended):
                break
            await asyncio.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    done = {tuple(line.split()) for line in steps.read_text().splitlines()}
    for job in ended:
        assert job.state is State.SUCCEEDED, job.to_json()
        result = job.to_json()["result"]
        assert isinstance(result, list)
        assert len(result) == STEPS
        assert all((job.id, str(n), token) in done for n, token in enumerate(result))
    # A step is done again only where a worker died over it.
    assert JOBS * STEPS <= len(done) <= JOBS * STEPS + KILLS
    await queue.store.documents.close()
