"""Client limits: how many requests a minute a caller may make, over all instances (R18.6, R18.7).

    admission = limiter.admit(key) or await limiter.admit_slow(key)
    if not admission.allowed: ...   # 429, come back after ``admission.retry_after_s``

A request counts for its user and for its address; who is over either limit is refused and nothing
is counted. On one instance exactly the limit holds in any sliding 60 s, on n instances at most
limit + 2(n - 1) (the address limit of signed-in callers, a fence against one machine with many
accounts: limit + a fifth for each further instance). A caller's own limit must not take the
service down: while the store does not answer, each instance counts up to the limit by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from shared.clock import Clock
from shared.config import ClientLimits
from shared.errors import StoreUnavailable
from shared.limits.clients_pool import CONTENDED_S, ClientPool
from shared.limits.clients_window import Scale, Seat, Window
from shared.storage.documents import DocumentStore
from shared.storage.errors import InvalidArgument
from shared.storage.paths import split_document
from shared.telemetry.log import JsonLog

# A request waits so long for the store (seconds), where none was reached before the longer time:
# far beyond what a store that is well takes, since whoever stops waiting counts by itself.
PATIENCE_S = 1.0
FIRST_PATIENCE_S = 2.5
# After a failure each instance counts by itself for so long (seconds) before it asks again.
DOWN_S = 5.0
# Callers remembered of each kind; who was not seen for longest is forgotten first, which gives
# them back their share at this instance and no more.
REMEMBERED = 20_000
# Leases given back at once when an instance is told to stop.
FLUSH_WIDTH = 32
# Leases that a crowd of one caller's requests may need one after the other (limit / step, and one).
_ROUNDS = 8


class ClientKey(NamedTuple):
    """Who is asking. ``address`` is a keyed hash (``edge/client_address.py``), empty where there
    is none; ``signed_in``: with an account, not anonymously."""

    user: str
    address: str = ""
    signed_in: bool = True


class Admission(NamedTuple):
    """The answer, with the figures of whichever limit leaves the caller less.

    ``remaining`` is after this request. ``reset_s``: until nothing counts any more. ``shared``:
    refused for what others behind the same address did too.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0
    shared: bool = False


