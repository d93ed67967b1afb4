"""The prompt injection screen (R18.8): how much a text looks like an attempt to take over a model.

Words are mapped to what they mean in such an attempt (``injection_concepts.json``); what stands
near each other, and the text's forms (``injection_forms.py``), are weighed by a small linear model
(``injection_weights.json``, fitted by ``bench/fit_injection.py`` on texts written for it). To that
comes how the words sound together (``injection_wording.py``): a text is flagged where concepts say
so, its wording heard beside them, or where its wording says so, the concepts beside it. What is
hidden in ciphers or invisible characters is read as well. The worst region of a text decides.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from shared.safety.injection_forms import forms, hidden_texts, squeezed, visible
from shared.safety.injection_wording import BLOCK, sounding
from shared.safety.injection_words import (
    STOP,
    anchors,
    lexicon,
    meaning,
    plain_words,
    unswapped,
)

_FILE = Path(__file__).with_name("injection_weights.json")
# Words: what is so near belongs to one clause; so far around, to one thought.
NEAR = 8
AROUND = 14
# A long text has more regions, of which one may look odd by chance; padding must not hide one.
_FEW, _DRIFT, _MOST_DRIFT = 4, 0.6, 1.2
_SIGNS = ("", "<", ">", "~")
# Characters: what is judged in one go, some 10 ms where every word is a trigger; and what two
# slices share, more than the widest region of words has.
SLICE, OVERLAP = 2000, 400
READ = 16_384  # characters that are squeezed in one go
# Log odds of how a text sounds beyond which nothing is made of it: beside concepts, which it can
# confirm more than calm, and alone.
CALM, LOUD, LOUDEST = -1.0, 5.0, 8.0
# The longer a text, the likelier is a run of words that sounds odd by chance: so much is taken off
# for each e-fold of its runs, and no more than that.
_FAR, _FARTHEST = 0.6, 2.0
# What is said to stand before an anchor that opens a clause: orders do.
OPENING = "START"


class InjectionVerdict(Struct, frozen=True):
    """``score`` in [0, 1]; ``flagged``: so high that the mode ``block`` blocks."""

    flagged: bool
    score: float


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """The fitted model.

    Features are ``A``, ``A<B`` (B shortly before A), ``A>B`` (B shortly after), ``A~B`` (B around A
    and not near) and ``form:name``; A is a concept with an anchor. ``wording`` is what the log odds
    of how a text sounds count beside these, ``heard`` those that are enough alone, and ``beside``
    what these features count there.
    """

    about: str
    bias: float
    threshold: float
    wording: float
    heard: float
    beside: float
    weights: dict[str, float]


class _Model(Struct, frozen=True):
    """``sure``: what a flagged text must weigh, bias included."""

    bias: float
    threshold: float
    sure: float
    wording: float
    heard: float
    beside: float
    features: dict[int, float]
    forms: dict[str, float]


@functools.cache
def _model() -> _Model:
    data = msgspec.json.decode(_FILE.read_bytes(), type=Weights)
    weights = dict(data.weights)
    shapes = {name[5:]: weights.pop(name) for name in list(weights) if name.startswith("form:")}
    return _Model(
        bias=data.bias,
        threshold=data.threshold,
        sure=math.log(data.threshold / (1 - data.threshold)),
        wording=data.wording,
        heard=data.heard,
        beside=data.beside,
        features={feature_code(name): weight for name, weight in weights.items()},
        forms=shapes,
    )


def feature_code(name: str) -> int:
    """A feature's number: the anchor, how near, the other."""
    names = lexicon().names
    for code, sign in enumerate(_SIGNS[1:], 1):
        first, found, second = name.partition(sign)
        if found:
            return names.index(first) << 16 | code << 8 | names.index(second)
    return names.index(name) << 16


def feature_name(code: int) -> str:
    """What ``feature_code`` numbers."""
    names = lexicon().names
    sign = _SIGNS[code >> 8 & 255]
    return f"{names[code >> 16]}{sign}{names[code & 255] if sign else ''}"


def detect_injection(text: str) -> InjectionVerdict:
    """How much ``text`` looks like an injection (contract); work is linear in its length."""
    *_, verdict = judge(text)
    return verdict


