"""Trained weights: how much each feature speaks for each category.

A linear model (softmax over nine categories) made by ``python -m bench.train_classifier``. It is
``weights.bin`` beside this file: a JSON head of one line; a mark for each row of the table of words
(0: no word); then the rows of both tables of ``features``, words first, each one byte a category.
Bytes are raised by ``MIDDLE``, so none is negative. It is read on the first classification that
needs it, in well under a millisecond.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from shared.classify.features import ROWS, Features, place, word_hash
from shared.model import Category

PATH = Path(__file__).parent / "weights.bin"
# The byte of a weight of 0.
MIDDLE = 128


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of the file.

    A score is ``bias + step * (form * F + share * (W + G))``, where F, W and G are the sums of the
    bytes of the form's, words' and grams' rows, and ``share`` the root of ``anchor`` by the count
    of words and grams, at most 1. Probabilities are the softmax of the scores. ``step`` turns
    bytes into scores and holds the calibration's temperature.
    """

    categories: list[Category]
    bias: list[float]
    step: float
    form: float
    anchor: float


class Judgement(NamedTuple):
    """A probability for each category, together 1, and the share of the text's words that the
    weights know anything of, in [0, 1]."""

    chances: dict[Category, float]
    known: float


class Weights(msgspec.Struct, frozen=True):
    """The file in memory: ``rows`` holds a byte a category, in the head's order, row after row."""

    head: Head
    marks: bytes
    rows: bytes

    def judge(self, features: Features) -> Judgement:
        """What the weights say of a text."""
        head, marks = self.head, self.marks
        spoken = [row for row, mark in map(place, features.words) if marks[row] == mark]
        known = len(spoken) / len(features.words) if features.words else 0.0
        count = len(features.words) + len(features.grams)
        share = min(1.0, math.sqrt(head.anchor / count)) if count else 0.0
        spoken += [ROWS + row for row in features.grams]
        own = self._sums(spoken)
        form = self._sums([ROWS + row for row in features.form])
        scores = [
            bias + head.step * (head.form * shape + share * word)
            for bias, shape, word in zip(head.bias, form, own, strict=True)
        ]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        total = sum(powers)
        chances = {
            category: power / total for category, power in zip(head.categories, powers, strict=True)
        }
        return Judgement(chances, known)

    def _sums(self, rows: list[int]) -> list[int]:
        """Of the rows' weights, by category.

        A row is one place in memory for all categories, and what happens to each byte happens in C:
        a table a category takes twice the time.
        """
        wide, table = len(self.head.categories), self.rows
        taken = b"".join([table[row * wide : row * wide + wide] for row in rows])
        raised = MIDDLE * len(rows)
        return [sum(taken[place::wide]) - raised for place in range(wide)]

    def telling(self, category: Category, features: Features, count: int) -> list[str]:
        """Up to ``count`` words that speak most for ``category``, strongest first."""
        wide, at = len(self.head.categories), self.head.categories.index(category)
        rated: dict[str, int] = {}
        for shape in dict.fromkeys(features.shapes):
            row, mark = place(word_hash(shape))
            if shape[0].isalpha() and self.marks[row] == mark:
                rated[shape] = self.rows[row * wide + at]
        best = sorted(rated, key=lambda shape: -rated[shape])[:count]
        return [shape for shape in best if rated[shape] > MIDDLE and len(shape) > 1]


@cache
def weights() -> Weights:
    """The weights of this installation, read once."""
    return decode(PATH.read_bytes())


def decode(data: bytes) -> Weights:
    """ValueError where the file is not what its head says."""
    line, _, body = data.partition(b"\n")
    head = msgspec.json.decode(line, type=Head)
    known = len(head.categories)
    if len(head.bias) != known or len(body) != (2 * known + 1) * ROWS:
        raise ValueError("the classifier's weights do not fit their head")
    return Weights(head, body[:ROWS], body[ROWS:])
