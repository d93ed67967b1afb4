"""What words mean to somebody who takes over a model (``injection_concepts.json``)."""

from __future__ import annotations

import codecs
import functools
import re
import unicodedata
from pathlib import Path

import msgspec
from msgspec import Struct

_FILE = Path(__file__).with_name("injection_concepts.json")
_STEM = 6
# Concepts whose words are also looked for in rot13, backwards and with letters swapped.
_TELLING = ("IGNORE", "RULES", "PRIOR", "PROMPT", "REVEAL", "SECRET")
_LEAST = 5  # letters of such a word
# Words for which swapped letters are tried: a text of more is no cipher, and it costs 1 us a word.
_MOST_WORDS = 80

# What ends a clause stays as a word of its own.
STOP = "."
_STOPPED = f" {STOP} "
_ENDS = ".!?;\n"

_ASCII: dict[int, str | None] = {
    code: STOP if chr(code) in _ENDS else None if chr(code) == "'" else " "
    for code in range(128)
    if not chr(code).isalnum()
}
_OTHER_ENDS = re.compile(r"[.!?;\n。！？；।]")
# Vowel signs of the scripts of India are no \w, and yet parts of words.
_OTHERS = re.compile(r"[^\w.\u0900-\u0963\u0966-\u0dff]+")
_APOSTROPHES = re.compile(r"(?<=\w)['’](?=\w)")
# Letters of other scripts that look like Latin ones, where they stand in a word with Latin ones.
_ALIKE = str.maketrans(
    "аеорсухікѕјԁһԛԝвмнтАЕОРСУХІКЅЈВМНТαορευικνΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡ",
    "aeopcyxikSjdhqwBMHTAEOPCYXIKSJBMHTaopeuiknABEZHIKMNOPTYXig".replace("S", "s", 1),
)
_MIXED = re.compile(r"[A-Za-z][\u0370-\u04ff\u0500-\u052f]|[\u0370-\u04ff\u0500-\u052f][A-Za-z]")
_BLANKLESS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

# Around these concepts a text is looked at; the others are ordinary words by themselves.
ANCHORS = frozenset(
    {"IGNORE", "RULES", "PROMPT", "SECRET", "FREE", "ADDRESS", "SECRETLY"}
    | {"POWER", "OBEY", "NOW", "AI", "SPOILS", "TARGET", "SWITCH", "OWNED"}
)


