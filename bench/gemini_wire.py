"""Gemini over REST on the shared pool against google-genai: ``python -m bench.gemini_wire``.

A scripted Gemini server on loopback answers at once, in a process of its own; each client runs in
a fresh process, whose import, memory and CPU time are read there. google-genai is measured only
where the interpreter given by ``--genai-python`` has it (default: this one); it is no dependency
of the project. Figures: docs/providers/google.md.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

MODEL = "gemini-3.8-flash"
WORDS = 64
AT_ONCE = 16
PROMPT = "Say something of exactly that length, please."
ROOT = Path(__file__).resolve().parent.parent
IMPORTS = {
    "aiohttp": "import aiohttp, orjson",
    "rest": "import shared.providers.google",
    "genai": "import aiohttp, google.genai",
    "both": "import shared.providers.google, google.genai",
}

# ----------------------------------------------------------------------------------- the server


def _partial(text: str, last: bool) -> bytes:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if last:
        candidate["finishReason"] = "STOP"
    return json.dumps(
        {
            "candidates": [{**candidate, "index": 0}],
            "usageMetadata": {
                "promptTokenCount": 9,
                "candidatesTokenCount": WORDS,
                "totalTokenCount": WORDS + 9,
            },
            "modelVersion": MODEL,
            "responseId": "bench",
        }
    ).encode()


def _replies() -> tuple[bytes, list[bytes]]:
    """A whole answer, and a stream of one event a word with its head first."""
    whole = _partial(" word" * WORDS, True)
    plain = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)
    )
    events = [
        b"data: " + _partial(" word", place == WORDS - 1) + b"\r\n\r\n" for place in range(WORDS)
    ]
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    parts = [head, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events)]
    parts[-1] += b"0\r\n\r\n"
    return plain, parts


async def serve() -> None:
    """Answer until killed; the address is printed first."""
    plain, stream = _replies()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                if b":streamGenerateContent" not in head:
                    writer.write(plain)
                    continue
                for part in stream:
                    writer.write(part)
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


# ---------------------------------------------------------------------------------- the clients


async def _cpu_ms(ask: Callable[[], Awaitable[int]], count: int) -> float:
    """CPU milliseconds of this process for one ``ask``, ``AT_ONCE`` at a time."""

    async def worker(times: int) -> None:
        for _ in range(times):
            if await ask() != len(" word") * WORDS:
                raise SystemExit("the answer is not whole")

    await asyncio.gather(*(worker(max(1, count // AT_ONCE // 5)) for _ in range(AT_ONCE)))
    before = time.process_time()
    each = count // AT_ONCE
    await asyncio.gather(*(worker(each) for _ in range(AT_ONCE)))
    return (time.process_time() - before) / (each * AT_ONCE) * 1000


async def rest_client(url: str, count: int) -> dict[str, float]:
    """CPU per plain call and per stream through ``GoogleProvider``."""
    from shared.messages import ChatRequest, JsonObject
    from shared.model import Capability, Feature, ModelCard
    from shared.providers.base import ProviderCall, Timeouts
    from shared.providers.google import GoogleProvider
    from shared.providers.http import HttpPool
    from shared.settings import ProviderSettings

    pool = HttpPool()
    google = GoogleProvider(ProviderSettings("google", url, "key", "live"), pool, time.time)
    card = ModelCard(
        id=MODEL,
        name=MODEL,
        provider="google",
        provider_model_id=MODEL,
        capabilities=frozenset({Capability.TEXT}),
        source="bench",
        free_tier="quota",
        features=frozenset({Feature.STREAMING}),
    )
    message: JsonObject = {"role": "user", "content": PROMPT}
    request = ChatRequest({"messages": [message]}, MODEL, [message], 10, max_tokens=WORDS)
    times = Timeouts(first_byte=10.0, stall=10.0, total=60.0)

    async def plain() -> int:
        answer = await google.complete(ProviderCall(card, request), times)
        told = answer.choices[0]["message"]
        return len(str(told["content"])) if isinstance(told, dict) else 0

    async def streamed() -> int:
        size = 0
        async for chunks in google.stream(ProviderCall(card, request), times):
            size += sum(len(chunk.text) for chunk in chunks)
        return size

    try:
        return {"plain": await _cpu_ms(plain, count), "stream": await _cpu_ms(streamed, count)}
    finally:
        await pool.close()


async def genai_client(url: str, count: int) -> dict[str, float]:
    """The same through google-genai's asynchronous client (aiohttp, where installed)."""
    genai = importlib.import_module("google.genai")
    options = genai.types.HttpOptions(base_url=url, api_version="v1beta")
    config = genai.types.GenerateContentConfig(max_output_tokens=WORDS)
    models = genai.Client(api_key="key", http_options=options).aio.models

    async def plain() -> int:
        answer = await models.generate_content(model=MODEL, contents=PROMPT, config=config)
        return len(answer.text)

    async def streamed() -> int:
        size = 0
        async for part in await models.generate_content_stream(
            model=MODEL, contents=PROMPT, config=config
        ):
            size += len(part.text or "")
        return size

    return {"plain": await _cpu_ms(plain, count), "stream": await _cpu_ms(streamed, count)}


