"""Cuts a text into pieces that can be judged one after another (streams, P71).

A piece ends where no personal datum can go on: at a blank with a small letter or a comma beside it,
at a line's end, beside a sign that is not of the Latin, Greek or Cyrillic scripts. Where it ends
depends on nothing that comes later but the next character, so a text cut by a provider into any
chunks has the same pieces as the whole, and a stream holds back no more than its last piece.
In prose that is a word; a piece is bounded, so work is linear in a text's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What stands on both sides of a blank inside a number: "+49 (30) 123-45", "DE89 3704", "QQ 12 34".
_INNER = r"[0-9A-Z+()\-./]"
_SIGNS = r"[\t-\r\x85\u2028\u2029\u0900-\u1fff\u2e80-\ufeff\uff00-\uffef\U0001f000-\U0003ffff]"
_BREAK = re.compile(rf"(?<!{_INNER})[ \xa0]|[ \xa0](?!{_INNER})|{_SIGNS}")
# Characters. A table's row of numbers is one long piece: from here on any blank ends it.
ROOMY = 192
# And nothing goes on beyond this: longer than any token but a private key, which is looked for
# by itself.
LONGEST = 4096
# Words without a digit, an @ or a dash, each with its break: nothing can be in them, so they make
# one piece.
_PLAIN = re.compile(r"(?:[^\s0-9@\-]{0,60}(?:(?<=[^0-9A-Z+()\-./\s]) |\n))+")
_ANY_BREAK = re.compile(rf"[ \xa0]|{_SIGNS}")

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_MARK = "-----BEGIN "
_KEY_HEADER = 80  # no such line is longer
# A private key's lines, as PEM or as a JSON string with \n.
_KEY_BODY = re.compile(
    r"(?:(?:Proc-Type|DEK-Info|Version|Comment): ?[\w .,-]{1,80}"
    r"|[A-Za-z0-9+/=\r\n\t\\]|(?<=[\nn]) {1,16}){0,16384}"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_LEAST_BODY = 16  # characters; less is somebody who writes about keys
LONGEST_KEY = 16_384 + 2 * _KEY_HEADER


def pieces(text: str, start: int, *, final: bool) -> Iterator[tuple[int, int, bool]]:
    """(begin, end, is a private key) of each piece from ``start`` on.

    Not ``final``: stops before the first piece whose end is not yet known.
    """
    here = start
    while here < len(text):
        plain = _PLAIN.match(text, here)
        if plain:
            yield here, plain.end(), False
            here = plain.end()
            continue
        found = _private_key(text, here, final=final)
        if found is None:
            return
        if found > here:
            yield here, found, True
            here = found
            continue
        end = _end(text, here, final=final)
        if end is None:
            return
        yield here, end, False
        here = end


def _end(text: str, start: int, *, final: bool) -> int | None:
    """Where the piece that begins at ``start`` ends; None: not to be told yet."""
    size = len(text)
    limit, near = start + LONGEST, start + ROOMY
    found = _BREAK.search(text, start, near)
    # A break at the window's end was not seen with what follows it.
    if found is None or found.end() >= near:
        found = _ANY_BREAK.search(text, near - 1, limit)
    end = found.end() if found else min(limit, size)
    mark = text.find(_KEY_MARK, start + 1, end + len(_KEY_MARK))
    if 0 < mark < end:
        return mark
    # One more character must be known: what stands behind a blank, or that nothing does. Where a
    # piece is cut for its length, a key's first line may lie across the cut.
    ahead = len(_KEY_MARK) if end == limit else 1
    return end if final or end + ahead <= size else None


def _private_key(text: str, start: int, *, final: bool) -> int | None:
    """Where the private key that begins at ``start`` ends; ``start``: none does; None: unsure."""
    if text[start] != "-":
        return start
    rest = len(text) - start
    if not final and rest < len(_KEY_MARK):
        return None if _KEY_MARK.startswith(text[start:]) else start
    if not text.startswith(_KEY_MARK, start):
        return start
    if not final and rest < _KEY_HEADER:
        return None
    header = _KEY_BEGIN.match(text, start, start + _KEY_HEADER)
    if header is None:
        return start
    body = _KEY_BODY.match(text, header.end(), start + LONGEST_KEY)
    end = body.end() if body else header.end()
    if not final and len(text) - end < _KEY_HEADER and rest < LONGEST_KEY:
        return None
    return end if end - header.end() >= _LEAST_BODY else start
