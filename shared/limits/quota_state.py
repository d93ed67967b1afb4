"""The content of a quota document: what was spent, what is held, what is closed.

One document per provider holds the provider's own scope (named ``""``) and one scope per model.
Times are milliseconds of the store's clock. A use stands in a two-second bucket under the latest
moment at which its request can have reached the provider; it leaves the minute 60 s after that. A
grant counts whole until it is settled, or until 60 s after it can no longer be used; what was not
settled by then counts as used in the day, until its holder says better (``counted``).
"""

from __future__ import annotations

from msgspec import Struct, field

from shared.limits.quota_time import DAY_MS, HOUR_MS, ROLLING, day_slot, month_slot, slot_end

WINDOW_MS = 60_000
TICK_MS = 2_000
# How long a grant that was never settled can still be, and of how many holders that is kept.
LATE_MS = HOUR_MS
LATE_HOLDERS = 64
# Nothing is dated further ahead than a lease lasts; if it is, the store's clock was set back.
AHEAD_MS = 30_000
PROVIDER = ""


class Amount(Struct, frozen=True):
    """Requests, tokens and characters."""

    requests: int = 0
    tokens: int = 0
    characters: int = 0

    def plus(self, other: Amount) -> Amount:
        """The sum."""
        return Amount(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.characters + other.characters,
        )

    def minus(self, other: Amount) -> Amount:
        """What is left, in no part below 0."""
        return Amount(
            max(0, self.requests - other.requests),
            max(0, self.tokens - other.tokens),
            max(0, self.characters - other.characters),
        )


NOTHING = Amount()


class Grant(Struct):
    """What one instance may use until ``expires``. ``seq`` numbers the holder's writes, so that
    it can tell which of them were made. ``whole`` counts against the provider, ``models`` each
    against a model; the parts may come to more than the whole.

    ``wants`` (by scope) is what a holder that got less than its share waits for, and ``look`` the
    moment at which it will come for it (``quota_turns``)."""

    seq: int
    expires: int
    whole: Amount = NOTHING
    models: dict[str, Amount] = field(default_factory=dict)
    counted: bool = False
    wants: dict[str, Amount] = field(default_factory=dict)
    look: int = 0

    def of(self, name: str) -> Amount:
        """The part that counts against that scope."""
        return self.whole if name == PROVIDER else self.models.get(name, NOTHING)