class Concept(Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one concept, in a dozen languages."""

    words: str
    stems: str = ""
    phrases: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()


class _Data(Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    everywhere: str
    concepts: dict[str, Concept]


class Lexicon(Struct, frozen=True):
    """Words, stems and phrases with the concepts they stand for, a bit for each of ``names``."""

    names: tuple[str, ...]
    anchored: int
    words: dict[str, int]
    stems: dict[str, int]
    phrases: dict[str, tuple[tuple[int, list[str], int], ...]]
    anchor_words: frozenset[str]
    anchor_stems: frozenset[str]
    disguised: frozenset[str]
    sign: re.Pattern[str]
    rotated: frozenset[str]
    backwards: frozenset[str]
    swapped: dict[str, str]


@functools.cache
def lexicon() -> Lexicon:
    """The lexicon of the data file."""
    data = msgspec.json.decode(_FILE.read_bytes(), type=_Data)
    concepts = data.concepts
    everywhere = frozenset(data.everywhere.split())
    words: dict[str, int] = {}
    stems: dict[str, int] = {}
    phrases: dict[str, dict[tuple[str, ...], int]] = {}
    for bit, concept in enumerate(concepts.values()):
        for word in concept.words.split():
            words[word] = words.get(word, 0) | 1 << bit
        for stem in concept.stems.split():
            stems[stem[:_STEM]] = stems.get(stem[:_STEM], 0) | 1 << bit
        for sign in concept.signs:
            words[sign] = words.get(sign, 0) | 1 << bit
        for phrase in concept.phrases:
            parts = tuple(phrase.split())
            # Found by the word that is rarest in any text: its longest, nearly always.
            key = max(parts, key=lambda part: (part not in everywhere, len(part)))
            by_key = phrases.setdefault(key, {})
            by_key[parts] = by_key.get(parts, 0) | 1 << bit
    for word in words:
        if len(word) >= _STEM:
            words[word] |= stems.get(word[:_STEM], 0)
    signs = [sign for concept in concepts.values() for sign in concept.signs]
    anchored = sum(1 << bit for bit, name in enumerate(concepts) if name in ANCHORS)
    telling = {
        word
        for name in _TELLING
        for word in concepts[name].words.split()
        if len(word) >= _LEAST and word.isascii()
    } | {"instructions", "instruction", "guidelines", "directives", "previous", "system"}
    rotated = frozenset(codecs.encode(word, "rot13") for word in telling)
    backwards = frozenset(word[::-1] for word in telling)
    return Lexicon(
        names=tuple(concepts),
        anchored=anchored,
        words=words,
        stems=stems,
        phrases={
            key: tuple((parts.index(key), list(parts), mask) for parts, mask in known.items())
            for key, known in phrases.items()
        },
        anchor_words=frozenset(word for word, mask in words.items() if mask & anchored)
        | {
            key for key, known in phrases.items() if any(mask & anchored for mask in known.values())
        },
        anchor_stems=frozenset(stem for stem, mask in stems.items() if mask & anchored),
        sign=re.compile("|".join(map(re.escape, sorted(signs, key=len, reverse=True)))),
        rotated=rotated,
        backwards=backwards,
        disguised=rotated | backwards,
        swapped={_swaps(word): word for word in telling if len(word) > _LEAST},
    )


def _swaps(word: str) -> str:
    """What stays of a word when the letters between its first and last are shuffled."""
    return f"{word[0]}{''.join(sorted(word[1:-1]))}{word[-1]}"


def plain_words(text: str) -> list[str]:
    """The words of ``text`` in lower case, without accents, apostrophes and look-alikes."""
    if text.isascii():
        return text.lower().translate(_ASCII).replace(STOP, _STOPPED).split()
    text = unicodedata.normalize("NFKC", text)
    if _MIXED.search(text):
        text = " ".join(
            word.translate(_ALIKE) if _MIXED.search(word) else word for word in text.split()
        )
    if _BLANKLESS.search(text):
        text = lexicon().sign.sub(lambda match: f" {match[0]} ", text)
    text = _OTHER_ENDS.sub(f" {STOP} ", _APOSTROPHES.sub("", text.lower()))
    parts = unicodedata.normalize("NFD", text)
    text = "".join([char for char in parts if not "\u0300" <= char <= "\u036f"])
    return _OTHERS.sub(" ", unicodedata.normalize("NFC", text)).replace("_", " ").split()


def mixes_scripts(text: str) -> bool:
    """Whether a word mixes Latin letters with Greek or Cyrillic ones."""
    return not text.isascii() and len(_MIXED.findall(text)) >= 2


def anchors(words: list[str]) -> list[int]:
    """The places of words that may be the heart of an attempt."""
    known = lexicon()
    plain, stems = known.anchor_words, known.anchor_stems
    return [i for i, word in enumerate(words) if word in plain or word[:_STEM] in stems]


def meaning(words: list[str], place: int) -> int:
    """What the word at ``place``, and the phrases around it, stand for: a bit for each concept."""
    known = lexicon()
    word = words[place]
    mask = known.words.get(word, 0)
    if not mask:
        mask = known.stems.get(word[:_STEM], 0)
    for offset, parts, bits in known.phrases.get(word, ()):
        begin = place - offset
        if begin >= 0 and words[begin : begin + len(parts)] == parts:
            mask |= bits
    return mask


def unswapped(words: list[str]) -> list[str] | None:
    """The words with shuffled letters set right; None where there are none."""
    if len(words) > _MOST_WORDS:
        return None
    known = lexicon()
    right = list(words)
    changed = 0
    for place, word in enumerate(words):
        if len(word) > _LEAST and word not in known.words and word.isascii():
            meant = known.swapped.get(_swaps(word))
            if meant and meant != word:
                right[place] = meant
                changed += 1
    return right if changed else None
