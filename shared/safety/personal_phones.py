"""Phone numbers in a text, as they are written here and there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.safety.personal_checks import calling_code, compact, home_number
from shared.safety.personal_common import DATE, Budget, Finding, before
from shared.safety.personal_rules import rules

_PHONE_ABROAD = re.compile(
    r"(?<![\w+])\+[0-9]{1,15}+(?:\([0-9]{1,6}\)|[ .\-/]{1,2}+\(?[0-9]{1,12}+\)?+){0,7}+(?!\w)"
)
_PHONE_US = re.compile(
    r"(?<![\w+.\-])(?:(?:\+?1|001)[ .\-])?(?:\([2-9][0-9]{2}\)[ \-]?|[2-9][0-9]{2}[.\-])"
    r"[0-9]{3}[ .\-][0-9]{4}(?:x[0-9]{1,5})?(?!\w|[.\-][0-9])"
)
_PHONE_US_SPACED = re.compile(
    r"(?<![\w+.\-,] )(?<![\w+.\-])[2-9][0-9]{2} [2-9][0-9]{2} [0-9]{4}(?!\w|[.\- ][0-9])"
)
_PHONE_HOME = re.compile(
    r"(?<![\w+.\-/,])\(?0[0-9]{1,5}+\)?+(?:[ .\-/]{1,3}+[0-9]{2,9}+){1,5}+(?!\w)"
)
_PHONE_ANY = re.compile(
    r"(?<![\w+.\-/])\(?[0-9]{1,15}+\)?+(?:[ .\-/]{1,2}+[0-9]{1,12}+){0,6}+(?!\w)"
)
_DECIMAL = re.compile(r"\+?[0-9]+\.[0-9]+")
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}")


def phones(text: str, start: int, end: int, budget: Budget) -> Iterator[Finding]:
    """International ones by their calling code, others by shape, country or the word before."""
    for match in _PHONE_ABROAD.finditer(text, start, end):
        stop = _abroad(match[0])
        if stop and not _DECIMAL.fullmatch(match[0]):
            yield Finding("PHONE", match.start(), match.start() + stop)
    for shape in (_PHONE_US, _PHONE_US_SPACED):
        for match in shape.finditer(text, start, end):
            yield Finding("PHONE", *match.span())
    for match in _PHONE_HOME.finditer(text, start, end):
        if DATE.search(match[0]) or _ZIP.fullmatch(match[0]):
            continue
        announced = rules().phone.search(before(text, match.start(), budget))
        if announced or (_grouped(match[0]) and (not budget.take() or home_number(match[0]))):
            yield Finding("PHONE", *match.span())
    for match in _PHONE_ANY.finditer(text, start, end):
        digits = sum(map(str.isdigit, match[0]))
        if not 7 <= digits <= 15 or DATE.search(match[0]) or _DECIMAL.fullmatch(match[0]):
            continue
        near = before(text, match.start(), budget)
        if rules().phone.search(near) and not rules().things.search(near[-16:]):
            yield Finding("PHONE", *match.span())


def _grouped(number: str) -> bool:
    """Whether it is written as phone numbers are and lists of figures seldom are."""
    groups = re.split(r"\D+", number.strip("()"))
    return 9 <= sum(map(len, groups)) <= 12 and len(groups[0]) >= 2


def _abroad(number: str) -> int:
    """How much of what begins with + is an international number: groups of too many fall off."""
    while number:
        digits = compact(number)
        if len(digits) < 8:
            return 0
        if calling_code(digits):
            return len(number)
        shorter = max(number.rfind(sign) for sign in " .-/")
        number = number[:shorter] if shorter > 0 else ""
    return 0