class Scope(Struct):
    """A provider or a model. ``minute``: tick -> [latest ms, requests, tokens]; ``days``: slot ->
    [requests, tokens] (``day_slot``); ``characters`` of the month ``month``.

    ``caps`` (dimension -> limit, until) and ``phantoms`` (dimension -> amount, until) are what the
    provider told beyond our own count: lower limits, and use we know nothing of. ``closed`` is
    (reason, until). ``alerted`` while a use above 80 % has been told (R6.10).
    """

    reset: str = ROLLING
    minute: dict[int, list[int]] = field(default_factory=dict)
    days: dict[int, list[int]] = field(default_factory=dict)
    month: int = 0
    characters: int = 0
    caps: dict[str, tuple[int, int]] = field(default_factory=dict)
    phantoms: dict[str, tuple[int, int]] = field(default_factory=dict)
    closed: tuple[str, int] | None = None
    alerted: bool = False

    def add(self, stamp: int, amount: tuple[int, int, int]) -> None:
        """Count requests, tokens and characters used by ``stamp``; negative takes back."""
        requests, tokens, characters = amount
        bucket = self.minute.get(stamp // TICK_MS)
        if bucket is not None:
            bucket[0] = max(bucket[0], stamp)
            bucket[1] = max(0, bucket[1] + requests)
            bucket[2] = max(0, bucket[2] + tokens)
        elif requests > 0 or tokens > 0:
            self.minute[stamp // TICK_MS] = [stamp, max(0, requests), max(0, tokens)]
        slot = day_slot(self.reset, stamp)
        self.add_day(slot, requests, tokens)
        if characters:
            self.add_characters(month_slot(stamp), characters)

    def add_day(self, slot: int, requests: int, tokens: int) -> None:
        """Count into a day alone."""
        day = self.days.get(slot)
        if day is not None:
            day[0] = max(0, day[0] + requests)
            day[1] = max(0, day[1] + tokens)
        elif requests > 0 or tokens > 0:
            self.days[slot] = [max(0, requests), max(0, tokens)]

    def add_characters(self, month: int, characters: int) -> None:
        """Count into a month; a month before the newest is past and forgotten."""
        if month > self.month:
            self.month, self.characters = month, 0
        if month == self.month:
            self.characters = max(0, self.characters + characters)

    def minute_used(self, now: int) -> tuple[int, int]:
        """Requests and tokens that may still lie in the last 60 s."""
        requests = tokens = 0
        for stamp, some, more in self.minute.values():
            if stamp + WINDOW_MS > now:
                requests += some
                tokens += more
        return requests, tokens

    def day_used(self, now: int) -> tuple[int, int]:
        """Requests and tokens of the day that is ``now``."""
        requests = tokens = 0
        for slot, (some, more) in self.days.items():
            if slot_end(self.reset, slot) > now:
                requests += some
                tokens += more
        return requests, tokens

    def month_used(self, now: int) -> int:
        """Characters of the month that is ``now``."""
        return self.characters if self.month >= month_slot(now) else 0

    def close(self, reason: str, until: int) -> None:
        """Nobody may ask until then; a longer closure is never shortened (LESSONS 12)."""
        if self.closed is None or until > self.closed[1]:
            self.closed = (reason, until)

    def advance(self, now: int) -> None:
        """Let go of what is past."""
        for tick, bucket in list(self.minute.items()):
            if bucket[0] + WINDOW_MS <= now:
                del self.minute[tick]
            elif bucket[0] > now + AHEAD_MS:
                del self.minute[tick]
                self._put_back(now, bucket)
        for slot in [slot for slot in self.days if (slot + 1) * HOUR_MS + DAY_MS + HOUR_MS <= now]:
            del self.days[slot]
        for told in (self.caps, self.phantoms):
            for dimension in [name for name, (_, until) in told.items() if until <= now]:
                del told[dimension]
        if self.closed is not None and self.closed[1] <= now:
            self.closed = None

    def _put_back(self, now: int, bucket: list[int]) -> None:
        merged = self.minute.setdefault(now // TICK_MS, [now, 0, 0])
        merged[1] += bucket[1]
        merged[2] += bucket[2]


class QuotaState(Struct):
    """A whole document. ``held``: the last grant of each holder; ``writer`` wrote last."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    held: dict[str, Grant] = field(default_factory=dict)
    writer: str = ""

    def scope(self, name: str, reset: str | None = None) -> Scope:
        """The scope, made where it is new; ``reset`` (where given) is its day's turn now."""
        found = self.scopes.get(name)
        if found is None:
            found = self.scopes[name] = Scope()
        if reset is not None:
            found.reset = reset
        return found

    def held_of(self, name: str, without: str | None = None) -> Amount:
        """What all grants (but one holder's) hold of a scope."""
        requests = tokens = characters = 0
        for holder, grant in self.held.items():
            if not grant.counted and holder != without:
                part = grant.of(name)
                requests += part.requests
                tokens += part.tokens
                characters += part.characters
        return Amount(requests, tokens, characters)

    def active(self, now: int, besides: str) -> int:
        """Holders whose grant can still be used, ``besides`` counted in any case."""
        return 1 + sum(
            1
            for holder, grant in self.held.items()
            if holder != besides and not grant.counted and grant.expires > now
        )

    def advance(self, now: int) -> None:
        """Let go of what is past; grants that nobody settled in time count as used."""
        for grant in self.held.values():
            if not grant.counted and grant.expires > now + AHEAD_MS:
                grant.expires = now + AHEAD_MS
            if not grant.counted and grant.expires + WINDOW_MS <= now:
                self._count(grant, 1)
                grant.counted = True
        self._forget(now)
        for scope in self.scopes.values():
            scope.advance(now)

    def uncount(self, grant: Grant) -> None:
        """Take back that a grant counts as used: its holder has come to settle it."""
        if grant.counted:
            self._count(grant, -1)
            grant.counted = False

    def _count(self, grant: Grant, sign: int) -> None:
        for name in (PROVIDER, *grant.models):
            part, scope = grant.of(name), self.scope(name)
            slot = day_slot(scope.reset, grant.expires)
            scope.add_day(slot, sign * part.requests, sign * part.tokens)
            if part.characters:
                scope.add_characters(month_slot(grant.expires), sign * part.characters)

    def _forget(self, now: int) -> None:
        late = sorted(
            (grant.expires, holder) for holder, grant in self.held.items() if grant.counted
        )
        surplus = len(late) - LATE_HOLDERS
        for place, (expires, holder) in enumerate(late):
            if place < surplus or expires + LATE_MS <= now:
                del self.held[holder]