CLIENTS = {"rest": rest_client, "genai": genai_client}


def client(name: str, url: str, count: int) -> None:
    """Measure in this process and print JSON; memory in MiB after the calls."""
    found = asyncio.run(CLIENTS[name](url, count))
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


# ------------------------------------------------------------------------------------ the report


def _import_costs(pythons: dict[str, str], times: int) -> dict[str, tuple[float, float]]:
    """Median CPU milliseconds and MiB of fresh interpreters that only import, taken in turn."""
    program = (
        "import time, resource; begin = time.process_time()\n"
        "{}\n"
        "print((time.process_time() - begin) * 1000,"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    runs: dict[str, list[list[float]]] = {name: [] for name in pythons}
    for _ in range(times + 1):
        for name, python in pythons.items():
            printed = _output([python, "-c", program.format(IMPORTS[name])]).split()
            runs[name].append([float(number) for number in printed])
    return {
        name: (
            statistics.median(run[0] for run in found[1:]),  # the first one fills the caches
            statistics.median(run[1] for run in found[1:]),
        )
        for name, found in runs.items()
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _has_genai(python: str) -> bool:
    probe = "import importlib.util as u; print(u.find_spec('google.genai') is not None)"
    tried = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    return tried.stdout.strip() == "True"


def report(genai_python: str, count: int, rounds: int) -> None:
    """Print the table; medians of ``rounds`` runs, the clients in turn."""
    pythons = {"rest": sys.executable}
    if _has_genai(genai_python):
        pythons["genai"] = genai_python
    else:
        print("google-genai is not installed here: only the REST wire is measured")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    command = [sys.executable, "-m", "bench.gemini_wire", "serve"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            for _ in range(rounds):
                for name, python in pythons.items():
                    asked = [python, "-m", "bench.gemini_wire", "client", name, url, str(count)]
                    runs[name].append(json.loads(_output(asked)))
        finally:
            server.kill()
    importers = {"aiohttp": sys.executable, **pythons}
    if "genai" in pythons:
        importers["both"] = genai_python
    print(f"{'client':<10}{'import ms':>10}{'MiB':>7}{'plain ms':>10}{'stream ms':>11}{'MiB':>7}")
    for name, (took, memory) in _import_costs(importers, 7).items():
        line = f"{name:<10}{took:>10.0f}{memory:>7.0f}"
        if name in runs:
            found = {
                key: statistics.median(run[key] for run in runs[name])
                for key in ("plain", "stream", "memory")
            }
            line += f"{found['plain']:>10.3f}{found['stream']:>11.3f}{found['memory']:>7.0f}"
        print(line)


def main() -> None:
    """Command line."""
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:2] == ["client"]:
        client(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        parser = argparse.ArgumentParser(description="Gemini over REST against google-genai.")
        parser.add_argument("--genai-python", default=sys.executable)
        parser.add_argument("--calls", type=int, default=1600)
        parser.add_argument("--rounds", type=int, default=3)
        given = parser.parse_args()
        report(given.genai_python, given.calls, given.rounds)


if __name__ == "__main__":
    main()
