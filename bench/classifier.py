"""The local classifier on prompts from elsewhere: ``python -m bench.classifier FOLDER``.

The folder holds JSON lines ``{"text": ..., "category": ...}``, for example of public benchmarks,
which stay out of the repository and out of training. Prints recall by category, the balanced
accuracy (also with VISION_IN and LONG_CONTEXT, which metadata gives away, and where neighbours of
SIMPLE, MEDIUM and COMPLEX count as right), how often each confidence is right, and times.

``--shared`` lists six-word runs that the training prompts have in common with the folder's.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.classify import Labelled, judge, microseconds, print_confusion, recalls
from bench.prompts import expand, lines, slots
from shared.classify import Classification
from shared.classify.result import UNSURE
from shared.model import Category

_EFFORTS = (Category.SIMPLE, Category.MEDIUM, Category.COMPLEX)
_GIVEN = (Category.VISION_IN, Category.LONG_CONTEXT)
_RUN = 6
_SEED = 7


@dataclass(slots=True)
class Band:
    """What was said with a confidence within one tenth: how often, how surely, how rightly."""

    count: int
    said: float
    right: float


def read(folder: Path) -> list[Labelled]:
    """Every prompt of the folder's ``.jsonl`` files."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line.strip():
                row = json.loads(line)
                request: dict[str, object] = {
                    "messages": [{"role": "user", "content": row["text"]}]
                }
                found.append(Labelled(request, Category(row["category"]), True))
    return found


def neighbours(judged: list[tuple[Labelled, Classification]]) -> float:
    """Balanced accuracy where SIMPLE for MEDIUM, or MEDIUM for COMPLEX, and back, are right."""
    kinder = []
    for row, result in judged:
        both = row.category in _EFFORTS and result.category in _EFFORTS
        near = both and (abs(_EFFORTS.index(row.category) - _EFFORTS.index(result.category)) == 1)
        category = row.category if near else result.category
        kinder.append((row, _as(result, category)))
    found = recalls(kinder)
    return sum(found.values()) / len(found)


def bands(judged: list[tuple[Labelled, Classification]]) -> list[Band]:
    """The reliability table."""
    table = []
    for tenth in range(10):
        mine = [
            (result.confidence, result.category is row.category)
            for row, result in judged
            if int(min(0.999, result.confidence) * 10) == tenth
        ]
        if mine:
            said = sum(confidence for confidence, _ in mine) / len(mine)
            table.append(Band(len(mine), said, sum(right for _, right in mine) / len(mine)))
    return table


def shared_runs(rows: list[Labelled]) -> set[str]:
    """Runs of words that training prompts and ``rows`` both have."""
    theirs = {run for row in rows for run in _runs(_text(row))}
    rng, known = random.Random(_SEED), slots()
    ours: set[str] = set()
    for line in lines():
        for _ in range(40):
            ours |= _runs(expand(line.pattern, known, rng))
    return theirs & ours


def _text(row: Labelled) -> str:
    messages = row.request["messages"]
    return str(messages[0]["content"]) if isinstance(messages, list) else ""


def _runs(text: str) -> set[str]:
    spoken = re.findall(r"[a-z0-9']+", text.lower())
    return {" ".join(spoken[at : at + _RUN]) for at in range(len(spoken) - _RUN + 1)}


def _as(result: Classification, category: Category) -> Classification:
    return Classification(
        category, 1.0, "", result.complexity, 1, False, result.language, frozenset()
    )


def print_figures(rows: list[Labelled]) -> None:
    """All figures of ``rows``."""
    judged = judge(rows)
    print_confusion(judged)
    found = recalls(judged)
    mean = sum(found.values()) / len(found)
    missing = sum(category not in found for category in _GIVEN)
    whole = (len(found) * mean + missing) / (len(found) + missing)
    near = (len(found) * neighbours(judged) + missing) / (len(found) + missing)
    print(f"balanced accuracy {mean:.3f} over {len(judged)} prompts")
    print(f"with VISION_IN and LONG_CONTEXT {whole:.3f}, neighbours right {near:.3f}")
    table = bands(judged)
    for band in table:
        print(f"  {band.count:4} said with {band.said:.2f}: {band.right:.2f} right")
    error = sum(band.count * abs(band.said - band.right) for band in table) / len(judged)
    unsure = [row.category is result.category for row, result in judged if result.unsure]
    print(f"expected calibration error {error:.3f}")
    print(f"unsure (under {UNSURE}): {len(unsure) / len(judged):.1%}, {sum(unsure)} of them right")
    long = [row.request for row in rows if 400 <= len(_text(row).split()) <= 600]
    if long:
        times = [microseconds(request, 50)[0] for request in long]
        print(f"{len(long)} prompts of 400 to 600 words: p50 {statistics.median(times):.0f} us")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shared", action="store_true")
    arguments = parser.parse_args()
    rows = read(arguments.folder)
    if arguments.shared:
        print("\n".join(sorted(shared_runs(rows))))
    else:
        print_figures(rows)


if __name__ == "__main__":
    main()
