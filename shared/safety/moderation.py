"""A verdict in the words of OpenAI's moderation endpoint: thirteen categories, true and likely.

Our guards name one of seven categories (R2.4); which of OpenAI's that means is data
(``moderation_categories.json``). What they do not tell apart is never claimed: the intent to harm
oneself and instructions for it, or violence and its graphic sight, are all the wider category.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson
from msgspec import Struct

from shared.checking import checked
from shared.messages import JsonObject
from shared.safety.guard_data import GuardDataError
from shared.safety.verdict import Hazard, Severity, Verdict

FILE = Path(__file__).parent / "moderation_categories.json"
# https://platform.openai.com/docs/api-reference/moderations/object
OPENAI_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class Meaning(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of OpenAI's categories a hazard is, and which besides where it is CRITICAL."""

    categories: tuple[str, ...]
    critical: tuple[str, ...] = ()

    def at(self, severity: Severity | None) -> tuple[str, ...]:
        """The categories of a hazard of that severity."""
        critical = severity is Severity.CRITICAL
        return (*self.categories, *self.critical) if critical else self.categories


@cache
def meanings() -> dict[Hazard, Meaning]:
    """By hazard. Raises ``GuardDataError``."""
    found, problems = checked(orjson.loads(FILE.read_bytes()), dict[Hazard, Meaning])
    wrong = [f"{FILE.name} {'.'.join(path)}: {said}" for path, said in problems]
    for hazard in Hazard:
        meaning = found.get(hazard) if found is not None else None
        named = () if meaning is None else (*meaning.categories, *meaning.critical)
        if not named or not set(named) <= set(OPENAI_CATEGORIES):
            wrong.append(f"{FILE.name} {hazard}: names no category, or one that OpenAI has not")
    if found is None or wrong:
        raise GuardDataError("; ".join(wrong))
    return found


def moderation_of(verdict: Verdict, *, has_text: bool) -> JsonObject:
    """One of ``results``: ``flagged``, ``categories``, ``category_scores``, and the kinds of input
    each was looked for in."""
    named: tuple[str, ...] = ()
    if not verdict.safe and verdict.hazard is not None:
        named = meanings()[verdict.hazard].at(verdict.severity)
    kinds = [*(["text"] if has_text else []), *(["image"] if verdict.images else [])]
    scores = _scores(verdict)
    return {
        "flagged": not verdict.safe,
        "categories": {name: name in named for name in OPENAI_CATEGORIES},
        "category_scores": {name: scores[name] for name in OPENAI_CATEGORIES},
        "category_applied_input_types": {name: [*kinds] for name in OPENAI_CATEGORIES},
    }


def _scores(verdict: Verdict) -> dict[str, float]:
    """How likely each category is.

    A verdict says one of eight things: safe, or one of seven hazards. What it says has its
    confidence; what is left to 1 is spread evenly over the seven that it did not say. A category
    of several hazards has their sum.
    """
    rest = (1.0 - verdict.confidence) / len(Hazard)
    scores = dict.fromkeys(OPENAI_CATEGORIES, 0.0)
    for hazard, meaning in meanings().items():
        said = not verdict.safe and hazard is verdict.hazard
        likely = verdict.confidence if said else rest
        for name in meaning.at(verdict.severity if said else None):
            scores[name] += likely
    return {name: round(min(1.0, score), 4) for name, score in scores.items()}
