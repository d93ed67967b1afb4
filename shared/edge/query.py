"""What stands behind the question mark of a path. Parameters nobody knows are ignored."""

from __future__ import annotations

from urllib.parse import parse_qs

from shared.edge.asgi import HttpRequest
from shared.errors import InvalidRequest

# More than any path knows; it bounds what reading a hostile line costs.
MAX_FIELDS = 100


def last_value(http: HttpRequest, name: str) -> str | None:
    """The parameter ``name``; given twice, the last. Raises ``InvalidRequest`` where over
    ``MAX_FIELDS`` parameters were sent."""
    try:
        given = parse_qs(
            http.query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise InvalidRequest(
            f"the query has more than {MAX_FIELDS} parameters: send only those that are needed"
        ) from None
    values = given.get(name)
    return None if values is None else values[-1]


def whole_number(http: HttpRequest, name: str, default: int, low: int, high: int) -> int:
    """The parameter ``name``, a whole number from ``low`` to ``high``.

    Raises ``InvalidRequest``.
    """
    text = last_value(http, name)
    if text is None:
        return default
    digits = len(str(high))
    if text.isascii() and text.isdigit() and len(text) <= digits and low <= int(text) <= high:
        return int(text)
    raise InvalidRequest(f"{name}: must be a whole number from {low} to {high}", param=name)
