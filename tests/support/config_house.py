"""A configuration store over a document store, and one whose answers can be told to fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence

from shared.catalog.load import CatalogError, load_catalog
from shared.clock import Clock, SystemClock
from shared.config import RuntimeConfig
from shared.configuration.stored import ConfigStore
from shared.errors import StoreUnavailable
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.writes import Plan


def catalog_problems(config: RuntimeConfig) -> list[str]:
    """What of a configuration does not fit the real catalog."""
    try:
        load_catalog(SystemClock(), config)
    except CatalogError as error:
        return list(error.problems)
    return []


def config_store(
    documents: DocumentStore,
    base: Mapping[str, object] | None = None,
    clock: Clock | None = None,
) -> ConfigStore:
    """Over ``base``, checked against the real catalog."""
    return ConfigStore(
        documents, base or {}, catalog_problems, clock or SystemClock(), random.Random(3)
    )


class Fragile(SqliteBackend):
    """SQLite in memory that fails as told, and counts what it is asked.

    ``down``: nothing answers. ``delay_s``: every answer takes that long. ``lost``: commits are
    made, but the answer is lost; ``unmade``: they fail before they are made. ``frozen``: reads
    stand still until it is set. ``answer_s``: what was read is so long on its way.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(None, clock=clock)
        self._now = clock
        self.down = self.lost = self.unmade = False
        self.delay_s = self.answer_s = 0.0
        self.frozen: asyncio.Event | None = None
        self.reads: list[float] = []
        self.commits = 0

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        """As told."""
        self.reads.append(self._now.monotonic())
        if self.frozen is not None:
            await self.frozen.wait()
        if self.delay_s:
            await self._now.sleep(min(self.delay_s, timeout_s))
        if self.down or self.delay_s > timeout_s:
            raise StoreUnavailable("the store is down")
        found = await super().read(paths, timeout_s)
        if self.answer_s:
            await self._now.sleep(self.answer_s)
        return found

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """As told."""
        self.commits += 1
        if self.delay_s:
            await self._now.sleep(self.delay_s)
        if self.down or self.unmade:
            raise StoreUnavailable("the store is down")
        made = await super().commit(plans, timeout_s)
        if self.lost:
            raise StoreUnavailable("the answer was lost")
        return made
