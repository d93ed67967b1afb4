"""How well and how fast the local classifier judges: ``python -m bench.classify [--held-out]``.

Prints recall per category with a confusion table over ``bench/data/classify.jsonl`` (written for
this project; what is marked ``held_out`` is never looked at while rules are made), how honest its
confidence is, and its times in microseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from shared.classify import Classification, classify_local
from shared.model import Category

DATA = Path(__file__).parent / "data" / "classify.jsonl"


@dataclass(slots=True)
class Labelled:
    """A prompt, its category, and whether it was kept out of tuning."""

    request: dict[str, object]
    category: Category
    held_out: bool


def load(path: Path = DATA) -> list[Labelled]:
    """The labelled prompts. A ``repeat`` row spells out a long text in few bytes."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        category, held_out = Category(row.pop("category")), bool(row.pop("held_out"))
        if "repeat" in row:
            text = row.get("prefix", "") + row["repeat"] * row["times"] + row.get("suffix", "")
            row = {"messages": [{"role": "user", "content": text}]}
        rows.append(Labelled(row, category, held_out))
    return rows


def judge(rows: list[Labelled]) -> list[tuple[Labelled, Classification]]:
    """Each row with its classification."""
    return [(row, classify_local(row.request)) for row in rows]


def recalls(judged: list[tuple[Labelled, Classification]]) -> dict[Category, float]:
    """The share of each category that was recognised; their mean is the balanced accuracy."""
    found: dict[Category, float] = {}
    for category in Category:
        mine = [result.category is category for row, result in judged if row.category is category]
        if mine:
            found[category] = sum(mine) / len(mine)
    return found


def print_confusion(judged: list[tuple[Labelled, Classification]]) -> None:
    """Rows are what it is, columns what was said."""
    names = list(Category)
    print(f"{'':13}" + "".join(f"{name[:6]:>8}" for name in names) + "  recall")
    for true, recall in recalls(judged).items():
        cells = [
            sum(row.category is true and result.category is said for row, result in judged)
            for said in names
        ]
        print(f"{true:13}" + "".join(f"{cell or '.':>8}" for cell in cells) + f"  {recall:.2f}")


def print_confidence(judged: list[tuple[Labelled, Classification]]) -> None:
    """Of what was said with a given confidence, how much was right."""
    for low, high in ((0.0, 0.5), (0.5, 0.7), (0.7, 0.85), (0.85, 1.01)):
        band = [
            result.category is row.category
            for row, result in judged
            if low <= result.confidence < high
        ]
        if band:
            share = sum(band) / len(band)
            print(f"confidence {low:.2f}-{min(high, 1):.2f}: {len(band):4} said, {share:.2f} right")


def microseconds(request: dict[str, object], rounds: int) -> tuple[float, float]:
    """Median and 95th percentile of classifying ``request``, over ``rounds`` timed calls."""
    classify_local(request)
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        classify_local(request)
        times.append((time.perf_counter_ns() - start) / 1000)
    times.sort()
    return statistics.median(times), times[int(len(times) * 0.95)]


def print_times(rows: list[Labelled]) -> None:
    """Times of a short prompt, of the whole set's short prompts, and of long texts."""
    # Of many different words, as every one is looked up: one sentence again and again takes half.
    said = [str(row.request["messages"]) for row in rows if not row.held_out]
    spoken = " ".join(said).replace("[{'role': 'user', 'content':", "").split()
    cases = {
        "short prompt (9 words)": "Write a SQL query that returns the top customers",
        "500 words": " ".join(spoken[:500]),
        "50,000 words": " ".join(spoken[:5000] * 10),
    }
    for name, text in cases.items():
        middle, high = microseconds({"messages": [{"role": "user", "content": text}]}, 500)
        print(f"{name:24} p50 {middle:8.1f} us   p95 {high:8.1f} us")
    short = [row.request for row in rows if row.category is not Category.LONG_CONTEXT]
    each = [microseconds(request, 20)[0] for request in short]
    middle, most = statistics.median(each), max(each)
    print(f"{'the labelled prompts':24} p50 {middle:8.1f} us   max {most:8.1f} us")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="judge the held-out third instead")
    parser.add_argument("--errors", action="store_true", help="list what was misjudged")
    arguments = parser.parse_args()
    rows = load()
    judged = judge([row for row in rows if row.held_out is arguments.held_out])
    print_confusion(judged)
    found = recalls(judged)
    print(f"balanced accuracy {sum(found.values()) / len(found):.3f} over {len(judged)} prompts")
    print_confidence(judged)
    if arguments.errors:
        for row, result in judged:
            if row.category is not result.category:
                print(f"{row.category} taken for {result.category} {result.confidence}:")
                print(f"    {str(row.request)[:160]}\n    {result.reasoning}")
    print_times(rows)


if __name__ == "__main__":
    main()
