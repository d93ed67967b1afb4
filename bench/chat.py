"""The chat path against the bare pass-through, in one run: ``python -m bench.chat [--quick]``.

Prints requests/s, CPU per request, added latency, streams and cold start, with ratios to the
bare pass-through of the same run: machines differ, ratios hold. Ourselves on Firestore (where its
emulator is found) and peers that are installed (``litellm`` on PATH) are measured beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from bench import load, peers, servers
from bench.load import Target, Timing
from tests.support import firestore_emulator

MODEL = "groq-gpt-oss-120b"
GEMINI = "google-gemini-3.5-flash-lite"
CONNECTIONS = 16
SLOW_STREAMS = 64
SLOW_TOKENS = 100
TOKEN_DELAY_MS = 10


def body(model: str, *, stream: bool = False, tokens: int = 64, delay_ms: int = 0) -> bytes:
    """A chat request of one short message."""
    request: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": "Say something of exactly that length, please."}],
        "max_tokens": tokens,
    }
    if stream:
        request["stream"] = True
    if delay_ms:
        request["user"] = f"delay={delay_ms}"
    return orjson.dumps(request)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def measure(
    target: Target, server: servers.Server, model: str, seconds: float, rounds: int
) -> dict[str, float]:
    """All figures of one system. Times in ms, CPU in ms a request, rates a second."""
    plain, streamed = body(model), body(model, stream=True)
    await load.concurrent(target, plain, CONNECTIONS, min(2.0, seconds))  # warm
    rates, cpu = [], []
    for _ in range(rounds):
        before = server.cpu_seconds()
        count, took, _timings = await load.concurrent(target, plain, CONNECTIONS, seconds)
        rates.append(count / took)
        cpu.append((server.cpu_seconds() - before) / count * 1000)
    await load.concurrent(target, streamed, CONNECTIONS, 1.0)
    count, took, _timings = await load.concurrent(target, streamed, CONNECTIONS, seconds)
    one = await load.sequential(target, plain, 400)
    first = await load.sequential(target, streamed, 200)
    slow = body(model, stream=True, tokens=SLOW_TOKENS, delay_ms=TOKEN_DELAY_MS)
    # Only the OpenAI wire carries the field that asks the upstream to be slow.
    paced = [] if model == GEMINI else await load.together(target, slow, SLOW_STREAMS)
    figures = {
        "requests_per_s": statistics.median(rates),
        "cpu_ms": statistics.median(cpu),
        "streams_per_s": count / took,
        "p50_ms": percentile([t.total for t in one], 0.5) * 1000,
        "p95_ms": percentile([t.total for t in one], 0.95) * 1000,
        "first_token_ms": percentile([t.first for t in first], 0.5) * 1000,
        "memory_mib": server.memory_mib(),
    }
    return {**figures, "paced_late_ms": _late(paced)} if paced else figures


def _late(paced: list[Timing]) -> float:
    """How many ms the slowest of the paced streams took beyond its provider's own time."""
    return max(t.total for t in paced) * 1000 - SLOW_TOKENS * TOKEN_DELAY_MS


def cold_start(server: servers.Server, target: Target, request: bytes) -> float:
    """Seconds from spawn to the end of the first answer."""
    server.wait_ready()
    asyncio.run(load.sequential(target, request, 1))
    return time.perf_counter() - server.started


