"""Trained weights: how much each feature speaks for each category.

A linear model (softmax over nine categories) made by ``python -m bench.train_classifier``. It is
``weights.bin`` beside this file: a JSON head of one line, a mark for each row of the table of words
(0: no word), then for each category one signed byte a row of both tables of ``features``. It is
read on the first classification that needs it, in about a millisecond.
"""

from __future__ import annotations

import math
from functools import cache
from operator import itemgetter
from pathlib import Path

import msgspec

from shared.classify.features import ROWS, Features, place, word_hash
from shared.model import Category

PATH = Path(__file__).parent / "weights.bin"


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


class Weights(msgspec.Struct, frozen=True):
    """The tables in memory, by category in the head's order."""

    head: Head
    marks: bytes
    words: list[memoryview[int]]
    grams: list[memoryview[int]]

    def judge(self, features: Features) -> dict[Category, float]:
        """A probability for each category the model knows; they add up to 1."""
        head = self.head
        count = len(features.words) + len(features.grams)
        share = min(1.0, math.sqrt(head.anchor / count)) if count else 0.0
        words = _pick(self._rows(features))
        grams, form = _pick(features.grams), _pick(features.form)
        scores = [
            bias
            + head.step
            * (head.form * sum(form(gram)) + share * (sum(words(word)) + sum(grams(gram))))
            for bias, word, gram in zip(head.bias, self.words, self.grams, strict=True)
        ]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        total = sum(powers)
        return {
            category: power / total for category, power in zip(head.categories, powers, strict=True)
        }

    def known(self, features: Features) -> float:
        """The share of the text's words that the weights know anything of, in [0, 1]."""
        return len(self._rows(features)) / len(features.words) if features.words else 0.0

    def _rows(self, features: Features) -> list[int]:
        places = map(place, features.words)
        return [row for row, mark in places if self.marks[row] == mark]

    def telling(self, category: Category, features: Features, count: int) -> list[str]:
        """Up to ``count`` words that speak most for ``category``, strongest first."""
        table = self.words[self.head.categories.index(category)]
        rated: dict[str, int] = {}
        for shape in features.shapes:
            row, mark = place(word_hash(shape))
            if shape[0].isalpha() and self.marks[row] == mark:
                rated[shape] = table[row]
        best = sorted(rated, key=lambda shape: -rated[shape])[:count]
        return [shape for shape in best if rated[shape] > 0 and len(shape) > 1]


def _pick(rows: list[int]) -> itemgetter[tuple[int, ...]]:
    """Takes all ``rows`` of a table at once. Row 0 twice more, so that it is always a tuple."""
    return itemgetter(0, 0, *rows)


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
    signed = memoryview(body)[ROWS:].cast("b")
    tables = [signed[start : start + ROWS] for start in range(0, len(signed), ROWS)]
    return Weights(head, body[:ROWS], tables[:known], tables[known:])
