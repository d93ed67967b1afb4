"""A runner of its own: ``python -m tests.support.tasks_runner_process DATA_DIR WORKER_URL``.

It runs until it is killed, and says ``ready`` first.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from pathlib import Path

import aiohttp

from local.tasks_queue import QueueConfig, Retry
from local.tasks_runner import TasksRunner
from local.tasks_target import HttpTarget
from shared.clock import SystemClock
from shared.storage.documents import DocumentStore
from shared.storage.sqlite_backend import SqliteBackend

# Short, so that what a killed runner held comes back soon.
QUEUE = QueueConfig("interactive", max_concurrent=3, retry=Retry(min_backoff_s=0.05), lease_s=0.5)


async def main(data_dir: Path, worker_url: str) -> None:
    """Until killed."""
    logging.disable()
    store = DocumentStore(SqliteBackend(data_dir))
    async with aiohttp.ClientSession() as session:
        target = HttpTarget(session, worker_url, {"x-token": "of this runner"})
        runner = TasksRunner(
            store, [QUEUE], target, clock=SystemClock(), rng=random.Random(), poll_s=0.05
        )
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await runner.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
