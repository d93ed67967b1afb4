"""Which texts of a request are screened for injection (R18.8).

The newest turn of the user and what tools returned after it are judged by themselves. Older ones
were judged when they came: they are looked at again, but block nothing on a doubt. System messages
are the application's own; assistant turns are a model's, and were guarded when they were given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from shared.safety.injection import InjectionVerdict, judge

# Of what was said in earlier turns, a score must be as high as this to count in full.
_OLD = 0.97
_MOST_OLD = 8  # earlier texts looked at
_USER = "user"
_DATA = frozenset({"tool", "function"})


async def screen_messages(messages: Sequence[Mapping[str, object]]) -> InjectionVerdict:
    """The verdict on a request's messages (OpenAI's shape): that of its worst text.

    Between two slices of a text, and two texts, others have their turn on the event loop.
    """
    worst = verdict = InjectionVerdict(flagged=False, score=0.0)
    older = steps = 0
    for text, newest in _texts(messages):
        if not newest:
            older += 1
            if older > _MOST_OLD:
                break
        for so_far in judge(text):
            if steps:
                await asyncio.sleep(0)
            steps += 1
            verdict = so_far
        if not newest and verdict.score < _OLD:
            verdict = InjectionVerdict(flagged=False, score=verdict.score / 2)
        if (verdict.flagged, verdict.score) > (worst.flagged, worst.score):
            worst = verdict
    return worst


def _texts(messages: Sequence[Mapping[str, object]]) -> Iterator[tuple[str, bool]]:
    """Texts of users and tools, newest message first, and whether they belong to this turn."""
    newest = True
    for message in reversed(messages):
        role = message.get("role")
        if role == _USER or role in _DATA:
            for text in _parts(message.get("content")):
                yield text, newest
        if role == _USER:
            newest = False


def _parts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            text = part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str):
                yield text
