"""What happens to a moderation request: every input is judged by the guard chain, each by itself.

The same guards, quotas and remembered verdicts as for chats. Nothing is answered by a guess: where
an input could not be judged the request fails, whatever ``SAFETY_FAIL_MODE`` lets by elsewhere.
What is flagged here is nobody's violation: whoever asks wants to know, and may ask for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from shared.clock import Deadline
from shared.errors import CodeexError, SafetyUnavailable
from shared.messages import JsonObject
from shared.safety.guard import Judged
from shared.safety.verdict import Stage, Verdict

# Inputs judged side by side: more would only find the guards full.
AT_ONCE = 4
WORDLESS = "(an image without words)"


class Guard(Protocol):
    """Who judges texts."""

    async def judge(self, judged: Judged, deadline: Deadline, /) -> Verdict:
        """The verdict. Raises ``SafetyUnavailable``."""
        ...


class ModerationInput(Struct, frozen=True):
    """One thing to be judged: a text, OpenAI image parts, or both."""

    text: str
    images: tuple[JsonObject, ...] = ()


async def moderate(
    guard: Guard, inputs: Sequence[ModerationInput], deadline: Deadline
) -> list[Verdict]:
    """A verdict for each, in order. Raises ``SafetyUnavailable`` where one has none."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(item: ModerationInput) -> Verdict:
        async with turns:
            judged = Judged(Stage.INPUT, item.text or WORDLESS, "", item.images)
            verdict = await guard.judge(judged, deadline)
        if not verdict.scanned or (not item.text and not verdict.images):
            raise _not_judged()
        return verdict

    tasks = [asyncio.ensure_future(one(item)) for item in inputs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _not_judged() -> CodeexError:
    return SafetyUnavailable(
        "no safety guard could judge this input; try again in a moment", retry_after=5.0
    )
