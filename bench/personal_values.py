"""Made-up personal data with right check digits, in sentences: what ``bench.screens`` looks for.

Nothing of it belongs to anybody: numbers are drawn by a seeded generator, check digits are added by
the formula of each number, written here a second time so that the screen is not its own judge.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator

Draw = Callable[[random.Random], str]


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def signs(
    rng: random.Random, count: int, alphabet: str = string.ascii_letters + "0123456789"
) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def luhn_digit(body: str) -> str:
    doubled = [int(d) * 2 if place % 2 == 0 else int(d) for place, d in enumerate(reversed(body))]
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def card(rng: random.Random) -> str:
    prefix, length = rng.choice([("4", 16), ("52", 16), ("37", 15), ("6011", 16), ("2345", 16)])
    body = prefix + digits(rng, length - len(prefix) - 1)
    number = body + luhn_digit(body)
    cuts = (4, 10) if length == 15 else (4, 8, 12)
    sign = rng.choice(["", " ", "-"])
    parts = [number[a:b] for a, b in zip((0, *cuts), (*cuts, length), strict=True)]
    return sign.join(parts)


def iban(rng: random.Random) -> str:
    country, bban = rng.choice(
        [
            ("DE", digits(rng, 18)),
            ("FR", digits(rng, 23)),
            ("GB", "WEST" + digits(rng, 14)),
            ("NL", "ABNA" + digits(rng, 10)),
            ("ES", digits(rng, 20)),
            ("AT", digits(rng, 16)),
        ]
    )
    value = "".join(str(int(sign, 36)) for sign in bban + country + "00")
    whole = f"{country}{98 - int(value) % 97:02d}{bban}"
    return (
        " ".join(whole[i : i + 4] for i in range(0, len(whole), 4)) if rng.random() < 0.5 else whole
    )


def mail(rng: random.Random) -> str:
    name = rng.choice(["anna.berg", "j_smith99", "li.wei", "m.o'neill".replace("'", ""), "kontakt"])
    host = rng.choice(["mail.example.org", "firma-nord.de", "posteo.net", "uni.ac.uk", "shop.co"])
    return f"{name}{rng.choice(['', '+news', str(rng.randint(1, 99))])}@{host}"


def phone(rng: random.Random) -> str:
    n = "".join(str(rng.randint(2, 9)) for _ in range(10))
    return rng.choice(
        [
            f"({n[:3]}) {n[3:6]}-{n[6:]}",
            f"{n[:3]}-{n[3:6]}-{n[6:]}",
            f"+1 {n[:3]} {n[3:6]} {n[6:]}",
            f"+44 20 7{n[:3]} {n[3:7]}",
            f"+49 170 {n[:7]}",
            f"+336{n[:8]}",
            f"06 {n[:2]} {n[2:4]} {n[4:6]} {n[6:8]}",
            f"+91 98{n[:3]} {n[3:8]}",
            f"07700 900{n[:3]}",
            f"+34 6{n[:2]} {n[2:5]} {n[5:8]}",
            f"+55 11 9{n[:4]}-{n[4:8]}",
        ]
    )


def ssn(rng: random.Random) -> str:
    return f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"


def nino(rng: random.Random) -> str:
    body = rng.choice(["AB", "JK", "PW", "CE"]) + digits(rng, 6) + rng.choice("ABCD")
    return (
        body if rng.random() < 0.5 else f"{body[:2]} {body[2:4]} {body[4:6]} {body[6:8]} {body[8]}"
    )


def dni(rng: random.Random) -> str:
    number = digits(rng, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def nie(rng: random.Random) -> str:
    lead, body = rng.choice("XYZ"), digits(rng, 7)
    return lead + body + "TRWAGMYFPDXBNJZSQVHLCKE"[int(str("XYZ".index(lead)) + body) % 23]


def cpf(rng: random.Random) -> str:
    body = digits(rng, 9)
    for _ in range(2):
        total = sum(int(d) * w for d, w in zip(body, range(len(body) + 1, 1, -1), strict=True))
        body += str(0 if total % 11 < 2 else 11 - total % 11)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def bsn(rng: random.Random) -> str:
    while True:
        body = str(rng.randint(1, 9)) + digits(rng, 7)
        rest = sum(int(d) * w for d, w in zip(body, range(9, 1, -1), strict=True)) % 11
        if rest < 10:
            return body + str(rest)


def pesel(rng: random.Random) -> str:
    body = f"{rng.randint(40, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{digits(rng, 4)}"
    total = sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True))
    return body + str(-total % 10)


def nir(rng: random.Random) -> str:
    body = (
        f"{rng.choice('12')}{rng.randint(40, 99)}{rng.randint(1, 12):02d}"
        f"{rng.randint(1, 19):02d}{rng.randint(1, 300):03d}{rng.randint(1, 300):03d}"
    )
    key = f"{97 - int(body) % 97:02d}"
    if rng.random() < 0.5:
        return body + key
    return f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:13]} {key}"


def personnummer(rng: random.Random) -> str:
    body = f"{rng.randint(40, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{digits(rng, 3)}"
    return f"{body[:6]}-{body[6:]}{luhn_digit(body)}"


def aadhaar(rng: random.Random) -> str:
    from stdnum.verhoeff import calc_check_digit

    body = str(rng.randint(2, 9)) + digits(rng, 10)
    number = body + str(calc_check_digit(body))
    return f"{number[:4]} {number[4:8]} {number[8:]}"


def pan(rng: random.Random) -> str:
    letters = string.ascii_uppercase
    return signs(rng, 3, letters) + "P" + signs(rng, 1, letters) + f"{rng.randint(1, 9999):04d}X"


def fiscal_code(rng: random.Random) -> str:
    from stdnum.it.codicefiscale import calc_check_digit

    body = (
        "RSSMRA" + f"{rng.randint(40, 99)}{rng.choice('ABCDEHLMPRST')}{rng.randint(1, 28):02d}H501"
    )
    return body + str(calc_check_digit(body))


def idnr(rng: random.Random) -> str:
    """Eleven digits: of the first ten one comes twice and one not at all (ISO 7064, mod 11,10)."""
    pool = list(string.digits)
    rng.shuffle(pool)
    body = [*pool[:9], pool[0]]
    rng.shuffle(body)
    if body[0] == "0":
        body.reverse()
    if body[0] == "0":
        body[0], body[1] = body[1], body[0]
    product = 10
    for digit in body:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return "".join(body) + str((11 - product) % 10)


def ip4(rng: random.Random) -> str:
    rest = ".".join(str(rng.randint(2, 254)) for _ in range(3))
    return f"{rng.choice([81, 93, 145, 203, 192])}.{rest}"


def ip6(rng: random.Random) -> str:
    hexes = "123456789abcdef"
    return f"2a02:{signs(rng, 4, hexes)}:{signs(rng, 3, hexes)}::{signs(rng, 4, hexes)}"


def licence(rng: random.Random) -> str:
    letter = rng.choice(string.ascii_uppercase)
    return rng.choice(
        [letter + digits(rng, 7), f"{letter}{digits(rng, 3)}-{digits(rng, 4)}-{digits(rng, 4)}"]
    )


def dvla(rng: random.Random) -> str:
    born = f"{rng.randint(4, 9)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{digits(rng, 1)}"
    return f"MORGA{born}SM9IJ"


def passport(rng: random.Random) -> str:
    return rng.choice([digits(rng, 9), "C" + digits(rng, 8), "AB" + digits(rng, 7)])


def key(rng: random.Random) -> str:
    return rng.choice(
        [
            "sk-proj-" + signs(rng, 40),
            "ghp_" + signs(rng, 36),
            "AKIA" + signs(rng, 16, string.ascii_uppercase + "234567"),
            "AIza" + signs(rng, 35),
            f"xoxb-{digits(rng, 12)}-{signs(rng, 24)}",
            "hf_" + signs(rng, 34),
            "sk_live_" + signs(rng, 24),
            f"eyJ{signs(rng, 30)}.eyJ{signs(rng, 60)}.{signs(rng, 43)}",
        ]
    )


# kind, what announces it ("" also: stands by itself), how it is made
MAKERS: tuple[tuple[str, tuple[str, ...], Draw], ...] = (
    ("EMAIL", ("", "Her e-mail is ", "mailto:", "Write to "), mail),
    ("PHONE", ("Phone: ", "Call me at ", "Tel. ", "my mobile is "), phone),
    ("CARD", ("", "Visa ", "The card number is ", "paid with "), card),
    ("IBAN", ("", "IBAN: ", "Please transfer to "), iban),
    ("ID", ("", "SSN: ", "social security number "), ssn),
    ("ID", ("", "NI number ", "National Insurance: "), nino),
    ("ID", ("", "DNI "), dni),
    ("ID", ("", "mi NIE es "), nie),
    ("ID", ("", "CPF: "), cpf),
    ("ID", ("BSN: ", "mijn burgerservicenummer is "), bsn),
    ("ID", ("PESEL ", "numer PESEL: "), pesel),
    ("ID", ("", "numéro de sécurité sociale "), nir),
    ("ID", ("", "personnummer "), personnummer),
    ("ID", ("", "Aadhaar number "), aadhaar),
    ("ID", ("", "PAN card "), pan),
    ("ID", ("", "codice fiscale "), fiscal_code),
    ("ID", ("Steuer-ID: ", "Steueridentifikationsnummer "), idnr),
    ("IP", ("logged in from ", "IP address ", "client "), ip4),
    ("IP", ("", "from ", "IPv6 "), ip6),
    ("LICENCE", ("driver's license ", "Driving licence no. ", "DL number: "), licence),
    ("LICENCE", ("", "driving licence "), dvla),
    ("PASSPORT", ("passport number ", "Passport No: ", "Reisepass "), passport),
    ("SECRET", ("", "my key is ", "export TOKEN="), key),
)
_AROUND = (
    ("", ""),
    ("Sure, here it is: ", "."),
    ("The record says ", ", as of last week."),
    ("As noted on page 3 (", ") by the clerk."),
    ("- name: Jo Doe\n- ", "\n- city: Leeds"),
    ("Bitte notieren: ", " - danke!"),
    ('Customer 17 wrote: "', '" and hung up.'),
)


def sentences(seed: int, each: int = 12) -> Iterator[tuple[str, str, str]]:
    """(text, the datum in it, its kind), ``each`` of every sort."""
    rng = random.Random(seed)
    for kind, announced, make in MAKERS:
        for _ in range(each):
            value = make(rng)
            before, after = rng.choice(_AROUND)
            yield f"{before}{rng.choice(announced)}{value}{after}", value, kind
