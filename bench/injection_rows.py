"""Labelled texts of ``bench/data``: single rows, and those drawn from templates."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data" / "injection.jsonl"
LATER = Path(__file__).parent / "data" / "injection_later.jsonl"  # written after the first fits
# Every sixth twenty of the rows of many authors: what the screen asks for was chosen on them.
TUNING = Path(__file__).parent / "data" / "injection_tuning.jsonl"
# Written when all else was done, by authors who knew no other row. Nothing was chosen on them.
FRESH = Path(__file__).parent / "data" / "injection_fresh.jsonl"
SLY = Path(__file__).parent / "data" / "injection_sly.jsonl"  # held out, of other authors
TEMPLATES = Path(__file__).parent / "data" / "injection_templates.txt"
_SLOT = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Row:
    """A text, whether it is an attack, and whether it was kept out of fitting."""

    text: str
    attack: bool
    held_out: bool


def load(path: Path = DATA) -> list[Row]:
    """Rows of JSON lines with ``text``, ``label`` (attack or benign) and maybe ``held_out``."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows.append(Row(row["text"], row["label"] == "attack", bool(row.get("held_out", True))))
    return rows


def drawn(each: int, seed: int) -> Iterator[Row]:
    """``each`` texts of every template, their alternatives chosen at random."""
    rng = random.Random(seed)
    for line in TEMPLATES.read_text(encoding="utf-8").splitlines():
        if line[:2] in ("+ ", "- "):
            for _ in range(each):
                text = _SLOT.sub(lambda slot: rng.choice(slot[1].split("|")), line[2:])
                yield Row(re.sub(" +", " ", text).strip(), line[0] == "+", False)
