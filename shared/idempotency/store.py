"""Records in the document store: claimed by one run at a time, written by nobody but their owner.

Every write is made over the version its owner knows, so a run that was taken for dead writes
nothing any more. A write whose answer was lost is made again: it changes nothing then.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec.structs import replace

from shared.clock import Clock
from shared.errors import Conflict, StoreUnavailable
from shared.idempotency.record import PART_BYTES, Part, Record, part_data
from shared.storage.document import Document
from shared.storage.documents import ATTEMPTS, DocumentStore
from shared.storage.errors import AlreadyExists, PreconditionFailed
from shared.storage.writes import COMMIT_LIMIT, Delete, Set, Write

# Parts in one commit: 3 MiB. Firestore takes 10, but gRPC by its own default, and with it the
# emulator, no message over 4.
BATCH = 3 * 1024 * 1024 // PART_BYTES
# Nobody's request waits longer for a write of its record.
TIMEOUT_S = 3.0
_RUN_BITS = 96


class RecordLost(Exception):
    """The record is another run's by now, or nobody's."""


class RecordStore:
    """Every call can raise ``StoreUnavailable``."""

    __slots__ = ("_clock", "_documents", "_rng")

    def __init__(self, documents: DocumentStore, clock: Clock, rng: random.Random) -> None:
        self._documents = documents
        self._clock = clock
        self._rng = rng

    async def claim(self, path: str, fingerprint: str) -> tuple[Record, bool]:
        """The record of a request, and whether this call's run owns it: it is new, or its owner
        was dead. Raises ``Conflict`` where the key was used for another request."""
        owner = self._new_run()
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep(0.05 * self._rng.random())
            now = self._clock.wall()
            fresh = Record.begun(path, fingerprint, owner, now)
            try:
                made = await self._documents.create(path, fresh.to_data(), timeout_s=TIMEOUT_S)
                return replace(fresh, version=made), True
            except AlreadyExists:
                found = _record(await self._documents.get(path, timeout_s=TIMEOUT_S))
            if found is None:
                continue
            abandoned = found.lapsed(now) and not found.request
            if found.expires <= now or (abandoned and found.fingerprint != fingerprint):
                wanted = replace(fresh, version=found.version)
            elif found.fingerprint != fingerprint:
                raise key_used()
            elif found.lapsed(now):
                wanted = found.taken(owner, now)
            else:
                return found, False
            taken = await self._over(wanted)
            if taken is not None:
                return taken, True
        raise StoreUnavailable(
            "the record of this Idempotency-Key is being written at this moment; send it again",
            retry_after=1.0,
        )

    async def get(self, path: str) -> Record | None:
        """The record, unless it has expired."""
        found = _record(await self._documents.get(path, timeout_s=TIMEOUT_S))
        return None if found is None or found.expires <= self._clock.wall() else found

    async def take(self, record: Record) -> Record | None:
        """Take over a lapsed record as it was read; None: somebody came first."""
        return await self._over(record.taken(self._new_run(), self._clock.wall()))

    async def write(self, before: Record, after: Record, parts: Sequence[Part] = ()) -> Record:
        """Write ``after`` and ``parts`` over ``before``, many parts in several commits of which
        the last changes the record; parts of the request that ``after`` has no more go with it.
        Raises ``RecordLost``."""
        batches = [parts[at : at + BATCH] for at in range(0, len(parts), BATCH)] or [parts]
        for batch in batches[:-1]:
            before = await self._commit(before, before, batch)
        gone = before.body_parts()[after.request_parts :]
        return await self._commit(before, after, batches[-1], gone)

    async def free(self, record: Record) -> None:
        """Forget the record: its key is free. What another run owns stays."""
        # A commit has 500 writes; what is over goes by its own time.
        deletes = [Delete(path) for path in record.all_parts()[: COMMIT_LIMIT - 1]]
        for _ in range(ATTEMPTS):
            try:
                own = Delete(record.path, if_version=record.version)
                await self._documents.commit([own, *deletes], timeout_s=TIMEOUT_S)
                return
            except PreconditionFailed:
                found = _record(await self._documents.get(record.path, timeout_s=TIMEOUT_S))
                if found is None or found.owner != record.owner:
                    return
                record = replace(record, version=found.version)

    async def body(self, paths: Sequence[str]) -> bytes:
        """The bytes of these parts, joined. Raises ``RecordLost`` where one is gone."""
        gathered: list[bytes] = []
        for at in range(0, len(paths), BATCH):
            for document in await self._documents.get_many(paths[at : at + BATCH]):
                piece = None if document is None else document.data.get("body")
                if not isinstance(piece, bytes):
                    raise RecordLost("a part of the answer is gone")
                gathered.append(piece)
        return b"".join(gathered)

    async def _commit(
        self, before: Record, after: Record, parts: Sequence[Part], gone: Sequence[str] = ()
    ) -> Record:
        now = self._clock.wall()
        beside: list[Write] = [Set(path, part_data(body, now)) for path, body in parts]
        beside += [Delete(path) for path in gone]
        version = before.version
        for _ in range(ATTEMPTS):
            own = Set(after.path, after.to_data(), if_version=version)
            try:
                versions = await self._documents.commit([own, *beside], timeout_s=TIMEOUT_S)
                return replace(after, version=versions[0])
            except PreconditionFailed:
                found = _record(await self._documents.get(after.path, timeout_s=TIMEOUT_S))
                if found is None or found.owner != after.owner:
                    raise RecordLost(f"{after.path} is not held by this run any more") from None
                version = found.version
        raise StoreUnavailable(f"{after.path} is being written by others", retry_after=1.0)

    async def _over(self, wanted: Record) -> Record | None:
        try:
            version = await self._documents.set(
                wanted.path, wanted.to_data(), if_version=wanted.version, timeout_s=TIMEOUT_S
            )
        except PreconditionFailed:
            return None
        return replace(wanted, version=version)

    def _new_run(self) -> str:
        return f"run_{self._rng.getrandbits(_RUN_BITS):024x}"


def key_used() -> Conflict:
    """The key stands for another request."""
    return Conflict(
        "this Idempotency-Key was used for another request within the last hour: send that "
        "request again, or this one with a new key",
        param="Idempotency-Key",
    )


def _record(document: Document | None) -> Record | None:
    if document is None:
        return None
    return Record.from_data(document.path, document.data, document.version)
