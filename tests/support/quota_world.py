"""Instances, a store and a provider on virtual time, for tests and the benchmark of quotas.

The store is in memory, compare-and-set, and misbehaves as told: slow before or after the commit,
aborting without a reason, losing the answer of a write that was made, answering it with a conflict
(the last of a library's own tries), or being down. The provider counts what arrives.
"""

from __future__ import annotations

import asyncio
import bisect
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.clock import Clock, Deadline
from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, QuotaLedger, Refusal
from shared.limits.quota_documents import Stored
from shared.limits.quota_limits import CardLimits, ScopeLimits
from shared.model import ModelCard
from shared.storage.errors import VersionConflict
from tests.support.catalog_cards import card
from tests.support.virtual_time import START_WALL

WINDOW_S = 60.0


@dataclass(slots=True)
class StoreFaults:
    """Probabilities per write, and delays in seconds (uniform up to)."""

    delay_s: float = 0.02
    abort: float = 0.0  # refused although nobody else wrote
    lost: float = 0.0  # made, but reported as failed
    unmade: float = 0.0  # not made, and reported as failed
    twice: float = 0.0  # made, but answered with a conflict
    late: float = 0.0  # reported as failed, and made up to ``late_s`` later if still possible
    late_s: float = 3.0


class SimulatedStore:
    """Quota documents in memory. Its clock is the loop's, from ``START_WALL``."""

    def __init__(self, rng: random.Random, faults: StoreFaults | None = None) -> None:
        self.rng = rng
        self.faults = faults or StoreFaults()
        self.documents: dict[str, Stored] = {}
        self.down = False
        self.hanging_s = 0.0
        self.reads = 0
        self.writes = 0
        self.conflicts = 0
        self.largest = 0
        self._late: set[asyncio.Task[None]] = set()

    async def read(self, scope: str) -> Stored | None:
        """The document, after a delay on either side."""
        self.reads += 1
        await self._pause()
        found = self.documents.get(scope)
        await self._pause()
        return found

    async def write(self, scope: str, text: str, if_version: int | None) -> int:
        """Compare and set, with whatever goes wrong."""
        await self._pause()
        faults, draw = self.faults, self.rng.random
        if draw() < faults.abort:
            raise VersionConflict("contended", scope)
        if draw() < faults.unmade:
            raise StoreUnavailable("no answer")
        if draw() < faults.late:
            task = asyncio.get_running_loop().create_task(self._later(scope, text, if_version))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            raise StoreUnavailable("no answer")
        version = self._commit(scope, text, if_version)
        if draw() < faults.twice:
            raise VersionConflict("the second try came too late", scope)
        if draw() < faults.lost:
            raise StoreUnavailable("no answer")
        await self._pause()
        return version

    def _commit(self, scope: str, text: str, if_version: int | None) -> int:
        found = self.documents.get(scope)
        if (found.version if found is not None else None) != if_version:
            self.conflicts += 1
            raise VersionConflict("somebody came first", scope)
        self.writes += 1
        self.largest = max(self.largest, len(text))
        now = int((START_WALL + asyncio.get_running_loop().time()) * 1e6)
        version = now if found is None else max(now, found.version + 1)
        self.documents[scope] = Stored(text, version)
        return version

    async def _later(self, scope: str, text: str, if_version: int | None) -> None:
        await asyncio.sleep(self.rng.random() * self.faults.late_s)
        try:
            self._commit(scope, text, if_version)
        except VersionConflict:
            pass

    async def _pause(self) -> None:
        if self.down:
            raise StoreUnavailable("down")
        await asyncio.sleep(self.hanging_s + self.rng.random() * self.faults.delay_s)


class SkewedClock:
    """An instance's own clocks: off by an offset each, the monotonic one at a rate of its own."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        rate: float = 1.0,
        monotonic_offset: float = 0.0,
        wall_offset: float = 0.0,
    ) -> None:
        self._loop = loop
        self._rate = rate
        self._offset = monotonic_offset
        self._wall = START_WALL + wall_offset

    def monotonic(self) -> float:
        """Seconds at its own rate."""
        return self._offset + self._loop.time() * self._rate

    def wall(self) -> float:
        """Unix seconds, wrong by the offset."""
        return self._wall + self._loop.time()

    def slept(self, seconds: float) -> None:
        """The machine was suspended: the wall clock went on, the monotonic one did not."""
        self._wall += seconds

    async def sleep(self, seconds: float) -> None:
        """A wait on the loop."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class SimulatedProvider:
    """Counts requests and tokens as they arrive. Times are the loop's seconds."""

    arrivals: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def arrived(self, model: str, tokens: int) -> None:
        """A request is here now."""
        now = asyncio.get_running_loop().time()
        self.arrivals.setdefault(model, []).append((now, tokens))

    def all(self) -> list[tuple[float, int]]:
        """Of all models, in order."""
        return sorted(each for arrivals in self.arrivals.values() for each in arrivals)

    def of(self, model: str) -> list[tuple[float, int]]:
        """Of one model, in order."""
        return sorted(self.arrivals.get(model, []))


