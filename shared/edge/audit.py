"""Who did what to whose data, and who changed how the system works (R18.10).

An entry is ``audit/{id}``, made with ``create`` and never changed, and a line of the log. It names
people by an HMAC of their uid, so that what a user has deleted stays deleted and the entry holds.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from shared.clock import Clock
from shared.messages import JsonObject, JsonValue
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.queries import Direction, Order, Query
from shared.storage.writes import Create
from shared.telemetry.log import JsonLog
from shared.telemetry.record import user_hash

COLLECTION = "audit"
# What a change touched is named by this many paths at most, each of so many characters.
MAX_PATHS = 50
MAX_PATH = 200
_RANDOM_BITS = 64


class Entry(Struct, frozen=True):
    """``actor`` is a pseudonym, ``action`` a word such as ``config.patch``, ``what`` the paths of
    what was touched. ``version``: the configuration's, where it is about that."""

    id: str
    actor: str
    action: str
    what: tuple[str, ...]
    request_id: str
    at: datetime
    version: int | None = None

    def to_json(self) -> JsonObject:
        """As ``GET /admin/api/audit`` shows it and the log has it; ``at`` in Unix seconds."""
        what: list[JsonValue] = [*self.what]
        return {
            "id": self.id,
            "at": round(self.at.timestamp(), 3),
            "actor": self.actor,
            "action": self.action,
            "what": what,
            "version": self.version,
            "request_id": self.request_id,
        }


class AuditLog:
    """Makes and reads entries. ``salt`` makes the pseudonyms this project's own."""

    __slots__ = ("_clock", "_documents", "_log", "_random", "_salt")

    def __init__(
        self, documents: DocumentStore, log: JsonLog, clock: Clock, rng: random.Random, salt: bytes
    ) -> None:
        self._documents = documents
        self._log = log
        self._clock = clock
        self._random = rng
        self._salt = salt

    def pseudonym(self, uid: str) -> str:
        """How entries name this user."""
        return user_hash(uid, self._salt)

    def entry(
        self,
        actor: str,
        action: str,
        what: Sequence[str],
        request_id: str,
        version: int | None = None,
    ) -> Entry:
        """An entry of this moment. ``actor`` is a pseudonym."""
        at = datetime.fromtimestamp(self._clock.wall(), UTC)
        touched = tuple(path[:MAX_PATH] for path in what[:MAX_PATHS])
        entry_id = f"{at:%Y%m%dT%H%M%S}-{self._random.getrandbits(_RANDOM_BITS):016x}"
        return Entry(entry_id, actor, action, touched, request_id, at, version)

    def write(self, entry: Entry) -> Create:
        """The write that keeps it, for the commit of what it is about."""
        return Create(
            f"{COLLECTION}/{entry.id}",
            {
                "at": entry.at,
                "actor": entry.actor,
                "action": entry.action,
                "what": list(entry.what),
                "request_id": entry.request_id,
                "version": entry.version,
            },
        )

    def tell(self, entry: Entry) -> None:
        """Copy it to the log, once it is kept."""
        self._log.info("audit", entry.to_json())

    async def keep(self, entry: Entry) -> None:
        """Keep and tell an entry that stands alone. Raises ``StoreUnavailable``."""
        await self._documents.commit([self.write(entry)])
        self.tell(entry)

    async def newest(self, limit: int) -> list[Entry]:
        """The newest first."""
        query = Query(COLLECTION, order=[Order("at", Direction.DOWN)], limit=limit)
        return [_entry(document) for document in await self._documents.query(query)]


def _entry(document: Document) -> Entry:
    data = document.data
    what, at, version = data.get("what"), data.get("at"), data.get("version")
    return Entry(
        document.id,
        str(data.get("actor", "")),
        str(data.get("action", "")),
        tuple(map(str, what)) if isinstance(what, list) else (),
        str(data.get("request_id", "")),
        at if isinstance(at, datetime) else document.created_at,
        version if isinstance(version, int) else None,
    )
