"""The personal data screen: what it finds, what it leaves alone, and that its work is bounded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bench.personal_values import MAKERS, sentences
from shared.safety import personal
from shared.safety.own_values import own_values
from shared.safety.personal import find_personal, suspicious
from shared.safety.personal_common import Budget
from shared.safety.personal_pieces import LONGEST, LONGEST_KEY, pieces
from shared.safety.personal_rules import rules
from shared.safety.redaction import redact

_KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n"
    + "MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi\n" * 20
    + "-----END RSA PRIVATE KEY-----"
)


def test_every_sort_of_datum_is_found_where_it_stands() -> None:
    rows = list(sentences(seed=7, each=4))
    missed = [
        text
        for text, value, _ in rows
        if not any(
            finding.start <= text.index(value) and finding.end >= text.index(value) + len(value)
            for finding in find_personal(text)
        )
    ]
    assert len(rows) == 4 * len(MAKERS)
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        "The meeting is on 2024-01-15 at 10:30, the next on 12.05.2023 or 01/02/2024.",
        "Order 4111111111111111 was shipped, tracking 378282246310005.",
        "Order number 1234567890123 costs 1,234,567.89 EUR.",
        "ISBN 978-3-16-148410-0, ISSN 2049-3630, DOI 10.1000/182",
        "pi is 3.14159265358979 and 2**64 is 18446744073709551616.",
        "MAX = 0x7fffffff; TIMEOUT_MS = 1500000000; x = a[1::2] + std::vector<int>",
        "Upgrade from version 10.4.2.18 to v11.0.2.3, see section 5.2.2.5.",
        "pip install requests==2.31.0 numpy>=1.26.4.1",
        "Bind to 127.0.0.1, mask 255.255.255.0, network 10.0.0.0/8, or 0.0.0.0.",
        "The populations were 1 402 112 000 and 1 339 180 127 in 2020.",
        "git clone git@github.com:owner/project.git and open logo@2x.png",
        'api_key = "your-api-key-here"; password = "<password>"; token = get_token(user)',
        "Use postgres://postgres:postgres@localhost/db in tests.",
        "A key file begins with -----BEGIN PRIVATE KEY----- and is secret.",
        "51 Franklin Street, Boston, MA 02110-1301",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 fixes it",
        "The uuid 123e4567-e89b-12d3-a456-426614174000 is an example.",
        "Rows: 12 34 56 78 90 12 34 56 78 90 and 100 200 300 400.",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_private_key_goes_whole() -> None:
    assert redact(f"Here:\n{_KEY}\nDone") == "Here:\n[SECRET]\nDone"


def test_marks_name_the_kind() -> None:
    text = "Ann <ann@example.com>, +49 30 901820, card 4111 1111 1111 1111"
    assert redact(text) == "Ann <[EMAIL]>, [PHONE], card [CARD]"


def test_a_weak_shape_needs_its_word_before_it() -> None:
    assert redact("PESEL 44051401359") == "PESEL [ID]"
    assert redact("width 44051401359") == "width 44051401359"


def test_what_the_user_wrote_himself_stays_whatever_its_form() -> None:
    own = own_values("I am jo@example.com, my number is 0170 1234567, SSN 123456789.")
    text = "Jo@example.com, phone +49 170 1234567, SSN 123-45-6789; phone +49 170 7654321"
    assert redact(text, own) == (
        "Jo@example.com, phone +49 170 1234567, SSN 123-45-6789; phone [PHONE]"
    )


def _hostile() -> Iterator[str]:
    yield from ("1" * 40, "4111 1111 1111 1112 ", "1.2.3.4.", "+49 30 1 ", "a@", "(", "eyJaaaa.")
    yield from ("-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n", "AB12 ", "a1:b2:", "password=")
    yield from ("DE89 3704 0044 0532 0130 01 ", "://a:", "Version: ", "123-45-6789 ", "é@ü.ö")


@pytest.mark.parametrize("unit", list(_hostile()))
def test_pieces_cover_the_text_and_none_is_long(unit: str) -> None:
    """What bounds the work: each piece is looked at by itself, and all patterns are bounded."""
    text = unit * (60_000 // len(unit))
    spans = list(pieces(text, 0, final=True))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    digits = [(a, b) for a, b, key in spans if not key and any(map(str.isdigit, text[a:b]))]
    assert all(b - a <= LONGEST for a, b in digits)
    assert all(b - a <= LONGEST_KEY for a, b, key in spans if key)


def test_costly_steps_of_a_text_are_counted() -> None:
    budget = Budget(steps=2)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    # Without steps a strong shape is enough, and no weak one counts.
    text = "SSN 123-45-6789 PESEL 44051401350 "
    spent = Budget(steps=0)
    found = [
        finding.kind
        for start, end, key in pieces(text, 0, final=True)
        for finding in personal.in_piece(text, start, end, key, spent)
    ]
    assert found == ["ID"]


def test_a_clean_text_is_looked_at_by_nothing_costly() -> None:
    prose = "The committee met in 2019 and agreed on 4,500 euros, see page 12. " * 40
    assert not suspicious(prose)


def test_the_libraries_are_loaded_by_the_first_suspicious_number_only() -> None:
    code = (
        "import sys\nfrom shared.safety import redact\n"
        "redact('Nothing here, not in 2024.')\nprint('stdnum' in sys.modules, "
        "'phonenumbers' in sys.modules)\nprint(redact('PESEL 44051401359'))\n"
        "print('stdnum' in sys.modules, 'phonenumbers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "False", "PESEL", "[ID]", "True", "False"]


def test_the_data_file_is_sound() -> None:
    known = rules()
    assert known.longest <= 30
    assert {rule.number.name for found in known.shapes.values() for rule in found} >= {
        "US SSN",
        "UK NINO",
        "IN Aadhaar",
    }
