"""What the work of a transaction sees of the store."""

from __future__ import annotations

from collections.abc import Sequence

from shared.storage.backend import Unit
from shared.storage.document import Document
from shared.storage.errors import InvalidArgument, PreconditionFailed
from shared.storage.operations import Operations
from shared.storage.paths import split_document
from shared.storage.queries import Query, search
from shared.storage.values import Changes
from shared.storage.writes import Create, Delete, Plan, Set, Update, Write, plan_all


class Transaction:
    """Reads now, gathers writes for the end. A read after a write raises ``InvalidArgument``."""

    __slots__ = ("_operations", "_unit", "_writes")

    def __init__(self, unit: Unit, operations: Operations) -> None:
        self._unit = unit
        self._operations = operations
        self._writes: list[Write] = []

    async def get(self, path: str) -> Document | None:
        """The document, or None."""
        return (await self.get_many([path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Document | None]:
        """Documents in the order of ``paths``."""
        self._check_reading()
        for path in paths:
            split_document(path)
        if not paths:
            return []
        found = await self._unit.read(paths)
        self._operations.read(paths)
        return found

    async def query(self, query: Query) -> list[Document]:
        """The documents found, in order."""
        self._check_reading()
        found = await self._unit.query(search(query))
        collection = query.collection.rsplit("/", 1)[-1]
        self._operations.queried(collection, (each.path for each in found))
        return found

    def set(self, path: str, data: Changes, *, merge: bool = False) -> None:
        """As ``DocumentStore.set``, at the end."""
        self._writes.append(Set(path, data, merge))

    def create(self, path: str, data: Changes) -> None:
        """As ``DocumentStore.create``, at the end."""
        self._writes.append(Create(path, data))

    def update(self, path: str, changes: Changes) -> None:
        """As ``DocumentStore.update``, at the end."""
        self._writes.append(Update(path, changes))

    def delete(self, path: str) -> None:
        """As ``DocumentStore.delete``, at the end."""
        self._writes.append(Delete(path))

    async def finish(self) -> list[Plan]:
        """Commit what was gathered; the writes made. Raises as ``Unit.commit`` does."""
        plans = plan_all(self._writes)
        try:
            await self._unit.commit(plans)
        except PreconditionFailed:
            self._operations.read(plan.path for plan in plans)
            raise
        return plans

    def _check_reading(self) -> None:
        if self._writes:
            raise InvalidArgument("a transaction reads before it writes")
