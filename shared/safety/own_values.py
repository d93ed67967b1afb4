"""What a user wrote himself: his own address or number in an answer to him is no disclosure."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from shared.safety.personal import find_personal, suspicious
from shared.safety.personal_checks import compact

# Numbers of a text that are kept: more than anybody writes of himself.
MOST = 500
_RUN = re.compile(r"[A-Za-z0-9]*\d(?:[ ().\-/+]{0,3}[A-Za-z0-9]*\d[A-Za-z0-9]?){3,30}")
# A phone number is written with its calling code or without: its last eight digits tell it.
_LAST = 8


def own_values(text: str) -> frozenset[str]:
    """The personal data in a user's text, in the form in which ``is_own`` compares.

    Longer runs of digits count too, whatever they are: in his own words a number needs no word of
    context to be his.
    """
    if not suspicious(text):
        return frozenset()
    values: set[str] = set()
    for finding in find_personal(text)[:MOST]:
        values.update(_forms(text[finding.start : finding.end]))
    for place, match in enumerate(_RUN.finditer(text)):
        if place == MOST:
            break
        values.update(_forms(match[0]))
    return frozenset(values)


def is_own(value: str, kind: str, own: AbstractSet[str]) -> bool:
    """Whether ``value`` (a finding of ``kind``) is one of ``own_values``."""
    plain = compact(value)
    if plain in own:
        return True
    return kind == "PHONE" and len(plain) >= _LAST and f"~{plain[-_LAST:]}" in own


def _forms(value: str) -> tuple[str, ...]:
    plain = compact(value)
    if len(plain) >= _LAST and plain.isdigit():
        return plain, f"~{plain[-_LAST:]}"
    return (plain,)
