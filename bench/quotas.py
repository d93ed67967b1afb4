"""What keeping a limit costs: three ways on simulated stores, on virtual time.

Run: ``python -m bench.quotas``. Prints for each way and setting the most requests in any 60 s (over
the limit means broken), the share of what was allowed and asked for that was lost, and the store's
writes and reads for each request sent. ``leases`` is ``QuotaLedger`` as it is deployed; beside it

* fixed windows: one counter for each calendar minute, counted up by compare-and-set, a write each;
* transactions: an exact log of the last 60 s in one document, read and written for each request.
  It is exact when it is written, not when requests arrive: they take different times on their way.

Last: the CPU time of a permit from a lease.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import orjson

from shared.clock import Deadline, SystemClock
from shared.limits.ledger import Permit
from shared.limits.quota_limits import ScopeLimits
from shared.storage.errors import PreconditionFailed
from tests.support.quota_world import (
    WINDOW_S,
    Instance,
    QuotaWorld,
    SimulatedStore,
    StoreFaults,
    limits_for,
    poisson,
    worst_window,
)
from tests.support.virtual_time import START_WALL, run_virtual

SECONDS = 1770.0
# Until the first window is full, figures are of a start.
WARM_UP_S = 120.0
TRANSIT_S = 0.1
ROUNDS = 50_000


@dataclass(frozen=True, slots=True)
class Setting:
    """``limit`` and ``asked`` a minute, over all instances; who finds it full waits so long."""

    name: str
    limit: int
    instances: int
    asked: float
    patience_s: float = 0.0


SETTINGS = (
    Setting("30 a minute, 3 instances, 3x load", 30, 3, 90),
    Setting("the same, requests wait up to 30 s", 30, 3, 90, 30.0),
    Setting("20 a minute, 3 instances, 3x load", 20, 3, 60),
    Setting("30 a minute, 1 instance, half the load", 30, 1, 15),
    Setting("300 a minute, 3 instances, half the load", 300, 3, 150),
    Setting("300 a minute, 3 instances, 3x load", 300, 3, 900),
)


class Way(Protocol):
    """One instance's way to a permit."""

    async def request(self, patience_s: float, transit_s: float) -> bool:
        """Send a request if there is room; whether it was sent."""
        ...


@dataclass(slots=True)
class Leases:
    """Settled leases: the ledger itself."""

    instance: Instance

    async def request(self, patience_s: float, transit_s: float) -> bool:
        return await self.instance.request(patience_s=patience_s, transit_s=transit_s)


@dataclass(slots=True)
class Log:
    """A document of what was sent, changed by compare-and-set for each request."""

    world: QuotaWorld
    limit: int
    calendar: bool

    async def request(self, patience_s: float, transit_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        while True:
            if await self._count():
                await asyncio.sleep(transit_s)
                self.world.provider.arrived("m", 0)
                return True
            if loop.time() + 1.0 > end:
                return False
            await asyncio.sleep(1.0)

    async def _count(self) -> bool:
        store: SimulatedStore = self.world.store
        while True:
            found = await store.read("log")
            sent: list[float] = orjson.loads(found.text) if found is not None else []
            now = START_WALL + asyncio.get_running_loop().time()
            begin = now // WINDOW_S * WINDOW_S if self.calendar else now - WINDOW_S
            sent = [at for at in sent if at >= begin]
            if len(sent) >= self.limit:
                return False
            text = orjson.dumps([*sent, now]).decode()
            try:
                await store.write("log", text, found.version if found is not None else None)
            except PreconditionFailed:
                await asyncio.sleep(self.world.rng.random() * 0.05)
                continue
            return True


WAYS: dict[str, Callable[[QuotaWorld, int], Way]] = {
    "fixed windows": lambda world, limit: Log(world, limit, calendar=True),
    "transactions": lambda world, limit: Log(world, limit, calendar=False),
    "leases": lambda world, limit: Leases(world.instance()),
}


async def drive(way: Way, times: Iterator[float], setting: Setting, rng: random.Random) -> None:
    """Requests at these times, each on its own."""
    last = 0.0
    async with asyncio.TaskGroup() as group:
        for at in times:
            await asyncio.sleep(at - last)
            last = at
            group.create_task(way.request(setting.patience_s, rng.random() * TRANSIT_S))


async def play(name: str, setting: Setting) -> QuotaWorld:
    """The same requests for every way."""
    faults = StoreFaults(delay_s=0.02)
    world = QuotaWorld(limits_for(ScopeLimits(rpm=setting.limit)), 1, faults)
    share = setting.asked / 60.0 / setting.instances
    drives = []
    for number in range(setting.instances):
        times = poisson(random.Random(number), share, SECONDS)
        drives.append(drive(WAYS[name](world, setting.limit), times, setting, world.rng))
    await asyncio.gather(*drives)
    return world


def report(name: str, setting: Setting) -> None:
    """One line."""
    world = run_virtual(play(name, setting))
    arrivals = world.provider.all()
    worst, _ = worst_window(arrivals)
    counted = sum(1 for at, _ in arrivals if WARM_UP_S < at <= SECONDS)
    asked = sum(
        1
        for number in range(setting.instances)
        for at in poisson(random.Random(number), setting.asked / 60.0 / setting.instances, SECONDS)
        if at > WARM_UP_S
    )
    possible = min(asked, setting.limit * (SECONDS - WARM_UP_S) / 60.0)
    lost = max(0.0, 1.0 - counted / possible)
    store = world.store
    print(
        f"  {name:16} worst {worst:4}{'  BROKEN' if worst > setting.limit else '':8}"
        f"  lost {lost:6.1%}  writes {store.writes / len(arrivals):5.2f}"
        f"  reads {store.reads / len(arrivals):5.2f}  largest {store.largest:6} bytes"
    )


async def permits() -> None:
    """CPU microseconds of what a request costs while a lease is held, the best of five runs."""
    huge = ScopeLimits(rpm=10**9, rpd=10**9, tpm=10**15)
    world = QuotaWorld(limits_for(huge, {"m": huge}), 1, StoreFaults(delay_s=0.0))
    clock, of = SystemClock(), world.cards["m"]
    ledger = world.instance(clock).ledger

    async def ask() -> Permit:
        found = ledger.take(of, 500) or await ledger.acquire(of, 500, Deadline.after(clock, 50))
        assert isinstance(found, Permit), found
        return found

    begin = time.monotonic()
    while time.monotonic() - begin < 1.0:  # leases grow to what is asked for
        await ask()
    best = {"take": 1.0, "settle": 1.0, "utilization": 1.0}
    for _ in range(5):
        await ask()
        start = time.process_time()
        held = [ledger.take(of, 500) for _ in range(ROUNDS)]
        taken = time.process_time()
        for permit in held:
            if isinstance(permit, Permit):
                ledger.settle(permit, 300)
        settled = time.process_time()
        for _ in range(ROUNDS):
            ledger.utilization(of)
        shown = time.process_time()
        assert all(isinstance(permit, Permit) for permit in held), "the lease ran out"
        for name, spent in (
            ("take", taken - start),
            ("settle", settled - taken),
            ("utilization", shown - settled),
        ):
            best[name] = min(best[name], spent / ROUNDS)
    for name, seconds in best.items():
        print(f"  {name:16} {seconds * 1e6:6.2f} us")


def main() -> None:
    """Print every figure."""
    for setting in SETTINGS:
        print(setting.name)
        for name in WAYS:
            report(name, setting)
    print("CPU of a permit out of a lease")
    asyncio.run(permits())


if __name__ == "__main__":
    main()
