"""Asking the guard about an answer, and what that took (R2.5, R2.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from shared.clock import Deadline
from shared.errors import DeadlineExceeded
from shared.messages import JsonObject
from shared.safety.refusals import unsafe
from shared.safety.verdict import Stage, Verdict

# The guard, whoever answers for it. It raises ``SafetyUnavailable`` where nobody can judge, and
# says ``scanned`` False where the operator lets such texts by.
Judge = Callable[[str, Deadline], Awaitable[Verdict]]


class GuardWork(Struct):
    """What guarding one answer took, for receipt and counters. ``tokens`` were judged, ``spent``
    is what the judgements took; ``not_scanned`` counts texts let by without a judgement;
    ``latencies_ms`` holds one figure for each verdict; ``last`` is the last of them."""

    calls: int = 0
    tokens: int = 0
    spent: int = 0
    not_scanned: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    last: Verdict | None = None

    def to_json(self) -> JsonObject:
        """The receipt's form."""
        return {
            "calls": self.calls,
            "guarded_tokens": self.tokens,
            "spent_tokens": self.spent,
            "not_scanned": self.not_scanned,
            "latency_ms": [round(latency) for latency in self.latencies_ms],
            "verdict": self.last.to_json() if self.last is not None else None,
        }


async def ask(judge: Judge, text: str, deadline: Deadline, work: GuardWork) -> None:
    """Returns when ``text`` may pass.

    Raises ``SafetyViolation``, ``SafetyUnavailable``, or ``DeadlineExceeded``: no verdict outlives
    its request.
    """
    clock = deadline.clock
    began = clock.monotonic()
    work.calls += 1
    try:
        async with asyncio.timeout(deadline.left()) as scope:
            verdict = await judge(text, deadline)
    except TimeoutError:
        if not scope.expired():
            raise
        raise late() from None
    work.latencies_ms.append((clock.monotonic() - began) * 1000.0)
    work.tokens += verdict.tokens
    work.spent += verdict.spent
    work.not_scanned += not verdict.scanned
    work.last = verdict
    if not verdict.safe:
        raise unsafe(verdict, Stage.OUTPUT)


def late() -> DeadlineExceeded:
    """The request's deadline came first."""
    return DeadlineExceeded(
        "the deadline passed before the whole answer was judged; allow more time "
        "(codeex.deadline_seconds) or ask for a shorter answer"
    )