def judge(text: str) -> Iterator[InjectionVerdict]:
    """``detect_injection`` in steps of one slice: after each the verdict on what was read so far,
    and whoever asks may do other things between. The last is the verdict on the whole text."""
    model = _model()
    weight = model.features.get
    meant = told = -math.inf  # by concepts, the wording beside them; by the wording alone
    count = runs = 0
    for place, part in enumerate(slices(text)):
        most = longest = 0
        for words, shapes in readings(part):
            sums = [sum([weight(code, 0.0) for code in near]) for near in regions(words)]
            heavy = sum([model.forms.get(shape, 0.0) for shape in shapes])
            heavy += max(0.0, max(sums, default=0.0))
            sound = sounding(words)
            beside = model.wording * max(CALM, min(LOUD, sound))
            meant = max(meant, model.bias + heavy + beside)
            alone = max(-LOUDEST, min(LOUDEST, sound)) - model.heard
            told = max(told, model.beside * heavy + alone)
            most, longest = max(most, len(sums)), max(longest, len(words))
        count, runs = count + most, runs + longest // BLOCK
        best = max(meant - drift(count), told - far(runs))
        score = 1 / (1 + math.exp(-max(-30.0, min(30.0, best))))
        yield InjectionVerdict(flagged=score >= model.threshold, score=score)
        if place and max(meant - _MOST_DRIFT, told - _FARTHEST) >= model.sure:
            return  # however the rest reads, it is flagged


def slices(text: str) -> Iterator[str]:
    """``text`` in slices that overlap: each is judged with all its readings, none is left out.

    A slice ends at a blank where one is near, so that no word is cut. What only fills is squeezed
    first, or blanks between two words would keep them in different slices.
    """
    if len(text) <= SLICE:
        yield text
        return
    rest = ""
    for start in range(0, len(text), READ):
        rest = squeezed(rest + text[start : start + READ])
        here = 0
        if len(rest) <= SLICE:
            yield ""  # nothing but filling: a step all the same
        while len(rest) - here > SLICE:
            end = here + SLICE
            blank = rest.rfind(" ", end - OVERLAP // 2, end)
            end = blank if blank > 0 else end
            yield rest[here:end]
            here = end - OVERLAP
            blank = rest.find(" ", here, here + OVERLAP // 2)
            here = blank + 1 if blank > 0 else here
        rest = rest[here:]
    yield rest


def drift(count: int) -> float:
    """What the heaviest of ``count`` regions weighs by chance, more than that of a few."""
    return min(_MOST_DRIFT, _DRIFT * math.log(max(1.0, count / _FEW)))


def far(runs: int) -> float:
    """What the oddest of ``runs`` runs of words sounds like by chance, more than a single one."""
    return min(_FARTHEST, _FAR * math.log(max(1, runs)))


def readings(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words and forms of a text as it stands, and of each way in which it can be read."""
    words = plain_words(visible(text))
    shapes = forms(text)
    yield words, shapes
    right = unswapped(words)
    if right:
        yield right, [*shapes, "swapped"]
    for how, hidden in hidden_texts(text, words):
        yield plain_words(hidden), [*shapes, how]


def regions(words: list[str]) -> Iterator[set[int]]:
    """The features around each anchor."""
    known: dict[int, tuple[int, ...]] = {}
    anchored = lexicon().anchored
    opening = lexicon().names.index(OPENING)
    for place in anchors(words):
        mine = _bits(meaning(words, place) & anchored)
        if not mine:
            continue
        far: set[int] = set()
        before = _side(words, range(place - 1, max(-1, place - AROUND - 1), -1), known, far)
        after = _side(words, range(place + 1, min(len(words), place + AROUND + 1)), known, far)
        far -= before
        far -= after
        if not place or words[place - 1] == STOP:
            before.add(opening)
        found = {bit << 16 for bit in mine}
        for a in mine:
            found.update([a << 16 | 256 | b for b in before])
            found.update([a << 16 | 512 | b for b in after])
            found.update([a << 16 | 768 | b for b in far])
        yield found


def _side(
    words: list[str], places: range, known: dict[int, tuple[int, ...]], far: set[int]
) -> set[int]:
    """The concepts near an anchor on one side, in its clause; the further ones go to ``far``."""
    near: set[int] = set()
    into, left = near, NEAR
    for place in places:
        if words[place] == STOP:
            into = far
            continue
        bits = known.get(place)
        if bits is None:
            bits = known[place] = _bits(meaning(words, place))
        left -= 1
        if left < 0:
            into = far
        into.update(bits)
    return near


@functools.lru_cache(maxsize=4096)
def _bits(mask: int) -> tuple[int, ...]:
    return tuple([bit for bit in range(mask.bit_length()) if mask >> bit & 1])