def worst_window(arrivals: list[tuple[float, int]]) -> tuple[int, int]:
    """The most requests, and the most tokens, in any 60 s (from an arrival, half open)."""
    times = [at for at, _ in arrivals]
    sums = [0]
    for _, tokens in arrivals:
        sums.append(sums[-1] + tokens)
    requests = tokens = 0
    for first, at in enumerate(times):
        after = bisect.bisect_left(times, at + WINDOW_S - 1e-9)
        requests = max(requests, after - first)
        tokens = max(tokens, sums[after] - sums[first])
    return requests, tokens


def limits_for(
    provider: ScopeLimits, models: dict[str, ScopeLimits] | None = None
) -> dict[str, CardLimits]:
    """Limits by model id; models are named by their keys (default: one, ``m``)."""
    return {
        name: CardLimits(provider, own, provider.unlimited and own.unlimited)
        for name, own in (models or {"m": ScopeLimits()}).items()
    }


class QuotaWorld:
    """A store, a provider and the limits that instances share."""

    def __init__(
        self, limits: dict[str, CardLimits], seed: int, faults: StoreFaults | None = None
    ) -> None:
        self.rng = random.Random(seed)
        self.store = SimulatedStore(random.Random(seed + 1), faults)
        self.provider = SimulatedProvider()
        self.limits = limits
        self.cards = {name: card(name) for name in limits}
        self.refused = 0
        self.unavailable = 0
        self._names = iter(range(1_000_000))

    def limits_of(self, of: ModelCard) -> CardLimits:
        """What every instance is told."""
        return self.limits[of.id]

    def instance(self, clock: Clock | None = None) -> Instance:
        """A new one, with clocks that are off."""
        if clock is None:
            clock = SkewedClock(
                asyncio.get_running_loop(),
                rate=1.0 + self.rng.uniform(-4e-4, 4e-4),
                monotonic_offset=self.rng.uniform(0, 1e6),
                wall_offset=self.rng.uniform(-300, 300),
            )
        name = f"i{next(self._names)}"
        ledger = QuotaLedger(
            self.store, self.limits_of, clock, name, random.Random(self.rng.random())
        )
        return Instance(self, ledger, clock, name)


@dataclass(slots=True)
class Instance:
    """One process: its ledger, and the requests it sends."""

    world: QuotaWorld
    ledger: QuotaLedger
    clock: Clock
    name: str
    alive: bool = True
    sent: int = 0

    async def request(
        self,
        model: str = "m",
        *,
        reserve: int = 1000,
        actual: int = 400,
        transit_s: float = 0.1,
        answer_s: float = 0.5,
        patience_s: float = 0.0,
        settles: bool = True,
        bulk: bool = False,
    ) -> bool:
        """Ask for a permit, waiting up to ``patience_s`` where it is full, and send. Whether it
        was sent. A crashed instance sends nothing and settles nothing."""
        end = self.clock.monotonic() + patience_s
        of = self.world.cards[model]
        while self.alive:
            try:
                permit = self.ledger.take(of, reserve, bulk=bulk) or await self.ledger.acquire(
                    of, reserve, Deadline.after(self.clock, 50), bulk=bulk
                )
            except StoreUnavailable:
                self.world.unavailable += 1
                return False
            if isinstance(permit, Permit):
                return await self._send(permit, model, actual, transit_s, answer_s, settles)
            if permit.until > end:
                break
            await self.clock.sleep(max(0.001, permit.until - self.clock.monotonic()))
        self.world.refused += 1
        return False

    async def _send(
        self,
        permit: Permit,
        model: str,
        actual: int,
        transit_s: float,
        answer_s: float,
        settles: bool,
    ) -> bool:
        if not self.alive:
            return False
        self.sent += 1
        await asyncio.sleep(transit_s)
        self.world.provider.arrived(model, actual)
        await asyncio.sleep(answer_s)
        if self.alive and settles:
            self.ledger.settle(permit, actual)
        return True

    def crash(self) -> None:
        """kill -9: what it has sent is under way, all else is gone."""
        self.alive = False


def refusal_of(found: Permit | Refusal | None) -> Refusal:
    """The refusal that ``found`` is. Raises ``AssertionError`` where it is none."""
    assert isinstance(found, Refusal), found
    return found


def permit_of(found: Permit | Refusal | None) -> Permit:
    """The permit that ``found`` is. Raises ``AssertionError`` where it is none."""
    assert isinstance(found, Permit), found
    return found


def poisson(rng: random.Random, rate: float, seconds: float) -> Iterator[float]:
    """Times within ``seconds`` at which requests come, ``rate`` a second on the mean."""
    at = rng.expovariate(rate)
    while at < seconds:
        yield at
        at += rng.expovariate(rate)


def world_of(provider: ScopeLimits, **models: ScopeLimits) -> QuotaWorld:
    """A world under these limits; without models there is one, ``m``."""
    return QuotaWorld(limits_for(provider, models or None), seed=7)


async def ask(
    instance: Instance, model: str = "m", tokens: int = 100, *, bulk: bool = False, chars: int = 0
) -> Permit | Refusal:
    """What a caller gets: from the lease, else from the store."""
    of = instance.world.cards[model]
    return instance.ledger.take(of, tokens, characters=chars, bulk=bulk) or (
        await instance.ledger.acquire(
            of, tokens, Deadline.after(instance.clock, 50), characters=chars, bulk=bulk
        )
    )


async def with_a_large_lease(instance: Instance) -> None:
    """Ask often for a while, so that the instance holds many permits for some time."""
    for _ in range(30):
        permit_of(await ask(instance))
        await asyncio.sleep(0.05)
