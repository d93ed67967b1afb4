"""What Schemathesis cannot read in the description: a key is for one request.

Keys it makes up are short and come again; most are made their case's own here, so that bodies are
tried and not only refused as another's (409). Some stay as they are.
"""

from __future__ import annotations

from itertools import count

import schemathesis

_KEY = "Idempotency-Key"
_number = count(1)


@schemathesis.hook
def map_headers(_context: object, headers: dict[str, str] | None) -> dict[str, str] | None:
    """Three valid keys of four get a number nobody has."""
    key = None if headers is None else headers.get(_KEY)
    if headers is None or not isinstance(key, str) or not 1 <= len(key) <= 200:
        return headers
    nth = next(_number)
    if nth % 4 and key.isascii() and key.isprintable() and " " not in key:
        headers[_KEY] = f"{key}-{nth}"
    return headers
