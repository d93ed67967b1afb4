"""The document store as the ledger needs it: one text per provider, read and compared-and-set."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from shared.storage.documents import DocumentStore

COLLECTION = "quotas"
FIELD = "state"
# A call to the store that takes longer has failed; requests wait far less (``ledger_book``).
CALL_TIMEOUT_S = 2.0


class Stored(NamedTuple):
    """A document. ``version``: the time of its last commit by the store's clock, in microseconds
    since 1970; it grows with every change and never comes twice."""

    text: str
    version: int


class QuotaDocuments(Protocol):
    """Both raise ``shared.errors.StoreUnavailable``; a write that ended so may have been made."""

    async def read(self, scope: str) -> Stored | None:
        """The document of a provider, None where there is none yet."""
        ...

    async def write(self, scope: str, text: str, if_version: int | None) -> int:
        """Write it if its version is still that (None: if there is none yet); the new version.

        Raises ``shared.storage.errors.PreconditionFailed`` where it is not.
        """
        ...


class StoredQuotas:
    """Quota documents in the document store: ``quotas/{provider}``."""

    __slots__ = ("_store",)

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def read(self, scope: str) -> Stored | None:
        """The document of a provider."""
        found = await self._store.get(_path(scope), timeout_s=CALL_TIMEOUT_S)
        if found is None:
            return None
        return Stored(str(found.data.get(FIELD, "")), found.version)

    async def write(self, scope: str, text: str, if_version: int | None) -> int:
        """Compare and set."""
        path, data = _path(scope), {FIELD: text}
        if if_version is None:
            return await self._store.create(path, data, timeout_s=CALL_TIMEOUT_S)
        return await self._store.set(path, data, if_version=if_version, timeout_s=CALL_TIMEOUT_S)


def _path(scope: str) -> str:
    return f"{COLLECTION}/{scope}"
