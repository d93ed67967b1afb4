"""The data of the personal data screen (``personal.json``), read and checked on first use."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

_FILE = Path(__file__).with_name("personal.json")
_SHAPE = re.compile(r"[9A][9A .\-/]{4,29}[9A]")
_CHECK = re.compile(r"own\.(card|nino|dvla|any)|[a-z]{2}_?\.[a-z]+_?")
# A word of context stands at most this many characters before what it announces.
CONTEXT = 48

Kind = Literal[
    "EMAIL", "PHONE", "CARD", "IBAN", "ID", "IP", "LICENCE", "PASSPORT", "BANK_ACCOUNT", "SECRET"
]


class Number(Struct, frozen=True, forbid_unknown_fields=True):
    """One sort of number: its shapes and what makes one of that shape count."""

    name: str
    kind: Kind
    check: str
    strong: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    context: str = ""
    context_suffices: bool = False
    not_things: bool = False  # not where an order, invoice or ISBN was announced


class _Data(Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    id_words: str
    numbers_of_things: str
    numbers: tuple[Number, ...]
    licence_words: str
    passport_words: str
    phone_words: str
    bank_iban_lengths: str
    addresses_of_nobody: frozenset[str]
    version_words: str
    address_words: str
    secret_shapes: tuple[str, ...]
    secret_words: str


class Rule(Struct, frozen=True):
    """A number under one of its shapes, its words compiled. ``strong``: needs no word."""

    number: Number
    strong: bool
    context: re.Pattern[str] | None

    def announced(self, before: str) -> bool:
        """Whether one of its words stands in ``before``."""
        return bool(before) and self.context is not None and bool(self.context.search(before))


class Rules(Struct, frozen=True):
    """Everything the screen looks things up in.

    ``shapes``: what a text may be whose digits are written 9 and whose capitals A.
    """

    shapes: dict[str, tuple[Rule, ...]]
    longest: int
    id_words: re.Pattern[str]
    things: re.Pattern[str]
    licence: re.Pattern[str]
    passport: re.Pattern[str]
    phone: re.Pattern[str]
    version: re.Pattern[str]
    address: re.Pattern[str]
    secret: re.Pattern[str]
    secret_words: re.Pattern[str]
    nobody: frozenset[str]
    iban_lengths: dict[str, int] = field(default_factory=dict)

    def identity(self, before: str) -> bool:
        """Whether words for identity numbers of any country stand in ``before``."""
        return bool(before) and self.id_words.search(before) is not None


def data_problems(data: _Data) -> list[str]:
    """What is wrong with the file beyond its types, a line each."""
    problems = [
        f"{number.name}: {shape!r} is no shape"
        for number in data.numbers
        for shape in (*number.strong, *number.weak)
        if not _SHAPE.fullmatch(shape)
    ]
    for number in data.numbers:
        if not _CHECK.fullmatch(number.check):
            problems.append(f"{number.name}: no check is called {number.check!r}")
        if number.weak and not number.context:
            problems.append(f"{number.name}: weak shapes need words of context")
    return problems


@functools.cache
def rules() -> Rules:
    """The rules. Raises ``ValueError`` naming every problem of the file."""
    data = msgspec.json.decode(_FILE.read_bytes(), type=_Data)
    problems = data_problems(data)
    if problems:
        raise ValueError("; ".join(problems))
    shapes: dict[str, list[Rule]] = {}
    for number in data.numbers:
        context = re.compile(number.context, re.IGNORECASE) if number.context else None
        for strong, listed in ((True, number.strong), (False, number.weak)):
            for shape in listed:
                shapes.setdefault(shape, []).append(Rule(number, strong, context))
    return Rules(
        # What needs no word comes first: it is the surer.
        shapes={s: tuple(sorted(found, key=lambda r: not r.strong)) for s, found in shapes.items()},
        longest=max(map(len, shapes)),
        id_words=re.compile(data.id_words, re.IGNORECASE),
        things=re.compile(data.numbers_of_things, re.IGNORECASE),
        licence=re.compile(data.licence_words, re.IGNORECASE),
        passport=re.compile(data.passport_words, re.IGNORECASE),
        phone=re.compile(data.phone_words, re.IGNORECASE),
        version=re.compile(data.version_words, re.IGNORECASE),
        address=re.compile(data.address_words, re.IGNORECASE),
        secret=re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(data.secret_shapes)})"),
        secret_words=re.compile(rf"(?:{data.secret_words})", re.IGNORECASE),
        nobody=data.addresses_of_nobody,
        iban_lengths={pair[:2]: int(pair[2:]) for pair in data.bank_iban_lengths.split()},
    )
