"""Paths of documents and of fields: how they are written, and which are allowed.

The rules are Firestore's (https://firebase.google.com/docs/firestore/quotas, "Collections,
documents, and fields") and hold for the embedded store alike.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shared.storage.errors import InvalidArgument

ID_LIMIT = 1_500  # bytes of a document id, a collection id and a field name
DEPTH_LIMIT = 100  # collections in each other
DOCUMENT_ID = "__name__"
"""Stands for the document's own path in filters and orders of a query."""

FieldPath = tuple[str, ...]
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_SEGMENT = re.compile(r"`((?:[^`\\]|\\.)*)`|([^.`]+)")


def split_document(path: str) -> tuple[str, ...]:
    """Segments of a document's path: ``users/u1/jobs/j1``. Raises ``InvalidArgument``."""
    segments = _split(path)
    if len(segments) % 2:
        raise InvalidArgument(f"{path!r} is the path of a collection; a document's was expected")
    return segments


def split_collection(path: str) -> tuple[str, ...]:
    """Segments of a collection's path: ``users/u1/jobs``. Raises ``InvalidArgument``."""
    segments = _split(path)
    if len(segments) % 2 == 0:
        raise InvalidArgument(f"{path!r} is the path of a document; a collection's was expected")
    return segments


def collection_id(path: str) -> str:
    """The id of the collection a document or collection belongs to: ``jobs``."""
    segments = path.split("/")
    return segments[-2] if len(segments) % 2 == 0 else segments[-1]


@lru_cache(maxsize=4_096)
def _split(path: str) -> tuple[str, ...]:
    segments = tuple(path.split("/"))
    if len(segments) > 2 * DEPTH_LIMIT:
        raise InvalidArgument(f"a path of {len(segments)} segments is too deep")
    for segment in segments:
        check_id(segment, f"path {path[:200]!r}")
    return segments


def folder_of(uid: str) -> str:
    """The id of a user's document: the uid, or its bytes in hex where it could be none (a custom
    token may say ``a/b``)."""
    try:
        check_id(uid, "uid")
    except InvalidArgument:
        return f"~{uid.encode('utf-8', 'surrogatepass').hex()}"
    return uid


def check_id(name: str, where: str) -> None:
    """Raise ``InvalidArgument`` unless ``name`` may be a document's or collection's id."""
    if not name or name in (".", "..") or "/" in name:
        raise InvalidArgument(f"{where}: {name!r} cannot be an id")
    _check_name(name, where)


def check_field(name: str) -> None:
    """Raise ``InvalidArgument`` unless ``name`` may be a field's or map key's name."""
    if not name:
        raise InvalidArgument("a field's name is empty")
    _check_name(name, "field")


def _check_name(name: str, where: str) -> None:
    if name.startswith("__") and name.endswith("__"):
        raise InvalidArgument(f"{where}: names of the form __x__ are reserved, found {name!r}")
    # A quick look first: UTF-8 takes at most four bytes a character.
    if name.isascii():
        size = len(name)
    else:
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            raise InvalidArgument(f"{where}: {name!r} is not valid Unicode") from None
    if size > ID_LIMIT:
        raise InvalidArgument(f"{where}: a name of {size} bytes is over {ID_LIMIT}")


def field(*names: str) -> str:
    """The path of a field whose names may hold any character.

    ``field("models", "gemini-2.5-flash", "used")`` is ``models.`gemini-2.5-flash`.used``.
    """
    return ".".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    check_field(name)
    if _SIMPLE.fullmatch(name):
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@lru_cache(maxsize=4_096)
def split_field(path: str) -> FieldPath:
    """Names of a dotted field path, in which backticks quote a name (``field`` writes such).

    Raises ``InvalidArgument``.
    """
    names: list[str] = []
    position = 0
    while True:
        match = _SEGMENT.match(path, position)
        if match is None:
            raise InvalidArgument(f"{path!r} is not a field path (field() writes one)")
        quoted, plain = match.groups()
        name = plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted)
        check_field(name)
        names.append(name)
        position = match.end()
        if position == len(path):
            return tuple(names)
        if path[position] != ".":
            raise InvalidArgument(f"{path!r} is not a field path (field() writes one)")
        position += 1
