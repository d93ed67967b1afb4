"""A provider's limit under pressure: ``python -m bench.press [--seconds 180] [--limit 20]``.

Three instances (``python -m local``) on one Firestore emulator, one provider with a limit a
minute that writes down when each request arrives. 200 requests are kept under way all the time:
half by clients that can take a job and wait for it, half by clients that come again when told.
Prints the most requests in any sliding 60 s, the share of the allowed ones that was used, what
became of every request, and the store's operations for each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.servers import ROOT, free_port
from tests.support import firestore_emulator
from tests.support.firestore_emulator import FirestoreEmulator

INSTANCES = 3
CLIENTS = 200
WINDOW_S = 60.0
START_LIMIT_S = 60.0
LOOK_EVERY_S = 10.0
OPEN = {"user_rpm": 1_000_000, "ip_rpm": 1_000_000, "ip_signed_in_rpm": 1_000_000}
JobPages = dict[str, str]


def completion(model: str, text: str) -> dict[str, object]:
    """A chat completion as OpenAI's wire has it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-press",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    }


class Provider:
    """Speaks OpenAI's wire and knows when it was asked (monotonic s)."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.port = free_port()

    async def start(self) -> web.AppRunner:
        """Listen on ``port``."""
        app = web.Application()
        app.router.add_post("/chat/completions", self._chat)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        return runner

    async def _chat(self, request: web.Request) -> web.Response:
        self.arrivals.append(time.monotonic())
        body = await request.json()
        return web.json_response(completion(body["model"], "Here you are."))


@dataclass
class Tally:
    """What became of the requests."""

    outcomes: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    open_jobs: JobPages = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)


def worst_window(arrivals: list[float]) -> int:
    """The most arrivals in any 60 s."""
    worst = first = 0
    for last, at in enumerate(arrivals):
        while arrivals[first] <= at - WINDOW_S:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def used_share(arrivals: list[float], limit: int, end: float) -> float:
    """Arrivals in the whole minutes from the first one until ``end``, over what they allow."""
    minutes = int((end - arrivals[0]) / WINDOW_S)
    used = sum(at < arrivals[0] + minutes * WINDOW_S for at in arrivals)
    return used / (limit * minutes)


async def client(
    session: aiohttp.ClientSession, urls: list[str], name: int, end: float, tally: Tally
) -> None:
    """One user: asks, takes what comes, asks again."""
    takes_jobs = name % 2 == 0
    headers = {"Authorization": f"Bearer dev-press{name}"}
    body: dict[str, object] = {
        "model": "auto",
        "messages": [{"role": "user", "content": f"A short word for number {name}, please."}],
        "max_tokens": 16,
    }
    if takes_jobs:
        body["codeex"] = {}
    url = urls[name % len(urls)]
    while time.monotonic() < end:
        began = time.monotonic()
        async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as reply:
            answer = await reply.json()
            wait_s = float(reply.headers.get("Retry-After", "1"))
            status = reply.status
        tally.outcomes[f"{status} {answer.get('error', {}).get('code', '')}".strip()] += 1
        if status == 200:
            tally.waits.append(time.monotonic() - began)
        elif status == 202:
            job = f"{url}/v1/jobs/{answer['id']}"
            tally.open_jobs[job] = headers["Authorization"]
            while job in tally.open_jobs and time.monotonic() < end:
                await asyncio.sleep(min(LOOK_EVERY_S, max(0.0, end - time.monotonic())))
                await look(session, job, tally)
        else:
            await asyncio.sleep(min(wait_s, max(0.0, end - time.monotonic())))


async def look(session: aiohttp.ClientSession, job: str, tally: Tally) -> None:
    """Whether the job has ended, and how."""
    async with session.get(job, headers={"Authorization": tally.open_jobs[job]}) as reply:
        status = (await reply.json()).get("status", str(reply.status))
    if status not in ("queued", "running"):
        tally.ended[status] += 1
        del tally.open_jobs[job]


async def jobs_end(session: aiohttp.ClientSession, tally: Tally, limit: int) -> None:
    """Wait for every job that was accepted."""
    patience = time.monotonic() + WINDOW_S * (2 + len(tally.open_jobs) / limit) * 1.3
    while tally.open_jobs and time.monotonic() < patience:
        for job in list(tally.open_jobs):
            await look(session, job, tally)
        await asyncio.sleep(2.0)
    if tally.open_jobs:
        tally.ended["unfinished"] = len(tally.open_jobs)


async def operations(session: aiohttp.ClientSession, urls: list[str]) -> Counter[str]:
    """Reads and writes of all instances, by collection."""
    counted: Counter[str] = Counter()
    for url in urls:
        headers = {"Authorization": "Bearer dev-admin"}
        async with session.get(f"{url}/admin/api/store-operations", headers=headers) as reply:
            rows = (await reply.json())["data"]
        for name, tally in rows.items():
            counted[f"{name} read"] += tally["reads"]
            counted[f"{name} written"] += tally["writes"]
    return counted


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until the instance answers."""
    end = time.monotonic() + START_LIMIT_S
    while True:
        try:
            async with session.get(f"{url}/health"):
                return
        except aiohttp.ClientError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.05)


