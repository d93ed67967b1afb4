"""Our own look at a text, beside the guard's: words that harm is usually asked for in.

It decides nothing. It only says whether a verdict is seen the same way from here, for guards that
do not say how sure they are.
"""

from __future__ import annotations

import re
from functools import cache

import orjson
from msgspec import Struct

from shared.checking import checked
from shared.safety.guard_data import FOLDER, GuardDataError

# Characters looked at: orders stand first or last.
_HEAD, _TAIL = 6000, 3000


class _Signals(Struct, frozen=True, forbid_unknown_fields=True):
    """``alone``: alarming by themselves; ``things``: where one of ``acts`` stands before them."""

    alone: tuple[str, ...]
    acts: tuple[str, ...]
    things: tuple[str, ...]


def alarming(text: str) -> bool:
    """Whether a text uses words that harm is asked for in."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    return _pattern().search(text.lower()) is not None


@cache
def _pattern() -> re.Pattern[str]:
    found, problems = checked(orjson.loads((FOLDER / "signals.json").read_bytes()), _Signals)
    if found is None:
        raise GuardDataError(f"signals.json: {problems}")
    alone, acts, things = (
        "|".join(map(re.escape, words)) for words in (found.alone, found.acts, found.things)
    )
    return re.compile(rf"\b(?:{alone})\b|\b(?:{acts})\b[^.!?\n]{{0,80}}?\b(?:{things})\b")