def run(seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """Measure the direct call, the bare pass-through, ourselves, and the peers that are here."""
    results: dict[str, dict[str, float]] = {}
    provider = servers.upstream(core=1)
    beside = contextlib.ExitStack()
    try:
        provider.wait_ready("/")
        direct = Target("direct", provider.port, "/chat/completions")
        one = asyncio.run(load.sequential(direct, body("m"), 400))
        first = asyncio.run(load.sequential(direct, body("m", stream=True), 200))
        results["direct"] = {
            "p50_ms": percentile([t.total for t in one], 0.5) * 1000,
            "p95_ms": percentile([t.total for t in one], 0.95) * 1000,
            "first_token_ms": percentile([t.first for t in first], 0.5) * 1000,
        }
        token = servers.emulator_token("bench")
        bearer = {"Authorization": f"Bearer {token}"}
        systems: list[peers.System] = [
            ("bare", lambda: servers.bare(provider.port, 0), {}, "m"),
            ("codeex", lambda: servers.ours(provider.port, 0), bearer, MODEL),
            ("gemini wire", lambda: servers.ours(provider.port, 0), bearer, GEMINI),
            *_on_firestore(provider.port, bearer, beside),
            *peers.installed(provider.port),
        ]
        for name, start, headers, model in systems:
            server = start()
            try:
                target = Target(name, server.port, headers=headers)
                cold = cold_start(server, target, body(model))
                figures = asyncio.run(measure(target, server, model, seconds, rounds))
                results[name] = {"cold_start_s": cold, **figures}
            finally:
                server.stop()
    finally:
        beside.close()
        provider.stop()
    return results


def _on_firestore(
    upstream_port: int, headers: dict[str, str], beside: contextlib.ExitStack
) -> list[peers.System]:
    """Ourselves on the Firestore emulator, where there is one; ``beside`` stops it."""
    found = firestore_emulator.find(os.environ)
    if isinstance(found, str):
        return []
    folder = beside.enter_context(tempfile.TemporaryDirectory(prefix="codeex-bench-"))
    emulator = firestore_emulator.FirestoreEmulator(found, Path(folder) / "output.txt")
    beside.callback(emulator.stop)
    emulator.wait_ready()
    start = functools.partial(servers.ours, upstream_port, 0, firestore=emulator.host)
    # The emulator's own first calls take a second: they are not ours.
    first = start()
    beside.callback(first.stop)
    cold_start(first, Target("first", first.port, headers=headers), body(MODEL))
    first.stop()
    return [("firestore", start, headers, MODEL)]


def table(results: dict[str, dict[str, float]]) -> str:
    """The figures, systems as columns, and the ratios that machines share."""
    names = list(results)
    rows = list(dict.fromkeys(key for figures in results.values() for key in figures))
    lines = [f"{'':16}" + "".join(f"{name:>12}" for name in names)]
    for row in rows:
        cells = (f"{results[n][row]:12.3f}" if row in results[n] else f"{'-':>12}" for n in names)
        lines.append(f"{row:16}" + "".join(cells))
    ours, yard, direct = results["codeex"], results["bare"], results["direct"]
    gemini = results["gemini wire"]
    lines += [
        "",
        f"requests/s to bare       {ours['requests_per_s'] / yard['requests_per_s']:.2f}"
        "   (bar 0.38, goal 0.53)",
        f"Gemini wire to OpenAI's  {gemini['requests_per_s'] / ours['requests_per_s']:.2f}"
        f" plain, {gemini['streams_per_s'] / ours['streams_per_s']:.2f} streamed   (bar 0.5)",
        f"CPU a request to bare    {ours['cpu_ms'] / yard['cpu_ms']:.2f}   (bar 2.6)",
        f"p50 added to direct      {ours['p50_ms'] - direct['p50_ms']:.2f} ms   (bar 1.0)",
        f"first token added        {ours['first_token_ms'] - direct['first_token_ms']:.2f} ms"
        "   (bar 3)",
        f"64 paced streams late by {ours['paced_late_ms']:.0f} ms"
        f"   (bare {yard['paced_late_ms']:.0f} ms)",
        f"spawn to first answer    {ours['cold_start_s']:.2f} s   (bar 0.7)",
        f"memory                   {ours['memory_mib']:.0f} MiB   (bar 100)",
    ]
    if "firestore" in results:
        stored = results["firestore"]
        lines += [
            f"on Firestore             {stored['cold_start_s']:.2f} s,"
            f" {stored['memory_mib']:.0f} MiB   (bars 1.0, 140)",
            f"its CPU to the embedded  {stored['cpu_ms'] / ours['cpu_ms']:.2f}",
        ]
    return "\n".join(lines)


def main() -> int:
    """Run and print; ``--json`` prints the raw figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter rounds, rougher figures")
    parser.add_argument("--json", action="store_true", help="print raw figures as JSON")
    options = parser.parse_args()
    results = run(2.0, 1) if options.quick else run(5.0, 3)
    print(json.dumps(results, indent=1) if options.json else table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
