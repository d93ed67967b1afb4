"""Whether a number can be what its shape suggests: checksums, calling codes, addresses.

python-stdnum and phonenumberslite are imported here, on the first suspicious number: 70 ms and
25 ms that a chat without any has no use for.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import cast

# National insurance numbers never begin with these (HMRC, NIM39110).
_NO_NINO = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
_NINO = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
# DVLA: month 01-12, of women 51-62; day 01-31 (driver number format, INF1D).
_DVLA = re.compile(r"[A-Z9]{5}\d(?:[05][1-9]|[16][0-2])(?:0[1-9]|[12]\d|3[01])\d[A-Z9]{2}")
# Countries whose numbers are often written without a calling code, in the order they are tried.
_HOME_REGIONS = ("GB", "DE", "FR", "IT", "ES", "NL", "BE", "CH", "AT", "AU", "IN", "JP", "ZA")
# Prefixes and lengths by ISO/IEC 7812 as the networks publish them: lowest and highest first
# digits, and the lengths they are issued in.
_CARDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 19})),
    (51, 55, frozenset({16})),
    (2221, 2720, frozenset({16})),
    (34, 34, frozenset({15})),
    (37, 37, frozenset({15})),
    (6011, 6011, frozenset({16, 19})),
    (644, 659, frozenset({16, 19})),
    (3528, 3589, frozenset({16, 19})),
    (300, 305, frozenset({14})),
    (36, 36, frozenset({14})),
    (38, 39, frozenset({14})),
    (62, 62, frozenset({16, 17, 18, 19})),
    (5018, 5018, frozenset(range(12, 20))),
    (5020, 5020, frozenset(range(12, 20))),
    (5038, 5038, frozenset(range(12, 20))),
    (5893, 5893, frozenset(range(12, 20))),
    (6304, 6304, frozenset(range(12, 20))),
    (6759, 6763, frozenset(range(12, 20))),
    (2200, 2204, frozenset({16})),
    (60, 60, frozenset({16})),
    (81, 82, frozenset({16})),
)

_LEAST_IP6 = 8  # characters

Check = Callable[[str], bool]


def compact(text: str) -> str:
    """Letters and digits alone, letters in capitals: how values are compared."""
    return "".join(char for char in text if char.isalnum()).upper()


def check(name: str) -> Check:
    """The check of that name (``personal.json``)."""
    return _OWN[name] if name.startswith("own.") else _stdnum(name)


@functools.cache
def _stdnum(name: str) -> Check:
    module = importlib.import_module(f"stdnum.{name}")
    return cast("Check", module.is_valid)


def luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card(text: str) -> bool:
    """A payment card: a network's prefix, its length, and the check digit."""
    digits = compact(text)
    issued = any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths
        for low, high, lengths in _CARDS
    )
    return issued and luhn(digits) and len(set(digits)) > 1


def nino(text: str) -> bool:
    """A British national insurance number (no check digit exists)."""
    plain = compact(text)
    return _NINO.fullmatch(plain) is not None and plain[:2] not in _NO_NINO


def dvla(text: str) -> bool:
    """A British driver number: it holds a date of birth."""
    return _DVLA.match(compact(text)) is not None


def anything(_text: str) -> bool:
    """For numbers without a check digit: their word of context decides."""
    return True


def iban(text: str, lengths: dict[str, int]) -> int:
    """How many characters of ``text`` (blanks included) are an IBAN; 0: none is (ISO 13616)."""
    wanted = lengths.get(text[:2])
    if wanted is None:
        return 0
    seen = 0
    for place, char in enumerate(text):
        seen += char.isalnum()
        if seen == wanted:
            plain = compact(text[: place + 1])
            whole = text[place + 1 : place + 2].isalnum()
            moved = plain[4:] + plain[:4]
            number = "".join(str(int(sign, 36)) for sign in moved)
            return 0 if whole or int(number) % 97 != 1 else place + 1
    return 0


def ip_address(text: str, nobody: frozenset[str]) -> bool:
    """An address that may be somebody's: no mask, network, loopback or textbook address."""
    if text.lower() in nobody:
        return False
    try:
        if ":" in text:
            six = IPv6Address(text)
            # "list[1::2]" is one as well, and "2001:db8::" a network's.
            short = len(text) < _LEAST_IP6 or text.endswith("::")
            return not (short or six.is_loopback or six.is_multicast or six.is_link_local)
        four = IPv4Address(text)
    except AddressValueError:
        return False
    network = int(four) & 0xFF == 0
    return not (network or four.is_loopback or four.is_multicast or text.startswith(("255.", "0.")))


def calling_code(digits: str) -> bool:
    """Whether an international number begins as one can (ITU E.164: 8 to 15 digits)."""
    if not 8 <= len(digits) <= 15:
        return False
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return any(int(digits[:width]) in COUNTRY_CODE_TO_REGION_CODE for width in (1, 2, 3))


def home_number(text: str) -> bool:
    """Whether a number that begins with 0 is one of a country that writes them so."""
    from phonenumbers import NumberParseException, is_valid_number, parse

    for region in _HOME_REGIONS:
        try:
            if is_valid_number(parse(text, region)):
                return True
        except NumberParseException:
            continue
    return False


_OWN: dict[str, Check] = {
    "own.card": card,
    "own.nino": nino,
    "own.dvla": dvla,
    "own.any": anything,
}
