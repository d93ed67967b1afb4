"""The text of an API key: ``ck_``, 256 random bits, and a checksum.

Keys are of 49 letters and digits behind the mark, so a double click takes the whole. The checksum
is for typing errors and for those who send garbage: what is no key is known without asking the
store. It is no secret and protects nothing else.
"""

from __future__ import annotations

import hashlib
import random
import string
import zlib

MARK = "ck_"
SECRET_BITS = 256
# As much of a key as is shown later to recognise it by: 30 of its 256 bits.
SHOWN_CHARS = 8

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE = len(_ALPHABET)
_SECRET_CHARS = 43  # 62 ** 43 > 2 ** 256
_SUM_CHARS = 6  # 62 ** 6 > 2 ** 32
KEY_CHARS = len(MARK) + _SECRET_CHARS + _SUM_CHARS


def new_key(rng: random.Random) -> str:
    """A key nobody has. ``rng`` must be fit for secrets (``random.SystemRandom``)."""
    secret = _written(rng.getrandbits(SECRET_BITS), _SECRET_CHARS)
    return MARK + secret + _checksum(secret)


def is_key(text: str) -> bool:
    """Whether ``text`` could be a key that was given out: its form and checksum are right."""
    if len(text) != KEY_CHARS or not text.startswith(MARK) or not text.isascii():
        return False
    secret, checksum = text[len(MARK) : -_SUM_CHARS], text[-_SUM_CHARS:]
    return secret.isalnum() and checksum == _checksum(secret)


def fingerprint(key: str) -> str:
    """SHA-256 of a key in hex: what is stored of it.

    A slow hash (bcrypt, scrypt) guards passwords, which can be guessed one after another. Nobody
    can try 2**256 keys, so a fast one without salt tells as little, and it can be looked up by.
    """
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def shown_part(key: str) -> str:
    """The beginning of a key, for lists."""
    return key[:SHOWN_CHARS]


def _checksum(secret: str) -> str:
    return _written(zlib.crc32(secret.encode("ascii")), _SUM_CHARS)


def _written(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, _BASE)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
