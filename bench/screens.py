"""How well and how fast the local screens judge: ``python -m bench.screens [folder ...]``.

Personal data: made-up numbers with right check digits in sentences (``bench/personal_values.py``),
and clean texts. Injection: rows of ``bench/data/injection.jsonl`` and of every ``*.jsonl`` in the
folder given (``text``, ``label``: attack or benign). Times are processor time, in microseconds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.classify import load as load_prompts
from bench.injection_rows import FRESH, LATER, SLY, TUNING, Row, load
from bench.personal_values import sentences
from shared.safety import detect_injection, redact
from shared.safety.personal import find_personal

SEED = 11
RUNS = 300
PROSE = (
    "The committee met in the old town hall and agreed, after long talks, on a budget of 4,500 "
    "euros for the schools. Nobody objected, and the minutes went to every member that evening. "
) * 12


def print_personal() -> None:
    """Recall by kind, and how many clean texts were altered."""
    found: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for text, value, kind in sentences(SEED):
        start = text.index(value)
        all_of[kind] += 1
        found[kind] += any(
            finding.start <= start and finding.end >= start + len(value)
            for finding in find_personal(text)
        )
    for kind, count in all_of.items():
        print(f"  {kind:14} {found[kind]:4} of {count}")
    print(f"  recall {found.total() / all_of.total():.3f}")
    clean = [row.text for row in load() if not row.attack]
    clean += [
        message["content"]
        for row in load_prompts()
        for message in _messages(row.request)
        if isinstance(message["content"], str)
    ]
    altered = sum(redact(text) != text for text in clean)
    print(f"  {altered} of {len(clean)} clean texts altered")


def _messages(request: dict[str, object]) -> list[dict[str, object]]:
    messages = request.get("messages")
    return messages if isinstance(messages, list) else []


def print_injection(name: str, rows: list[Row]) -> None:
    """Recall, false blocks and balanced accuracy at the threshold."""
    caught = [detect_injection(row.text).flagged for row in rows if row.attack]
    blocked = [detect_injection(row.text).flagged for row in rows if not row.attack]
    recall = sum(caught) / len(caught) if caught else float("nan")
    false = sum(blocked) / len(blocked) if blocked else float("nan")
    print(
        f"  {name:24} {len(caught):5} attacks {recall:.3f} caught, {len(blocked):5} benign "
        f"{false:.3f} blocked, balanced {(recall + 1 - false) / 2:.3f}"
    )


def median(work: Callable[[str], object], text: str) -> float:
    """Microseconds of processor time, the median of many runs."""
    work(text)
    times = []
    for _ in range(RUNS):
        start = time.process_time_ns()
        work(text)
        times.append((time.process_time_ns() - start) / 1000)
    return statistics.median(times)


def main() -> None:
    print("personal data")
    print_personal()
    print("injection")
    rows = load()
    print_injection("written, fitted on", [row for row in rows if not row.held_out])
    print_injection("written, held out", [row for row in rows if row.held_out])
    print_injection("written after the fits", load(LATER))
    print_injection("sly ones, held out", load(SLY))
    print_injection("chosen by", load(TUNING))
    print_injection("fresh", load(FRESH))
    for folder in sys.argv[1:]:
        for path in sorted(Path(folder).glob("*.jsonl")):
            print_injection(path.stem, load(path))
    print(f"a clean prompt of {len(PROSE)} characters")
    print(f"  detect_injection {median(detect_injection, PROSE):.0f} us")
    print(f"  redact           {median(redact, PROSE):.0f} us")
    print(
        f"  str.split        {median(str.split, PROSE):.0f} us (what this machine needs for that)"
    )


if __name__ == "__main__":
    main()
