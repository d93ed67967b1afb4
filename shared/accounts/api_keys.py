"""API keys in the document store: ``api_keys/{fingerprint}``, which the functions alone can read.

What is stored lets nobody sign in: the key itself is shown once, by ``create``, and is in no
document, log or error. Of a revoked key an hour's mark is left, without owner and name, so that
instances which remember keys can ask what was revoked lately instead of asking for each key.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from shared.accounts.key_text import fingerprint, new_key, shown_part
from shared.clock import Clock
from shared.errors import Conflict, NotFound
from shared.messages import JsonObject
from shared.storage.document import EXPIRES_AT, Document, live
from shared.storage.documents import DocumentStore
from shared.storage.queries import Filter, Query
from shared.storage.transactions import Transaction
from shared.storage.values import Data, Input

COLLECTION = "api_keys"
# So many clients has nobody; it bounds what a stolen session can leave behind, and the list.
MAX_KEYS = 20
# A request that cannot be judged within this many seconds is told that the store is away.
LOOKUP_TIMEOUT_S = 3.0
# A mark stays this long (s), far longer than any instance trusts what it remembers.
MARKED_S = 3600.0
# More revocations than this at a look are not told one by one.
MOST_REVOKED = 200
_REVOKED_AT = "revoked_at"
_ID_BITS = 96


class ApiKey(Struct, frozen=True):
    """A key without the key. Times are Unix seconds; None: never.

    ``id`` names it to its owner; ``tier`` is what the owner's token said when it was made.
    """

    id: str
    uid: str
    name: str
    prefix: str
    tier: str
    created_at: float
    last_used_at: float | None
    expires_at: float | None
    path: str
    version: int

    def to_json(self) -> JsonObject:
        """As the owner sees it."""
        return {
            "id": self.id,
            "object": "api_key",
            "name": self.name,
            "prefix": self.prefix,
            "created_at": int(self.created_at),
            "last_used_at": None if self.last_used_at is None else int(self.last_used_at),
            "expires_at": None if self.expires_at is None else int(self.expires_at),
        }


class KeyStore:
    """Makes, lists, finds and revokes keys. Every call can raise ``StoreUnavailable``.

    ``secret_rng`` makes the keys and must be fit for secrets (``random.SystemRandom``).
    """

    __slots__ = ("_clock", "_documents", "_secret_rng")

    def __init__(self, documents: DocumentStore, clock: Clock, secret_rng: random.Random) -> None:
        self._documents = documents
        self._clock = clock
        self._secret_rng = secret_rng

    async def create(
        self, uid: str, name: str, tier: str, expires_in_days: int | None
    ) -> tuple[str, ApiKey]:
        """A new key of ``uid``: its text, which is nowhere else from now on, and what is kept.

        Raises ``Conflict`` for one key too many.
        """
        text = new_key(self._secret_rng)
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        fields: dict[str, Input] = {
            "id": f"key_{self._secret_rng.getrandbits(_ID_BITS):024x}",
            "uid": uid,
            "name": name,
            "prefix": shown_part(text),
            "tier": tier,
            "created_at": now,
        }
        expires = None
        if expires_in_days is not None:
            expires = fields[EXPIRES_AT] = now + timedelta(days=expires_in_days)
        path = f"{COLLECTION}/{fingerprint(text)}"

        async def keep(transaction: Transaction) -> None:
            found = await transaction.query(_of(uid))
            if sum(live(each, now.timestamp()) for each in found) >= MAX_KEYS:
                raise Conflict(
                    f"you have {MAX_KEYS} API keys, which is the most: revoke one that is not "
                    "used (GET /v1/me/keys says when each was used last) and create this one again"
                )
            transaction.create(path, fields)

        await self._documents.transaction(keep)
        expires_at = None if expires is None else expires.timestamp()
        made = ApiKey(
            id=str(fields["id"]),
            uid=uid,
            name=name,
            prefix=shown_part(text),
            tier=tier,
            created_at=now.timestamp(),
            last_used_at=None,
            expires_at=expires_at,
            path=path,
            version=0,
        )
        return text, made

    async def of(self, uid: str) -> list[ApiKey]:
        """The keys of a user that have not expired, newest first."""
        now = self._clock.wall()
        found = [each for each in await self._documents.query(_of(uid)) if live(each, now)]
        return sorted(map(_key, found), key=lambda key: (-key.created_at, key.id))

    async def revoke(self, uid: str, identifier: str) -> ApiKey:
        """Take a user's key away; what it was. Raises ``NotFound``, for another user's too."""
        for key in await self.of(uid):
            if key.id == identifier:
                now = datetime.fromtimestamp(self._clock.wall(), UTC)
                gone = now + timedelta(seconds=MARKED_S)
                await self._documents.set(key.path, {_REVOKED_AT: now, EXPIRES_AT: gone})
                return key
        raise NotFound(
            "you have no API key with this id (it may have been revoked before): "
            "GET /v1/me/keys lists yours"
        )

    async def find(self, mark: str) -> ApiKey | None:
        """The key with this fingerprint; None: there is none, it was revoked or has expired."""
        path = f"{COLLECTION}/{mark}"
        document = await self._documents.get(path, timeout_s=LOOKUP_TIMEOUT_S)
        if document is None or _REVOKED_AT in document.data:
            return None
        return _key(document) if live(document, self._clock.wall()) else None

    async def used(self, key: ApiKey) -> None:
        """Note that a key was used now. Raises ``PreconditionFailed`` where it has been revoked,
        or noted elsewhere, since it was read."""
        await self._documents.update(
            key.path,
            {"last_used_at": datetime.fromtimestamp(self._clock.wall(), UTC)},
            if_version=key.version,
            timeout_s=LOOKUP_TIMEOUT_S,
        )

    async def revoked(self, within_s: float) -> frozenset[str] | None:
        """Fingerprints of the keys that were revoked in so many seconds; None: too many."""
        since = datetime.fromtimestamp(self._clock.wall() - within_s, UTC)
        lately = Query(
            COLLECTION,
            [Filter(_REVOKED_AT, ">", since)],
            limit=MOST_REVOKED + 1,
            select=(_REVOKED_AT,),
        )
        found = await self._documents.query(lately, timeout_s=LOOKUP_TIMEOUT_S)
        return frozenset(each.id for each in found) if len(found) <= MOST_REVOKED else None


def _of(uid: str) -> Query:
    """A user's keys; every field has an index of its own, so none is declared for this."""
    return Query(COLLECTION, [Filter("uid", "==", uid)])


def _key(document: Document) -> ApiKey:
    data = document.data
    return ApiKey(
        id=str(data.get("id", "")),
        uid=str(data["uid"]),
        name=str(data.get("name", "")),
        prefix=str(data.get("prefix", "")),
        tier=str(data.get("tier", "free")),
        created_at=_seconds(data, "created_at") or document.created_at.timestamp(),
        last_used_at=_seconds(data, "last_used_at"),
        expires_at=_seconds(data, EXPIRES_AT),
        path=document.path,
        version=document.version,
    )


def _seconds(data: Data, field: str) -> float | None:
    value = data.get(field)
    return value.timestamp() if isinstance(value, datetime) else None