def instance(
    port: int, emulator: str, folder: Path, config: Path, provider: int
) -> subprocess.Popen[bytes]:
    """One process of the whole system, with one real provider."""
    env = {
        **os.environ,
        "PORT": str(port),
        "FIRESTORE_EMULATOR_HOST": emulator,
        "GOOGLE_CLOUD_PROJECT": "demo-press",
        "CODEEX_DATA_DIR": str(folder),
        "CODEEX_CONFIG": str(config),
        "CODEEX_ENV_FILE": str(folder / "none.env"),
        "GROQ_API_KEY": "press",
        "GROQ_BASE_URL": f"http://127.0.0.1:{provider}",
    }
    command = [sys.executable, "-m", "local"]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


async def press(seconds: float, limit: int, emulator: str, folder: Path) -> None:
    """The whole run."""
    provider = Provider()
    runner = await provider.start()
    config = folder / "config.json"
    config.write_text(json.dumps({"limits": {"groq": {"rpm": limit}}, "client_limits": OPEN}))
    ports = [free_port() for _ in range(INSTANCES)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    processes = [instance(port, emulator, folder, config, provider.port) for port in ports]
    tally = Tally()
    timeout = aiohttp.ClientTimeout(total=90)
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            for url in urls:
                await ready(session, url)
            end = time.monotonic() + seconds
            await asyncio.gather(
                *(client(session, urls, name, end, tally) for name in range(CLIENTS))
            )
            counted = await operations(session, urls)
            sent = len(provider.arrivals)
            share = used_share(provider.arrivals, limit, end)
            await jobs_end(session, tally, limit)
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)
        await runner.cleanup()
    print(f"limit {limit} a minute, {INSTANCES} instances, {CLIENTS} clients, {seconds:.0f} s")
    print(f"most in any 60 s: {worst_window(provider.arrivals)} (of {limit})")
    print(f"used of what is allowed, in whole minutes: {share:.1%}")
    print(f"outcomes: {dict(tally.outcomes)}; jobs in the end: {dict(tally.ended)}")
    if tally.waits:
        print(f"answered after {statistics.median(tally.waits):.1f} s (median)")
    for name, number in sorted(counted.items()):
        print(f"store, a request sent: {number / sent:.2f} {name}")


def main() -> None:
    """Needs the Firestore emulator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--limit", type=int, default=20)
    options = parser.parse_args()
    found = firestore_emulator.find(os.environ)
    if isinstance(found, str):
        raise SystemExit(found)
    with tempfile.TemporaryDirectory(prefix="codeex-press-") as folder:
        emulator = FirestoreEmulator(found, Path(folder) / "emulator.txt")
        emulator.wait_ready()
        try:
            asyncio.run(press(options.seconds, options.limit, emulator.host, Path(folder)))
        finally:
            emulator.stop()


if __name__ == "__main__":
    main()
