"""Adds two versions of the local classifier's weights: ``python -m bench.blend OLD PART NEW``.

The scores of ``NEW`` become ``PART`` of ``OLD``'s and the rest of its own. Both are linear in the
same features, so the sum is one model again. It keeps what only the older prompts showed. Rows that
belong to another word in ``OLD`` keep ``NEW``'s weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import numpy as np

from bench.student import save
from shared.classify.features import ROWS
from shared.classify.weights import MIDDLE, Weights, decode


def table(known: Weights) -> np.ndarray:
    """Its weights as scores, (categories, rows of both tables)."""
    wide = len(known.head.categories)
    rows = np.frombuffer(known.rows, np.uint8).astype(np.float64).reshape(-1, wide)
    own: np.ndarray = (rows - MIDDLE).T * known.head.step
    return own


def blend(old: Weights, part: float, new: Weights, path: Path) -> None:
    """Writes the sum to ``path``. ValueError where the two have no features in common."""
    first, second = old.head, new.head
    if (first.categories, first.form, first.anchor) != (
        second.categories,
        second.form,
        second.anchor,
    ):
        raise ValueError("the two were trained on other features")
    own = (1 - part) * table(new) + part * table(old)
    marks = np.frombuffer(new.marks, np.uint8)
    other = np.flatnonzero(marks != np.frombuffer(old.marks, np.uint8))
    own[:, other] = table(new)[:, other]
    own[:, other[marks[other] == 0]] = 0.0
    own[:, [0, ROWS]] = 0.0
    bias = (1 - part) * np.array(second.bias) + part * np.array(first.bias)
    save(own, bias, marks, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("part", type=float)
    parser.add_argument("new", type=Path, help="is written over")
    arguments = parser.parse_args()
    try:
        old, new = (decode(path.read_bytes()) for path in (arguments.old, arguments.new))
    except (msgspec.DecodeError, ValueError) as error:
        raise SystemExit(f"no weights: {error}") from None
    blend(old, arguments.part, new, arguments.new)


if __name__ == "__main__":
    main()
