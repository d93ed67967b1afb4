"""kill -9 of the whole system, again and again: ``python -m bench.kills``.

One ``python -m local`` with everything in it (chat, jobs, worker, local task runner) on the
embedded store, or on the Firestore emulator with ``--firestore``. Clients keep handing in work that
becomes jobs; the process is killed ``--kills`` times at random moments and started again. Every
answer of the provider is another one, so that a job done twice to a visible effect would show two
results. Prints what became of every accepted job; exits with 1 if one was lost or showed two.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.press import completion, ready
from bench.servers import ROOT, free_port
from tests.support import firestore_emulator
from tests.support.firestore_emulator import FirestoreEmulator

# Requests a minute: low enough that most requests find no capacity and become jobs.
LIMIT = 20
# No more work is handed in than the last process can finish.
MOST_JOBS = 60
ANSWER_S = 0.3
UPTIME_S = (0.2, 3.0)
HANDED_IN_AT_ONCE = 4
LAST_JOB_S = 420.0
HEADERS = {"Authorization": "Bearer dev-kills"}


@dataclass
class Provider:
    """Speaks OpenAI's wire; every answer says its number."""

    port: int = field(default_factory=free_port)
    answers: int = 0

    async def start(self) -> web.AppRunner:
        """Listen."""
        app = web.Application()
        app.router.add_post("/chat/completions", self._chat)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        await asyncio.sleep(ANSWER_S)
        self.answers += 1
        return web.json_response(completion(body["model"], f"answer {self.answers}"))


@dataclass
class Book:
    """What was accepted and what was seen of it: a job's states in order, and its results."""

    accepted: list[str] = field(default_factory=list)
    results: dict[str, set[str]] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)


async def hand_in(session: aiohttp.ClientSession, url: str, number: int, book: Book) -> None:
    """One request that takes a job; a process that dies over it has accepted nothing."""
    body = {
        "model": "groq-gpt-oss-120b",
        "messages": [{"role": "user", "content": f"A short word for number {number}, please."}],
        "max_tokens": 16,
        "codeex": {"patience_seconds": 0, "fallback": False},
    }
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body, headers=HEADERS) as reply:
            answer = await reply.json()
            if reply.status == 202:
                book.accepted.append(answer["id"])
    except (aiohttp.ClientError, TimeoutError):
        return


async def look(session: aiohttp.ClientSession, url: str, job: str, book: Book) -> None:
    """What a client sees of the job now."""
    try:
        async with session.get(f"{url}/v1/jobs/{job}", headers=HEADERS) as reply:
            seen = await reply.json()
    except (aiohttp.ClientError, TimeoutError):
        return
    book.last[job] = seen.get("status", str(seen))
    if seen.get("status") == "succeeded":
        text = seen["result"]["choices"][0]["message"]["content"]
        book.results.setdefault(job, set()).add(text)


async def uptime(
    session: aiohttp.ClientSession, url: str, seconds: float, counter: list[int], book: Book
) -> None:
    """Work with a running process for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(book.accepted) >= MOST_JOBS:
            return await look_on(session, url, end, book)
        numbers = range(counter[0], counter[0] + HANDED_IN_AT_ONCE)
        counter[0] += HANDED_IN_AT_ONCE
        await asyncio.gather(*(hand_in(session, url, number, book) for number in numbers))
        for job in random.sample(book.accepted, min(5, len(book.accepted))):
            await look(session, url, job, book)
        await asyncio.sleep(0.2)


async def look_on(session: aiohttp.ClientSession, url: str, end: float, book: Book) -> None:
    """Hand nothing in, only look."""
    while time.monotonic() < end:
        for job in random.sample(book.accepted, min(5, len(book.accepted))):
            await look(session, url, job, book)
        await asyncio.sleep(0.2)


def system(port: int, provider: int, folder: Path, emulator: str | None) -> subprocess.Popen[bytes]:
    """The whole system in one process."""
    env = {
        **os.environ,
        "PORT": str(port),
        "CODEEX_DATA_DIR": str(folder / "data"),
        "CODEEX_CONFIG": str(folder / "config.json"),
        "CODEEX_ENV_FILE": str(folder / "none.env"),
        "GROQ_API_KEY": "kills",
        "GROQ_BASE_URL": f"http://127.0.0.1:{provider}",
        "ENABLE_SAFETY_GUARD": "false",
    }
    if emulator is not None:
        env |= {"FIRESTORE_EMULATOR_HOST": emulator, "GOOGLE_CLOUD_PROJECT": "demo-kills"}
    command = [sys.executable, "-m", "local"]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


async def run(kills: int, folder: Path, emulator: str | None) -> Book:
    """Kill so often, then let the last process finish everything."""
    provider, book, counter, rng = Provider(), Book(), [0], random.Random(9)
    runner = await provider.start()
    open_limits = {"user_rpm": 1_000_000, "ip_rpm": 1_000_000, "ip_signed_in_rpm": 1_000_000}
    config = {"limits": {"groq": {"rpm": LIMIT}}, "client_limits": open_limits}
    (folder / "config.json").write_text(json.dumps(config))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        for _ in range(kills):
            process = system(port, provider.port, folder, emulator)
            try:
                await ready(session, url)
                working = uptime(session, url, 30.0, counter, book)
                task = asyncio.create_task(working)
                await asyncio.sleep(rng.uniform(*UPTIME_S))
                process.kill()
                process.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            finally:
                process.kill()
        process = system(port, provider.port, folder, emulator)
        try:
            await ready(session, url)
            end = time.monotonic() + LAST_JOB_S
            while time.monotonic() < end:
                waiting = [job for job in book.accepted if job not in book.results]
                if not waiting:
                    break
                for job in waiting:
                    await look(session, url, job, book)
                await asyncio.sleep(1.0)
            for job in book.accepted:
                await look(session, url, job, book)
        finally:
            process.terminate()
            process.wait(20)
    await runner.cleanup()
    print(f"{kills} kills, {counter[0]} requests, {provider.answers} answers of the provider")
    return book


def main() -> None:
    """Prints the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--firestore", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="codeex-kills-")))
        host = None
        if options.firestore:
            found = firestore_emulator.find(os.environ)
            if isinstance(found, str):
                raise SystemExit(found)
            emulator = FirestoreEmulator(found, folder / "emulator.txt")
            stack.callback(emulator.stop)
            emulator.wait_ready()
            host = emulator.host
        book = asyncio.run(run(options.kills, folder, host))
    states = Counter(book.last.get(job, "never seen") for job in book.accepted)
    twice = {job: texts for job, texts in book.results.items() if len(texts) > 1}
    print(f"{len(book.accepted)} jobs accepted: {dict(states)}; with two results: {len(twice)}")
    if states != Counter(succeeded=len(book.accepted)) or twice:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
