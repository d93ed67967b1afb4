"""The prompts that the local classifier is trained on, written for this project.

``bench/data/prompts/CATEGORY.txt`` holds one prompt a line. ``«a|b|c»`` is a choice, choices nest,
``«@name»`` draws from the list of that name in ``slots.txt``, ``\\n`` is a new line and ``\\|`` a
bar. ``plain/CATEGORY.txt`` holds prompts without choices, each another. Nothing in them comes from
a public evaluation set: ``python -m bench.classifier FOLDER --shared`` looks for runs of words that
they have in common with such sets.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from shared.model import Category

FOLDER = Path(__file__).parent / "data" / "prompts"
_PIECE = re.compile(r"\\n|\\\||[«»|]|[^«»|\\]+|\\")
_NAMES = re.compile(r"«@(\w+)»|(?<=[«|])@(\w+)(?=[|»])")


@dataclass(slots=True)
class Line:
    """One line of a file: a prompt, or the pattern of several."""

    category: Category
    pattern: str
    plain: bool = False


def lines() -> list[Line]:
    """Every line of every category's files."""
    found = []
    for folder in (FOLDER, FOLDER / "plain"):
        plain = folder is not FOLDER
        for category in Category:
            path = folder / f"{category}.txt"
            rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            for row in rows:
                if row and not row.startswith("# "):
                    pattern = row.replace("|", "\\|") if plain else row
                    found.append(Line(category, pattern, plain))
    return found


def slots() -> dict[str, list[str]]:
    """The lists that patterns draw from."""
    rows = (FOLDER / "slots.txt").read_text(encoding="utf-8").splitlines()
    pairs = (row.split(": ", 1) for row in rows if row and not row.startswith("#"))
    return {name: [item.strip() for item in items.split(" | ")] for name, items in pairs}


def expand(pattern: str, known: dict[str, list[str]], rng: random.Random) -> str:
    """One prompt of a pattern. ValueError where its brackets don't match."""
    filled = _NAMES.sub(lambda found: rng.choice(known[found[1] or found[2]]), pattern)
    pieces = _PIECE.findall(filled)
    text, rest = _sequence(pieces, 0, rng)
    if rest != len(pieces):
        raise ValueError(f"a bracket too many in: {pattern}")
    return " ".join(text.split(" ")).strip(" ")


def _sequence(pieces: list[str], at: int, rng: random.Random) -> tuple[str, int]:
    """Text up to the bar or bracket that ends it, and where that stands."""
    parts: list[str] = []
    while at < len(pieces) and pieces[at] not in ("|", "»"):
        piece = pieces[at]
        if piece == "«":
            piece, at = _choice(pieces, at + 1, rng)
        elif piece == "\\n":
            piece = "\n"
        elif piece == "\\|":
            piece = "|"
        parts.append(piece)
        at += 1
    return "".join(parts), at


def _choice(pieces: list[str], at: int, rng: random.Random) -> tuple[str, int]:
    """One of the alternatives that start at ``at``, and where its closing bracket stands."""
    options: list[str] = []
    while True:
        option, at = _sequence(pieces, at, rng)
        if at >= len(pieces):
            raise ValueError(f"a bracket is not closed in: {''.join(pieces)}")
        options.append(option)
        if pieces[at] == "»":
            return rng.choice(options), at
        at += 1
