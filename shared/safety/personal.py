"""Finds personal data in a text (R18.9): addresses, numbers with their checksums, keys and tokens.

Nearly every text is clean, and a clean one passes after a few plain searches. In the others each
piece (``personal_pieces.py``) is judged by itself, with the characters before it as context.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.safety.personal_checks import check, compact, iban, ip_address
from shared.safety.personal_common import DATE, HAS_DIGIT, Budget, Finding, before
from shared.safety.personal_phones import phones
from shared.safety.personal_pieces import pieces
from shared.safety.personal_rules import Rule, rules
from shared.safety.personal_secrets import PASSWORD, secrets

# Words of a number at most: "1 85 05 78 006 084 36" has seven.
_MOST_WORDS = 8
# Characters: "5551234" after "call", "a@b.com".
_SHORTEST = 7


# One look for all numbers, keys and tokens, led by a digit, because prose has few: six digits or
# capitals in a row, an address, a code of letters before it, a long word around it.
_NUMBER = re.compile(
    r"[0-9](?:(?:[ ().\-/\xa0]{0,4}+[0-9A-Z]){5}|\.[0-9]{1,3}\.[0-9]"
    r"|(?<=[A-Z]{5}[0-9])|(?<=[A-Z]{3}[0-9])[0-9][A-Z]"
    r"|[A-Za-z0-9_~+/.\-]{8}|(?<=[A-Za-z0-9_~+/.\-]{9}))"
)
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_MARKS = ("@", "-----BEGIN ", *PASSWORD)

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9][A-Za-z0-9._%+\-]{0,63}"
    r"@(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,8}(?P<top>[A-Za-z]{2,24})(?![A-Za-z0-9\-@])"
)
# What follows an @ in file names and on hosts without mail.
_NO_MAIL = re.compile(
    r"png|jpe?g|gif|svg|webp|css|[jt]sx?|json|html|xml|ya?ml|md|txt|local|localhost|internal|lan"
    r"|test|service",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]){11,32}+")
_IP4 = re.compile(r"(?<![\w.\-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w\-]|\.[0-9]|/[0-9])")
# Four small numbers number sections and versions as well.
_SECTION = re.compile(r"(?:1?[0-9]\.){3}1?[0-9]")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_WORD = re.compile(r"[A-Za-z0-9]+(?:[.\-/][A-Za-z0-9]+)*")
_SHAPE = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\xa0", "9" * 10 + "A" * 26 + " ")
_DOCUMENT = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Z]{0,5}[ \-]?[0-9])[A-Z0-9]{1,20}"
    r"(?:[ \-*](?=[A-Z]{0,3}[0-9])[A-Z0-9]{1,10}){0,5}(?![A-Za-z0-9])"
)


def find_personal(text: str) -> list[Finding]:
    """The personal data in ``text``, in its order, none overlapping another."""
    if not suspicious(text):
        return []
    budget = Budget()
    return [
        finding
        for start, end, key in pieces(text, 0, final=True)
        for finding in in_piece(text, start, end, key, budget)
    ]


def suspicious(text: str) -> bool:
    """Whether a text may hold personal data at all. False is sure, True is not."""
    for mark in _MARKS:
        if mark in text:
            return True
    return _NUMBER.search(text) is not None or _COLONS.search(text) is not None


def in_piece(text: str, start: int, end: int, key: bool, budget: Budget) -> list[Finding]:
    """The personal data of one piece of ``text``; what stands before it is its context."""
    if key:
        return [Finding("SECRET", start, end)]
    taken: list[Finding] = []
    if end - start < _SHORTEST:
        return taken
    for finding in _candidates(text, start, end, budget):
        if all(finding.end <= other.start or finding.start >= other.end for other in taken):
            taken.append(finding)
    return sorted(taken, key=lambda finding: finding.start)


def _candidates(text: str, start: int, end: int, budget: Budget) -> Iterator[Finding]:
    """What may be personal data, the surest first."""
    if text.find("@", start, end) >= 0:
        yield from _mail(text, start, end)
    if HAS_DIGIT.search(text, start, end) is None:
        return
    yield from secrets(text, start, end)
    if text.find(":", start, end) >= 0:
        yield from _addresses(text, _IP6, start, end)
    if text.find(".", start, end) >= 0:
        yield from _addresses(text, _IP4, start, end)
    yield from _accounts(text, start, end, budget)
    yield from _numbers(text, start, end, budget, strong=True)
    yield from _documents(text, start, end, budget)
    yield from _numbers(text, start, end, budget, strong=False)
    yield from phones(text, start, end, budget)


def _mail(text: str, start: int, end: int) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text, start, end):
        if _NO_MAIL.fullmatch(match["top"]):
            continue
        if match[0].startswith("git@") and text.startswith(":", match.end()):
            continue
        yield Finding("EMAIL", *match.span())


def _addresses(text: str, shape: re.Pattern[str], start: int, end: int) -> Iterator[Finding]:
    for match in shape.finditer(text, start, end):
        if not ip_address(match[0], rules().nobody):
            continue
        near = text[max(0, match.start() - 24) : match.start()]
        if rules().version.search(near):
            continue
        if _SECTION.fullmatch(match[0]) and not rules().address.search(near):
            continue
        yield Finding("IP", *match.span())


def _accounts(text: str, start: int, end: int, budget: Budget) -> Iterator[Finding]:
    for match in _IBAN.finditer(text, start, end):
        length = iban(match[0], rules().iban_lengths) if budget.take() else len(match[0])
        if length:
            yield Finding("IBAN", match.start(), match.start() + length)


def _numbers(text: str, start: int, end: int, budget: Budget, *, strong: bool) -> Iterator[Finding]:
    """Runs of one to eight words whose shape is that of a known number, longest first."""
    words = [match.span() for match in _WORD.finditer(text, start, end)]
    if not words:
        return
    shape = text[start:end].translate(_SHAPE)
    shapes, longest = rules().shapes, rules().longest
    first = 0
    while first < len(words):
        begin = words[first][0]
        last = first
        while (
            last + 1 < len(words)
            and last + 1 < first + _MOST_WORDS
            and words[last + 1][0] == words[last][1] + 1
            and shape[words[last][1] - start] in " -"
            and words[last + 1][1] - begin <= longest
        ):
            last += 1
        for upto in range(last, first - 1, -1):
            stop = words[upto][1]
            known = shapes.get(shape[begin - start : stop - start])
            rule = _fits(text, begin, stop, known, budget, strong=strong) if known else None
            if rule:
                yield Finding(rule.number.kind, begin, stop)
                first = upto
                break
        first += 1


def _fits(
    text: str, start: int, end: int, known: tuple[Rule, ...], budget: Budget, *, strong: bool
) -> Rule | None:
    """The first of the rules ``known`` for its shape that ``text[start:end]`` satisfies."""
    value = text[start:end]
    near: str | None = None
    for rule in known:
        if rule.strong is not strong:
            continue
        near = before(text, start, budget) if near is None else near
        number = rule.number
        announced = rule.announced(near) or (
            number.kind == "ID" and number.check != "own.any" and rules().identity(near)
        )
        if not announced and not strong:
            continue
        if number.not_things and value.isalnum() and rules().things.search(near[-24:]):
            continue
        if number.context_suffices and rule.announced(near):
            return rule
        if not budget.take() or check(number.check)(value):
            return rule
    return None


def _documents(text: str, start: int, end: int, budget: Budget) -> Iterator[Finding]:
    """Passports and driving licences: no check digit is shared, so a word must announce them."""
    for match in _DOCUMENT.finditer(text, start, end):
        digits = sum(map(str.isdigit, match[0]))
        if digits < 5 or DATE.fullmatch(match[0]):
            continue
        first = HAS_DIGIT.search(match[0])
        if first and len(compact(match[0][first.start() :])) < 6:
            continue
        near = before(text, match.start(), budget)
        if not near:
            continue
        plain = len(compact(match[0]))
        if 7 <= plain <= 10 and rules().passport.search(near):
            yield Finding("PASSPORT", *match.span())
        elif 6 <= plain <= 18 and rules().licence.search(near):
            yield Finding("LICENCE", *match.span())
