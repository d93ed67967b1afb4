"""How much a text's wording sounds like an injection (R18.8): words and pairs of words, learned.

Concepts (``injection_words.py``) know what an attack is made of; this knows how attacks are put,
and how the ordinary texts are that use the same words. Each word and each pair of neighbours has a
weight; the heaviest run of a few words decides. The weights are ``injection_phrases.bin`` beside
this file, 200 KB, read by the first screen in about a millisecond; ``bench/fit_phrases.py`` makes
them.
"""

from __future__ import annotations

import functools
import math
from itertools import accumulate
from operator import sub
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec import Struct

PATH = Path(__file__).with_name("injection_phrases.bin")
# Rows of each table; a power of two.
ROWS = 1 << 16
_MASK = ROWS - 1
PAIR = crc32(b"pair")
# Words of a run. A run counts by the root of its length: many weak words are no attack.
RUNS = (8, 16, 32)
ANCHOR = 8.0


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of the file: ``bias + step * share * sum`` is a run's log odds, where ``sum``
    is that of its bytes and ``share`` the root of ``ANCHOR`` by its words, at most 1."""

    about: str
    bias: float
    step: float


class Phrases(Struct, frozen=True):
    """The tables in memory. A mark tells a row's word from others that fall there (0: no word)."""

    head: Head
    marks: bytes
    words: memoryview[int]
    pairs: memoryview[int]


@functools.cache
def phrases() -> Phrases:
    """The weights of this installation, read once."""
    return decode(PATH.read_bytes())


def decode(data: bytes) -> Phrases:
    """ValueError where the file is not what its head says."""
    line, _, body = data.partition(b"\n")
    head = msgspec.json.decode(line, type=Head)
    if len(body) != 3 * ROWS:
        raise ValueError("the injection screen's phrases do not fit their head")
    signed = memoryview(body)[ROWS:].cast("b")
    return Phrases(head, body[:ROWS], signed[:ROWS], signed[ROWS:])


def rows(words: list[str]) -> list[tuple[int, int, int]]:
    """For each word its row, its mark (1 to 255), and the row of the pair that it ends."""
    found = []
    before = PAIR
    for word in words:
        encoded = word.encode("utf-8", "surrogatepass")
        code = crc32(encoded)
        found.append((code & _MASK, (code >> 16) % 255 + 1, crc32(encoded, before) & _MASK))
        before = crc32(encoded, PAIR)
    return found


def share(count: int) -> float:
    """How much each of a run's ``count`` words counts."""
    return min(1.0, math.sqrt(ANCHOR / count))


def sounding(words: list[str], known: Phrases | None = None) -> float:
    """The log odds that the heaviest run of ``words`` is from an attack, by this installation's
    weights unless others are given."""
    known = known or phrases()
    marks, own, pairs = known.marks, known.words, known.pairs
    weights = [
        (own[row] if marks[row] == mark else 0) + pairs[pair] for row, mark, pair in rows(words)
    ]
    sums = [0, *accumulate(weights)]
    best = 0.0
    for size in RUNS:
        if len(words) <= size:
            best = max(best, sums[-1] * share(max(1, len(words))))
            break
        best = max(best, max(map(sub, sums[size:], sums)) * share(size))
    return known.head.bias + known.head.step * best
