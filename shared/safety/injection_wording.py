"""How much a text's wording sounds like an injection (R18.8): a small network in plain Python.

Concepts (``injection_words.py``) know what an attack is made of; this knows how attacks are put,
and how the ordinary texts are that use the same words. It is a convolution over three words with
``FILTERS`` filters, the strongest answer of each in a run of words, and a weighted sum of these
(Kim, "Convolutional Neural Networks for Sentence Classification", 2014). ``bench/fit_wording.py``
makes it from a model that reads whole texts.

A word has one of a few thousand codes, and a code a byte for each filter and each place in the
three. The bytes of a run of words are one integer, so what happens to each filter happens to all
at once: adding three integers is the convolution, and of two halves the larger bytes are taken
until one word's are left. No byte ever passes ``HIGH``, so none runs over into its neighbour.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from operator import mul
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec import Struct

PATH = Path(__file__).with_name("injection_wording.bin")
# Rows of the table of words; a power of two.
ROWS = 1 << 17
_MASK = ROWS - 1
# Filters, and words that a filter sees.
FILTERS, WIDTH = 64, 3
# What a code may say to a filter at one place, so that three of them stay under ``HIGH``.
MOST = 42
HIGH = 128
_ALLOWED = bytes(range(MOST + 1))
# Words whose answers are at hand, and characters that tell a word from others: there are texts
# without blanks, which nobody has to remember.
CACHED, SPELLED = 4096, 40
# Words of a block. A run is two blocks, and overlaps with the next by one.
BLOCK = 16
# The code of words that are not known, and of what stands before and after a text.
UNKNOWN = 0
# The highest bit of every byte of so many words' answers.
_HIGHS = {
    count: int.from_bytes(bytes([HIGH]) * (FILTERS * count), "little")
    for count in (BLOCK // 2, BLOCK // 4, BLOCK // 8, 1)
}


# What a word says to all filters as the first, second and third of three: a byte each.
Answers = tuple[bytes, bytes, bytes]


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of the file: the log odds of a run are ``bias`` and, for each filter, its
    ``weight`` times what the sum of its bytes is above its ``floor``."""

    about: str
    bias: float
    floors: list[int]
    weights: list[float]
    codes: int


class Wording:
    """The network in memory: ``decode`` makes it."""

    def __init__(self, head: Head, marks: bytes, codes: memoryview[int], table: bytes) -> None:
        """A mark tells a row's word from others that fall there (0: no word); ``codes`` holds two
        bytes a row; ``table`` ``WIDTH`` times ``FILTERS`` bytes a code."""
        self.head = head
        self.floors = int.from_bytes(bytes(head.floors), "little")
        self._marks, self._codes, self._table = marks, codes, table
        # Most words of most texts are the same few; an entry has some 400 bytes.
        self.answers = functools.lru_cache(maxsize=CACHED)(self._answers)
        self.silence = self._coded(UNKNOWN)

    def code(self, word: str) -> int:
        """The code of a word."""
        row, mark = place(word)
        return self._codes[row] if self._marks[row] == mark else UNKNOWN

    def _answers(self, word: str) -> Answers:
        return self._coded(self.code(word))

    def _coded(self, code: int) -> Answers:
        at = code * WIDTH * FILTERS
        first, second, third = (at + place * FILTERS for place in range(WIDTH))
        table = self._table
        return (
            table[first : first + FILTERS],
            table[second : second + FILTERS],
            table[third : third + FILTERS],
        )


@functools.cache
def wording() -> Wording:
    """The network of this installation, read once."""
    return decode(PATH.read_bytes())


def decode(data: bytes) -> Wording:
    """ValueError where the file is not what its head says."""
    line, _, body = data.partition(b"\n")
    head = msgspec.json.decode(line, type=Head)
    table = body[3 * ROWS :]
    fits = len(table) == head.codes * WIDTH * FILTERS
    fits = fits and len(head.floors) == len(head.weights) == FILTERS and head.codes > 0
    fits = fits and not table.translate(None, _ALLOWED) and max(head.floors) < HIGH
    if not fits:
        raise ValueError("the injection screen's wording does not fit its head")
    return Wording(head, body[:ROWS], memoryview(body)[ROWS : 3 * ROWS].cast("H"), table)


def place(word: str) -> tuple[int, int]:
    """The row of a word, and the mark (1 to 255) that tells it from others there."""
    code = crc32(word.encode("utf-8", "surrogatepass"))
    return code & _MASK, (code >> 17) % 255 + 1


def sounding(words: list[str], known: Wording | None = None) -> float:
    """The log odds that the run of ``words`` that sounds most like an attack is from one."""
    known = known or wording()
    around = [known.silence] * (WIDTH - 1)
    spelled = [word[:SPELLED] for word in words]
    blocks = strongest([*around, *map(known.answers, spelled), *around])
    if len(blocks) == 1:
        return odds(blocks[0], known)
    high = _HIGHS[1]
    return max([odds(_larger(a, b, high), known) for a, b in pairwise(blocks)])


def strongest(answers: list[Answers]) -> list[int]:
    """The strongest answer of each filter in each block of words: bytes of one integer. ``answers``
    are those of at least ``WIDTH`` words."""
    first, second, third = zip(*answers, strict=True)
    found, count = [], len(answers) - WIDTH + 1
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        sums = (
            int.from_bytes(b"".join(first[start:end]), "little")
            + int.from_bytes(b"".join(second[start + 1 : end + 1]), "little")
            + int.from_bytes(b"".join(third[start + 2 : end + 2]), "little")
        )
        for half, high in _HIGHS.items():
            lower = sums & (high - (high >> 7))
            sums = _larger(lower, sums >> 8 * FILTERS * half, high)
        found.append(sums)
    return found


def _larger(one: int, other: int, high: int) -> int:
    """The larger of each pair of bytes, all of them under ``HIGH``."""
    won = ((one | high) - other) & high  # the highest bit, where ``one`` is no smaller
    return other ^ ((one ^ other) & (won - (won >> 7)))


def odds(answers: int, known: Wording) -> float:
    """The log odds that these strongest answers are an attack's."""
    above = _larger(answers, known.floors, _HIGHS[1]) - known.floors
    total: float = sum(map(mul, known.head.weights, above.to_bytes(FILTERS, "little")))
    return known.head.bias + total
