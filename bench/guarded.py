"""What guarding a stream costs and how it feels: calls, first text, longest pause, CPU.

Run: ``python -m bench.guarded``. A provider of steady pace (tokens of four characters) and a guard
of steady latency, on virtual time; the CPU is that of the whole path on top of the provider, over
an answer of 2,000 tokens.
"""

from __future__ import annotations

import itertools
import time

from tests.support.fake_provider import Act, says
from tests.support.guarded_world import GuardedClient, steady, tokens_of
from tests.support.routing_world import card
from tests.support.virtual_time import run_virtual

TOKENS = 2_000
WORDS = "Rain fell on the old town while people waited under the roof of the station. "
PIECES = tokens_of((WORDS * TOKENS)[: TOKENS * 4])
MODEL = card("alpha-one")


def stream(act: Act, guard_s: float, *, guarded: bool = True) -> GuardedClient:
    """One answer, listened to by a client that keeps up."""

    async def main() -> GuardedClient:
        client = GuardedClient([MODEL], {MODEL.id: act}, seconds=guard_s)
        await client.listen(guarded=guarded)
        return client

    return run_virtual(main())


def felt(rate: float, guard_s: float) -> None:
    """Print how a stream of that many tokens a second behaves."""
    client = stream(steady(PIECES, rate), guard_s)
    end = client.heard[-1][0]
    pauses = [later - one for one, later in itertools.pairwise([*client.said_at, end])]
    first = client.said_at[0] - 79 / rate
    print(
        f"{rate:6.0f}/s {guard_s * 1000:8.0f} ms {client.work.calls:6}"
        f" {client.work.calls * 150 / TOKENS:12.2f} {first * 1000:14.0f} ms"
        f" {max(pauses) * 1000:11.0f} ms {(end - (TOKENS - 1) / rate) * 1000:9.0f} ms"
        f" {client.work.tokens:8}"
    )


def cpu(guarded: bool) -> float:
    """Microseconds of CPU for a token, the best of five answers."""
    act = Act(chunks=says(*PIECES))
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        stream(act, 0.0, guarded=guarded)
        best = min(best, time.process_time() - start)
    return best / TOKENS * 1e6


def main() -> None:
    """Print every figure."""
    print(
        "    pace     guard  calls  per 150 tok.  after 80th tok.  longest gap  after end   judged"
    )
    for rate in (20, 60, 150, 300):
        for guard_s in (0.15, 0.6, 1.5):
            felt(rate, guard_s)
    print(f"CPU for a token: {cpu(False):.1f} us unguarded, {cpu(True):.1f} us guarded")


if __name__ == "__main__":
    main()
