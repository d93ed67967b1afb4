"""What stands behind the question mark of an admin path."""

from __future__ import annotations

from urllib.parse import parse_qs

from shared.edge.asgi import HttpRequest
from shared.errors import InvalidRequest


def whole_number(http: HttpRequest, name: str, default: int, low: int, high: int) -> int:
    """The parameter ``name``, a whole number from ``low`` to ``high``; given twice, the last.

    Raises ``InvalidRequest``.
    """
    given = parse_qs(http.query.decode("latin-1"), keep_blank_values=True).get(name)
    if given is None:
        return default
    text = given[-1]
    digits = len(str(high))
    if text.isascii() and text.isdigit() and len(text) <= digits and low <= int(text) <= high:
        return int(text)
    raise InvalidRequest(f"{name}: must be a whole number from {low} to {high}", param=name)