class ClientLimiter:
    """Admits callers at one instance. Belongs to one event loop.

    ``limits`` is asked for every request; the same object means the same limits. ``remembered``:
    how many callers of each kind are kept in memory. ``lent`` counts requests admitted while the
    store did not answer.
    """

    __slots__ = (
        "_addresses",
        "_anonymous",
        "_clock",
        "_down_until",
        "_exchanges",
        "_for_addresses",
        "_for_anonymous",
        "_for_users",
        "_limits",
        "_log",
        "_pool",
        "_reached",
        "_remembered",
        "_rng",
        "_seen",
        "_users",
        "lent",
    )

    def __init__(
        self,
        documents: DocumentStore,
        clock: Clock,
        rng: random.Random,
        limits: Callable[[], ClientLimits],
        *,
        log: JsonLog | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._limits = limits
        self._log = log
        self._remembered = remembered
        self._pool = ClientPool(documents, clock, rng)
        self._users: OrderedDict[str, Window] = OrderedDict()
        self._anonymous: OrderedDict[str, Window] = OrderedDict()
        self._addresses: OrderedDict[str, Window] = OrderedDict()
        self._exchanges: dict[str, asyncio.Task[None]] = {}
        self._down_until = 0.0
        self._reached = False
        self.lent = 0
        self._seen = limits()
        self._cut(self._seen)

    def admit(self, key: ClientKey) -> Admission | None:
        """Count one request, or refuse it; None: only the store knows, ask ``admit_slow``."""
        limits = self._limits()
        if limits is not self._seen:
            self._cut(limits)
        clock = self._clock
        now, wall = clock.monotonic(), clock.wall()
        down = now < self._down_until
        user, scale = self._user(key.user), self._for_users
        seat = user.look(now, wall, scale, down)
        if seat is Seat.NONE:
            return _refusal(user, scale, now)
        if not key.address:
            if seat is Seat.ASK:
                return None
            self._take(user, seat, now)
            return Admission(True, scale.limit, user.remaining(now, scale), user.reset_s(now))
        place, wide = self._address(key)
        there = place.look(now, wall, wide, down)
        if there is Seat.NONE:
            return _refusal(place, wide, now)._replace(shared=key.signed_in)
        if seat is Seat.ASK or there is Seat.ASK:
            return None
        self._take(user, seat, now)
        self._take(place, there, now)
        left, left_there = user.remaining(now, scale), place.remaining(now, wide)
        if left_there < left:
            return Admission(True, wide.limit, left_there, place.reset_s(now))
        return Admission(True, scale.limit, left, user.reset_s(now))

    async def admit_slow(self, key: ClientKey) -> Admission:
        """What ``admit`` left open, by the store: at most 1 s (2.5 s where it was never reached
        before), then by this instance alone."""
        patience = PATIENCE_S if self._reached else FIRST_PATIENCE_S
        end = self._clock.monotonic() + patience
        for _ in range(_ROUNDS):
            found = self.admit(key)
            if found is not None:
                return found
            tasks = self._ask(key)
            if not tasks:
                continue
            done, late = await asyncio.wait(tasks, timeout=end - self._clock.monotonic())
            for task in done:
                task.result()
            if late:
                self._went_down()
        found = self.admit(key)
        if found is not None:
            return found
        # Others of the same caller were quicker every time.
        window, scale = self._user(key.user), self._for_users
        now = self._clock.monotonic()
        return Admission(False, scale.limit, 0, window.reset_s(now), CONTENDED_S)

    def look(self, key: ClientKey) -> Admission:
        """The figures as they stand; counts nothing and asks nobody."""
        limits = self._limits()
        if limits is not self._seen:
            self._cut(limits)
        now, wall = self._clock.monotonic(), self._clock.wall()
        told = []
        looked = [(self._users.get(key.user), self._for_users)]
        if key.address:
            known = self._addresses if key.signed_in else self._anonymous
            looked.append((known.get(key.address), self._scale(key)))
        for window, scale in looked:
            if window is None:
                told.append(Admission(True, scale.limit, scale.limit, 0.0))
                continue
            window.look(now, wall, scale, False)  # forgets what is over
            left = window.remaining(now, scale)
            told.append(Admission(True, scale.limit, left, window.reset_s(now)))
        return min(told, key=_remaining)

    async def flush(self) -> None:
        """Give every lease back: for SIGTERM. Raises ``StoreUnavailable`` after all were tried."""
        windows = [
            window
            for known in (self._users, self._anonymous, self._addresses)
            for window in known.values()
            if window.page is not None and window.holder in window.page.held
        ]
        failed: StoreUnavailable | None = None
        for first in range(0, len(windows), FLUSH_WIDTH):
            batch = windows[first : first + FLUSH_WIDTH]
            results = await asyncio.gather(
                *(self._pool.give_back(window) for window in batch), return_exceptions=True
            )
            for result in results:
                if isinstance(result, StoreUnavailable):
                    failed = result
                elif isinstance(result, BaseException):
                    raise result
        if failed is not None:
            raise failed

    # -------------------------------------------------------------------------------- inside

    def _cut(self, limits: ClientLimits) -> None:
        self._seen = limits
        self._for_users = Scale.strict(limits.user_rpm)
        self._for_anonymous = Scale.strict(limits.ip_rpm)
        self._for_addresses = Scale.wide(limits.ip_signed_in_rpm)

    def _user(self, uid: str) -> Window:
        found = self._users.get(uid)
        if found is None:
            return self._remember(self._users, uid, _user_path(uid))
        self._users.move_to_end(uid)
        return found

    def _address(self, key: ClientKey) -> tuple[Window, Scale]:
        known = self._addresses if key.signed_in else self._anonymous
        found = known.get(key.address)
        if found is None:
            kind = "" if key.signed_in else "-anonymous"
            found = self._remember(known, key.address, f"client_addresses/{key.address}{kind}")
        else:
            known.move_to_end(key.address)
        return found, self._scale(key)

    def _scale(self, key: ClientKey) -> Scale:
        return self._for_addresses if key.signed_in else self._for_anonymous

    def _remember(self, known: OrderedDict[str, Window], name: str, path: str) -> Window:
        # A holder's name is new each time: what a forgotten one has used nobody knows any more.
        window = known[name] = Window(path, f"{self._rng.getrandbits(64):016x}")
        if len(known) > self._remembered:
            known.popitem(last=False)
        return window

    def _take(self, window: Window, seat: Seat, now: float) -> None:
        window.take(seat, now)
        if seat is Seat.LENT:
            self.lent += 1

    def _ask(self, key: ClientKey) -> list[asyncio.Task[None]]:
        """Exchanges with the store for what the caller lacks; one at a time for a window."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        wanted = [(self._user(key.user), self._for_users)]
        if key.address:
            wanted.append(self._address(key))
        tasks = []
        for window, scale in wanted:
            if window.look(now, wall, scale, False) is Seat.ASK:
                task = self._exchanges.get(window.path)
                if task is None:
                    task = asyncio.create_task(self._exchange(window, scale))
                    self._exchanges[window.path] = task
                tasks.append(task)
        return tasks

    async def _exchange(self, window: Window, scale: Scale) -> None:
        try:
            await self._pool.lease(window, scale)
            self._reached = True
        except StoreUnavailable:
            self._went_down()
        finally:
            del self._exchanges[window.path]

    def _went_down(self) -> None:
        now = self._clock.monotonic()
        if self._log is not None and now >= self._down_until:
            self._log.warning(
                "client limits are counted by this instance alone: the store does not answer",
                {"seconds": DOWN_S},
            )
        self._down_until = now + DOWN_S


def _refusal(window: Window, scale: Scale, now: float) -> Admission:
    return Admission(False, scale.limit, 0, window.reset_s(now), window.retry_after_s(now))


def _remaining(told: Admission) -> int:
    return told.remaining


def _user_path(uid: str) -> str:
    path = f"users/{uid}/limits/requests"
    try:
        if len(split_document(path)) == 4:
            return path
    except InvalidArgument:
        pass
    return f"users/{uid.encode('utf-8', 'surrogatepass').hex()[:1000]}/limits/requests"
