"""What a field can hold, what can be done to it in place, and how large a document is.

Values are JSON's plus ``datetime`` (with a zone; kept in UTC, to the microsecond), ``bytes`` and
``Vector``. Firestore's own limits hold for both stores: whole numbers of 64 bits, no list directly
inside a list, maps to 20 levels, 1 MiB a document.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from shared.storage.errors import DocumentTooLarge, InvalidArgument
from shared.storage.paths import check_field

DOCUMENT_LIMIT = 1_048_576  # bytes; https://firebase.google.com/docs/firestore/quotas
TEXT_LIMIT = 1_048_487  # bytes of one text or bytes value: 1 MiB less 89
DEPTH_LIMIT = 20
VECTOR_LIMIT = 2_048  # dimensions
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Vector(tuple[float, ...]):
    """An embedding: 1 to 2,048 finite numbers (``https://firebase.google.com/docs/firestore/
    vector-search``)."""

    __slots__ = ()

    def __new__(cls, numbers: Iterable[float]) -> Vector:
        """Raises ``InvalidArgument`` for a wrong size or a number that is none."""
        made = super().__new__(cls, map(float, numbers))
        if not 1 <= len(made) <= VECTOR_LIMIT:
            raise InvalidArgument(f"a vector has 1 to {VECTOR_LIMIT} dimensions, not {len(made)}")
        if not all(map(math.isfinite, made)):
            raise InvalidArgument("a vector holds finite numbers only")
        return made

    @classmethod
    def trusted(cls, numbers: Iterable[float]) -> Vector:
        """A vector of numbers that were checked before they were stored."""
        return super().__new__(cls, numbers)

    def __repr__(self) -> str:
        return f"Vector({len(self)} dimensions)"


Scalar = None | bool | int | float | str | bytes | datetime | Vector
Value = Scalar | list["Value"] | dict[str, "Value"]
"""What is read."""
Data = dict[str, Value]
Input = Scalar | Sequence["Input"] | Mapping[str, "Input"]
"""What can be written; every ``Value`` and every JSON value is one."""


class Increment(Struct, frozen=True):
    """Add to a number; what is missing or no number counts as 0. Whole numbers stop at 64 bits."""

    by: int | float


class ArrayUnion(Struct, frozen=True):
    """Append those values the list does not hold yet; what is no list counts as an empty one."""

    values: Sequence[Input]


class ArrayRemove(Struct, frozen=True):
    """Take every occurrence of these values out; what is no list becomes an empty one."""

    values: Sequence[Input]


class ServerTime(Struct, frozen=True):
    """The database's time of the commit."""


class DeleteField(Struct, frozen=True):
    """Take the field out. In ``update`` and in ``set`` with ``merge`` only."""


Transform = Increment | ArrayUnion | ArrayRemove | ServerTime
Change = Input | Transform | DeleteField | Mapping[str, "Change"]
Changes = Mapping[str, Change]


def checked(value: Input, depth: int = 1) -> Value:
    """A copy of ``value`` as it will be read: plain lists and maps, datetimes in UTC.

    Raises ``InvalidArgument`` for what no store can hold; ``depth`` counts maps and lists around.
    """
    kind = type(value)
    if kind is str:
        _check_text(value)  # type: ignore[arg-type]
        return value  # type: ignore[return-value]
    if value is None or kind is bool or kind is Vector:
        return value  # type: ignore[return-value]
    return _checked_other(value, depth)


def _checked_other(value: Input, depth: int) -> Value:
    if isinstance(value, int):
        if not INT_MIN <= value <= INT_MAX:
            raise InvalidArgument(f"{value} needs more than 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgument(f"{value} is not a finite number")
        return float(value)
    if isinstance(value, bytes):
        if len(value) > TEXT_LIMIT:
            raise DocumentTooLarge(f"{len(value)} bytes in one value are over {TEXT_LIMIT}")
        return bytes(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidArgument(f"{value!r} has no time zone")
        return value.astimezone(UTC)
    if isinstance(value, str):  # subclasses, such as StrEnum
        _check_text(value)
        return str(value)
    if depth > DEPTH_LIMIT:
        raise InvalidArgument(f"values lie more than {DEPTH_LIMIT} levels deep")
    if isinstance(value, Mapping):
        return {_checked_name(name): checked(item, depth + 1) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytearray, memoryview)):
        return checked_list(value, depth + 1)
    raise InvalidArgument(f"a field cannot hold a {type(value).__name__}")


def checked_list(values: Sequence[Input], depth: int = 1) -> list[Value]:
    """``checked`` for every element; a list among them is refused."""
    found = [checked(item, depth) for item in values]
    if any(type(item) is list for item in found):
        raise InvalidArgument("a list cannot directly hold a list; wrap the inner one in a map")
    return found


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise InvalidArgument(f"a field's name is text, not {type(name).__name__}")
    check_field(name)
    return name


def _check_text(text: str) -> None:
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise InvalidArgument("text with a lone surrogate is not valid Unicode") from None
    if size > TEXT_LIMIT:
        raise DocumentTooLarge(f"{size} bytes in one text are over {TEXT_LIMIT}")


def value_size(value: Value) -> int:
    """Bytes of a value as Firestore counts them (docs, "Storage size calculations")."""
    if isinstance(value, str):
        return (len(value) if value.isascii() else len(value.encode())) + 1
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Vector):
        return 8 * len(value)
    if isinstance(value, dict):
        return sum(len(name.encode()) + 1 + value_size(item) for name, item in value.items())
    if isinstance(value, list):
        return sum(map(value_size, value))
    return 8


def check_size(path: str, data: Data) -> None:
    """Raise ``DocumentTooLarge`` where name, fields and 32 bytes come to more than 1 MiB."""
    name = sum(len(segment.encode()) + 1 for segment in path.split("/")) + 16
    size = name + value_size(data) + 32
    if size > DOCUMENT_LIMIT:
        raise DocumentTooLarge(f"{path}: {size} bytes are over the limit of {DOCUMENT_LIMIT}")
