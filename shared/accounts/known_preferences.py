"""The preferences an instance knows, so that a busy user's chats cost no read each."""

from __future__ import annotations

from collections import OrderedDict

from shared.accounts.preferences import NOTHING, Preferences, PreferenceStore
from shared.accounts.together import Together
from shared.clock import Clock
from shared.errors import StoreUnavailable

# ARCHITECTURE, Quotas: cached for 10 minutes. Who changes them through this instance has them at
# once; others hear within that time.
FRESH_S = 600.0
# Users, about 0.3 KB each; the longest unasked goes first.
MAX_KNOWN = 20_000
# A chat does not wait longer for what only shifts an order (seconds).
READ_TIMEOUT_S = 1.0
# After a failure nobody's are asked for so long (seconds): one chat waits, not each.
DOWN_S = 10.0


class KnownPreferences:
    """Never fails and never waits long: while the store is away, what was known last counts."""

    __slots__ = ("_clock", "_down_until", "_known", "_store", "_together")

    def __init__(self, store: PreferenceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[str, tuple[Preferences, float]] = OrderedDict()
        self._together: Together[Preferences] = Together()
        self._down_until = 0.0

    async def of(self, uid: str) -> Preferences:
        """A user's preferences."""
        known = self._known.get(uid)
        now = self._clock.monotonic()
        if known is not None and now < known[1]:
            self._known.move_to_end(uid)
            return known[0]
        last = NOTHING if known is None else known[0]
        if now < self._down_until:
            return last
        try:
            return await self._together.ask(uid, lambda: self._read(uid, now))
        except StoreUnavailable:
            self._down_until = self._clock.monotonic() + DOWN_S
            return last

    def take(self, uid: str, preferences: Preferences) -> None:
        """They were written here just now."""
        self._keep(uid, preferences, self._clock.monotonic())

    async def _read(self, uid: str, now: float) -> Preferences:
        before = self._known.get(uid)
        found = await self._store.read(uid, READ_TIMEOUT_S)
        after = self._known.get(uid)
        if after is not None and after is not before:
            return after[0]  # written here meanwhile
        self._keep(uid, found, now)
        return found

    def _keep(self, uid: str, preferences: Preferences, now: float) -> None:
        self._known[uid] = preferences, now + FRESH_S
        self._known.move_to_end(uid)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
