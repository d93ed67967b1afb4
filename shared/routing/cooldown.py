"""How long a failure keeps a model or provider from being asked: constants and the one trial.

A ``Gate`` stands before each model and each provider. It is open, or closed until some moment;
when that has passed, one call at a time is let through on trial until one of them succeeds.
"""

from __future__ import annotations

from msgspec import Struct

from shared.errors import QuotaExceeded

# Three in a row and the breaker opens (R20.4); 10 s, doubled at each failed trial, to 5 minutes.
BREAKER_THRESHOLD = 3
BREAKER_BASE_S = 10.0
BREAKER_CAP_S = 300.0
# A 429 of the minute: the provider's hint, or this; at most two windows.
LIMIT_DEFAULT_S = 10.0
LIMIT_CAP_S = 120.0
# A 429 of the day or month: hints are unreliable, so ask again at least hourly.
LONG_LIMIT_S = 3600.0
# R5.5: a rejected key makes its provider unavailable for 5 minutes.
KEY_REJECTED_S = 300.0
# No credit, model gone, model not on this key: nothing changes within the hour.
PAYMENT_S = 3600.0
MODEL_GONE_S = 3600.0
# The longest wait that a Retry-After beside a server error can impose.
HINT_CAP_S = 120.0
# Latencies are told in milliseconds, which may have been rounded.
CLOCK_SLACK_S = 0.002
# While another call is on trial: look again after this.
TRIAL_POLL_S = 0.25
# A trial nobody reported back on (its worker died) is forgotten after the longest request.
TRIAL_LOST_S = 600.0


class Gate(Struct):
    """When one model or provider may be asked. All times are monotonic seconds.

    ``until`` is the end of the longest closure. ``limited_until`` is the part of it that a limit
    (429) asks for. ``trial`` holds from the first closure until a success.
    """

    until: float = 0.0
    limited_until: float = 0.0
    trial: bool = False
    probing_since: float | None = None

    def close(self, until: float, *, limit: bool = False) -> None:
        """Keep calls away until then; a longer closure is never shortened."""
        if until > self.until:
            self.until = until
        if limit and until > self.limited_until:
            self.limited_until = until
        self.trial = True

    def available_at(self, now: float) -> float:
        """The moment a call may pass; at most ``now`` means at once.

        An open gate names its past moment, never ``now``: callers compare with a reading of their
        own, which may be a little older.
        """
        if not self.trial or self.until > now:
            return self.until
        return now + TRIAL_POLL_S if self._probing(now) else self.until

    def enter(self, now: float) -> bool:
        """Pass, or take the place of the one call on trial. False: not now."""
        if not self.trial:
            return True
        if self.until > now or self._probing(now):
            return False
        self.probing_since = now
        return True

    def leave(self, began: float) -> None:
        """A call that ``began`` then has ended; if it was the one on trial, its place is free."""
        if self.probing_since is not None and began >= self.probing_since - CLOCK_SLACK_S:
            self.probing_since = None

    def passed(self, now: float, *, lift: bool) -> None:
        """A call succeeded: ``lift`` opens again, but never before a limit says so."""
        self.probing_since = None
        if lift:
            self.until = self.limited_until
        if self.until <= now:
            self.until = 0.0
            self.trial = False

    def _probing(self, now: float) -> bool:
        return self.probing_since is not None and now - self.probing_since < TRIAL_LOST_S


def limit_wait_s(failure: QuotaExceeded) -> float:
    """Seconds a 429 closes its model for, by the quota it speaks of and the provider's hint."""
    long = failure.window in ("day", "month")
    hint = failure.wait_s
    if hint is None:
        return LONG_LIMIT_S if long else LIMIT_DEFAULT_S
    # "Retry-After: 0" is a rounded fraction of a second.
    return min(LONG_LIMIT_S if long else LIMIT_CAP_S, hint if hint > 0 else 1.0)


def breaker_wait_s(level: int) -> float:
    """Seconds the breaker stays open at its ``level``-th opening in a row, from 0."""
    return min(BREAKER_CAP_S, BREAKER_BASE_S * 2.0 ** min(level, 10))
