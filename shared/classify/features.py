"""What the trained weights look at: a turn as places in two tables.

Words have a table of their own, because most of its rows come from words' general meaning rather
than from the training prompts. Word pairs, word ends and the form of the text share the second.
Names of features are hashed (CRC-32: fast, and the same on every machine), so no vocabulary has to
be loaded.
"""

from __future__ import annotations

from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple
from zlib import crc32

from shared.classify.turn import Turn
from shared.classify.words import words

# Rows of each table; a power of two.
ROWS = 1 << 16
_MASK = ROWS - 1
# Tokens looked at, of the beginning and of the end: orders stand first or last.
HEAD_TOKENS, TAIL_TOKENS = 150, 60
_SEEDS = {
    name: crc32(name.encode()) for name in ("first", "second", "pair", "end", "start", "form")
}
_FIRST, _SECOND, _PAIR = _SEEDS["first"], _SEEDS["second"], _SEEDS["pair"]
_END, _START, _FORM = _SEEDS["end"], _SEEDS["start"], _SEEDS["form"]
_CODE_SIGNS = frozenset("{}[]<>=;_\\")
_LONG_WORD = 6
# The signal that "code" is said of dresses, areas or conduct: the word then says nothing.
OTHER_CODE = "other code"
_TENSED = words("is was are were am has had what which whom who does did")
_NUMBERS = ("0", "00", "000", "0000")
_ARTICLES = words("a an the two three some several")


class Features(NamedTuple):
    """Hashes of the words, rows of the table of grams, and the words in order.

    ``form`` are rows of the table of grams too; they count whole, however long the text is.
    """

    words: list[int]
    grams: list[int]
    form: list[int]
    shapes: list[str]


def word_hash(word: str) -> int:
    """The hash of a word in lower case."""
    return crc32(_bytes(word))


def place(word: int) -> tuple[int, int]:
    """The row of a word's hash, and the mark (1 to 255) that tells its word from others there."""
    return word & _MASK, (word >> 16) % 255 + 1


def read_features(turn: Turn, signals: list[str]) -> Features:
    """The features of a turn; ``signals`` are what the hand-written rules found, by name."""
    # Any number counts as the number 0 with as many digits, up to four.
    tokens = turn.tokens
    if len(tokens) > HEAD_TOKENS + TAIL_TOKENS:
        tokens = tokens[:HEAD_TOKENS] + tokens[-TAIL_TOKENS:]
    shapes = [
        token if token[0] > "9" or token[0] < "0" else "0000"[: len(token)] for token in tokens
    ]
    if OTHER_CODE in signals:
        shapes = [shape for shape in shapes if shape != "code"]
    encoded = _bytes(" ".join(shapes)).split(b" ") if shapes else []
    spoken = list({crc32(token) for token in encoded})
    grams = {crc32(after, crc32(before, _PAIR)) & _MASK for before, after in pairwise(encoded)}
    for token in set(encoded):
        if len(token) >= _LONG_WORD:
            grams.add(crc32(token[-3:], _END) & _MASK)
            grams.add(crc32(token[:4], _START) & _MASK)
    form = {crc32(_bytes(name), _FORM) & _MASK for name in _form(turn, shapes) + signals}
    for index, token in enumerate(encoded[:4]):
        form.add(crc32(token, _FIRST if index == 0 else _SECOND) & _MASK)
    if len(encoded) > 1:
        form.add(crc32(encoded[1], crc32(encoded[0], _FIRST)) & _MASK)
    return Features(spoken, list(grams), list(form), shapes)


def _bytes(text: str) -> bytes:
    """JSON may hold halves of surrogate pairs, which plain UTF-8 has no bytes for."""
    return text.encode("utf-8", "surrogatepass")


def _form(turn: Turn, shapes: list[str]) -> list[str]:
    """The text's form by name: its length, line ends, numbers, signs, capitals, how it begins."""
    text = turn.text
    names = [
        f"length {turn.length.bit_length()}",
        f"whole {turn.characters.bit_length()}",
        f"lines {min(4, text.count(chr(10)))}",
        f"commas {min(4, shapes.count(','))}",
        f"stops {min(4, shapes.count('.'))}",
        f"numbers {min(4, sum(map(shapes.count, _NUMBERS)))}",
        f"asks {min(2, shapes.count('?'))}",
        f"signs {min(3, sum(sign in text for sign in _CODE_SIGNS))}",
        "ends " + (text[-1:] if not text[-1:].isalnum() else "a"),
        "begins " + ("A" if text[:1].isupper() else "a" if text[:1].islower() else "."),
    ]
    inner = turn.cased[1:HEAD_TOKENS]
    capitals = sum(map(str.isupper, map(itemgetter(0), inner)))
    names.append(f"capitals {min(4, capitals)} of {len(inner).bit_length()}")
    lead = turn.lead
    if lead is not None:
        names += [f"lead {lead.kind.value}", f"verb {lead.verb}"]
        follow = turn.tokens[lead.at + 1 : lead.at + 2]
        names.append(f"verb {lead.verb} {follow[0] if follow else ''}")
    names += [f"head {head.kind.value} {head.verb}" for head in turn.heads[:6]]
    if not turn.heads or all(head.verb in _ARTICLES for head in turn.heads[:1]):
        names.append("a phrase" if turn.words.isdisjoint(_TENSED) else "a sentence")
    if turn.fenced:
        names.append("fenced")
    return names
