"""Instances that hold callers to their limits over one store on virtual time."""

from __future__ import annotations

import asyncio
import bisect
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.clock import Clock
from shared.config import ClientLimits
from shared.errors import StoreUnavailable
from shared.limits.clients import Admission, ClientKey, ClientLimiter
from shared.limits.clients_window import WINDOW_S
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed, VersionConflict
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.writes import Plan
from tests.support.quota_world import SkewedClock
from tests.support.virtual_time import VirtualClock

ALICE = ClientKey("alice")


@dataclass(slots=True)
class Faults:
    """Probabilities per call, and delays in seconds (uniform up to)."""

    delay_s: float = 0.0
    abort: float = 0.0  # refused although nobody else wrote
    twice: float = 0.0  # made, but answered with a conflict
    lost: float = 0.0  # made, but reported as failed
    unmade: float = 0.0  # not made, and reported as failed
    late: float = 0.0  # reported as failed, and made up to ``late_s`` later if still possible
    late_s: float = 3.0


class FaultyBackend(SqliteBackend):
    """The embedded database in memory, which misbehaves as told."""

    def __init__(self, clock: Clock, rng: random.Random, faults: Faults) -> None:
        super().__init__(None, clock=clock)
        self._rng = rng
        self.faults = faults
        self.down = False
        self._late: set[asyncio.Task[None]] = set()

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        """The documents, after a delay on either side."""
        await self._pause()
        found = await super().read(paths, timeout_s)
        await self._pause()
        return found

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        """The writes, with whatever goes wrong."""
        await self._pause()
        faults, draw = self.faults, self._rng.random
        if draw() < faults.abort:
            raise VersionConflict("contended")
        if draw() < faults.unmade:
            raise StoreUnavailable("no answer")
        if draw() < faults.late:
            task = asyncio.create_task(self._later(plans, timeout_s))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            raise StoreUnavailable("no answer")
        versions = await super().commit(plans, timeout_s)
        if draw() < faults.twice:
            raise VersionConflict("the second try came too late")
        if draw() < faults.lost:
            raise StoreUnavailable("no answer")
        await self._pause()
        return versions

    async def _later(self, plans: Sequence[Plan], timeout_s: float) -> None:
        await asyncio.sleep(self._rng.random() * self.faults.late_s)
        try:
            await super().commit(plans, timeout_s)
        except PreconditionFailed:
            pass

    async def _pause(self) -> None:
        if self.down:
            raise StoreUnavailable("down")
        if self.faults.delay_s:
            await asyncio.sleep(self._rng.random() * self.faults.delay_s)


@dataclass(slots=True)
class ClientWorld:
    """One store, the limits, and every admission with its (virtual) second."""

    limits: ClientLimits = field(default_factory=ClientLimits)
    seed: int = 7
    faults: Faults = field(default_factory=Faults)
    admitted: list[float] = field(default_factory=list)
    lent: list[float] = field(default_factory=list)
    refused: int = 0
    backend: FaultyBackend = field(init=False)
    store: DocumentStore = field(init=False)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.rng = random.Random(self.seed)
        clock = VirtualClock(loop)
        self.backend = FaultyBackend(clock, random.Random(self.seed + 1), self.faults)
        self.store = DocumentStore(self.backend, clock=clock)

    def instance(self, *, exact: bool = False) -> ClientLimiter:
        """A new one; its clocks are off unless ``exact``."""
        loop = asyncio.get_running_loop()
        clock: Clock = VirtualClock(loop)
        if not exact:
            clock = SkewedClock(
                loop,
                monotonic_offset=self.rng.uniform(0, 1e6),
                wall_offset=self.rng.uniform(-300, 300),
            )
        return ClientLimiter(self.store, clock, random.Random(self.rng.random()), self._limits)

    async def ask(self, limiter: ClientLimiter, key: ClientKey = ALICE) -> Admission:
        """One request."""
        lent = limiter.lent
        told = limiter.admit(key) or await limiter.admit_slow(key)
        now = asyncio.get_running_loop().time()
        if not told.allowed:
            self.refused += 1
        elif limiter.lent > lent:
            self.lent.append(now)
        else:
            self.admitted.append(now)
        return told

    @property
    def operations(self) -> tuple[int, int]:
        """Reads and writes so far."""
        total = self.store.operations.total()
        return total.reads, total.writes + total.deletes

    def _limits(self) -> ClientLimits:
        return self.limits


def worst(times: list[float]) -> int:
    """The most of ``times`` in any 60 s, half open."""
    times = sorted(times)
    return max(
        (
            bisect.bisect_left(times, first + WINDOW_S - 1e-6) - place
            for place, first in enumerate(times)
        ),
        default=0,
    )
