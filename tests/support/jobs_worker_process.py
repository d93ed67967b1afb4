"""A worker in a process of its own, to be killed: ``-m tests.support.jobs_worker_process DIR``.

It works on the embedded store in ``DIR`` by a clock that runs ``SPEED`` times as fast, so that the
lease of one that was killed is soon over. Every step done is a line in ``DIR/steps.txt``.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

from shared.jobs.queue import JobQueue
from shared.jobs.run import Run
from shared.jobs.store import JobStore
from shared.jobs.sweep import Sweep
from shared.jobs.worker import JobWorker
from shared.messages import JsonValue
from shared.storage.blobs import BlobStore
from shared.storage.blobs_folder import FolderBlobs
from shared.storage.tasks import Tasks
from shared.storage.tasks_local import LocalTasks
from tests.support.stores import sqlite_store

SPEED = 100.0
STEPS = 3
STEP_S = 0.02  # of real time
_BEGAN = 1_795_435_200.0


class FastClock:
    """The same time in every process of the machine, ``SPEED`` times as fast."""

    def monotonic(self) -> float:
        """By the machine's monotonic clock."""
        return time.monotonic() * SPEED

    def wall(self) -> float:
        """By the machine's wall clock."""
        return _BEGAN + (time.time() - _BEGAN) * SPEED

    async def sleep(self, seconds: float) -> None:
        """A shorter wait."""
        await asyncio.sleep(seconds / SPEED)


def open_queue(folder: Path) -> JobQueue:
    """The jobs in that folder."""
    clock = FastClock()
    documents = sqlite_store(folder, clock)
    blobs = BlobStore(FolderBlobs(folder, clock=clock))
    tasks = Tasks(LocalTasks(documents, clock=clock), clock)
    store = JobStore(documents, blobs, clock, random.Random(os.urandom(8)))
    return JobQueue(store, tasks, clock, lambda: 0.0)


async def work(folder: Path) -> None:
    """Do jobs until killed."""
    queue = open_queue(folder)

    async def handler(run: Run) -> JsonValue:
        results: list[JsonValue] = []
        for number in range(STEPS):

            async def step(number: int = number) -> JsonValue:
                await asyncio.sleep(STEP_S)
                token = os.urandom(4).hex()
                with (folder / "steps.txt").open("a") as file:
                    file.write(f"{run.job.id} {number} {token}\n")
                return token

            results.append(await run.step(f"step-{number}", step))
        return results

    clock = FastClock()
    worker, sweep = JobWorker(queue, {"chat": handler}, clock), Sweep(queue, clock)
    while True:
        await worker.run_ticket()
        await sweep.run()
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1])))
