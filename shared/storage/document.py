"""A document as it was read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from shared.storage.paths import collection_id
from shared.storage.values import Data

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXPIRES_AT = "expires_at"
"""The field that says when a document of an expiring collection goes (expiring.json)."""


class Document(Struct, frozen=True):
    """``data`` is the reader's own copy.

    ``version`` is the time of the last change and ``created`` that of the first write, both in
    microseconds since 1970. A version never comes twice for one document and always grows; a write
    that changes nothing keeps it.
    """

    path: str
    data: Data
    version: int
    created: int

    @property
    def id(self) -> str:
        """The last segment of the path."""
        return self.path.rsplit("/", 1)[1]

    @property
    def collection(self) -> str:
        """The id of the collection it is in."""
        return collection_id(self.path)

    @property
    def created_at(self) -> datetime:
        """When it was first written."""
        return moment(self.created)

    @property
    def updated_at(self) -> datetime:
        """When it was last changed."""
        return moment(self.version)


class Neighbour(Struct, frozen=True):
    """A document found by ``nearest``, and how far its vector is from the one asked for."""

    document: Document
    distance: float


def moment(microseconds: int) -> datetime:
    """The UTC time that many microseconds after 1970 began, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds(time: datetime) -> int:
    """Whole microseconds from 1970 to ``time``, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def live(document: Document | None, now: float) -> bool:
    """Whether there is a document whose ``expires_at`` is not past at ``now`` (Unix seconds).

    Both stores take expired documents away late (Firestore within a day or more), so who reads a
    collection of expiring.json asks this.
    """
    if document is None:
        return False
    expires = document.data.get(EXPIRES_AT)
    return not isinstance(expires, datetime) or expires.timestamp() > now
