"""What a Gemini 429 says: which quota, of which window, and when it is back.

The details carry ``google.rpc.QuotaFailure`` (violations with ``quotaId`` and ``quotaValue``) and
``google.rpc.RetryInfo``. The delay belongs to the minute: with an exhausted day it is misleading
(38 s were told for a day that was gone), as quotas of the day return at midnight Pacific time
(Gemini rate limits).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo

from msgspec import Struct

from shared.messages import JsonObject, JsonValue
from shared.providers.base import LimitSignal
from shared.providers.waits import parse_count, parse_duration, until_next_month

_WINDOWS = (("perday", "day"), ("perminute", "minute"), ("perhour", "hour"), ("permonth", "month"))
_NO_QUOTA = re.compile(r"\blimit: 0(?![\d.])")
_SEPARATORS = re.compile(r"[\s_-]+")


class Violation(Struct, frozen=True):
    """One exceeded quota. ``window`` None where its id does not tell; ``limit`` likewise."""

    dimension: str  # "requests" | "tokens"
    window: str | None
    limit: int | None


class QuotaReport(Struct, frozen=True):
    """The quota details of an error. ``retry_s``: ``RetryInfo``'s delay in seconds."""

    violations: tuple[Violation, ...]
    retry_s: float | None
    none_at_all: bool  # a quota of 0: the model is not on this key's tier
    window: str | None  # the longest window that is exhausted

    def wait_s(self, wall: float) -> float | None:
        """Seconds from ``wall`` until the quota is back, as far as the details tell."""
        return self._wait(self.window, wall)

    def signals(self, wall: float) -> list[LimitSignal]:
        """The limits told, each used up."""
        return [
            LimitSignal(one.dimension, one.window, 0, one.limit, self._wait(one.window, wall))
            for one in self.violations
            if one.window is not None
        ]

    def _wait(self, window: str | None, wall: float) -> float | None:
        if window == "day":
            return until_pacific_midnight(wall)
        return until_next_month(wall) if window == "month" else self.retry_s


def read_quota(details: list[JsonObject], message: str) -> QuotaReport:
    """The report of an error's ``details``; ``message`` speaks where they are missing."""
    violations = tuple(
        _violation(value)
        for detail in details
        for value in _items(detail.get("violations"))
        if isinstance(value, dict)
    )
    windows = {one.window for one in violations} or {_window(message)}
    longest = next((name for name in ("month", "day", "hour", "minute") if name in windows), None)
    return QuotaReport(
        violations,
        _retry_delay(details),
        any(one.limit == 0 for one in violations) or _NO_QUOTA.search(message) is not None,
        longest,
    )


def until_pacific_midnight(wall: float) -> float:
    """Seconds from ``wall`` (Unix time) to the next midnight in California."""
    zone = _pacific()
    now = datetime.fromtimestamp(wall, UTC).astimezone(zone)
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), zone)
    return midnight.timestamp() - wall


def _pacific() -> tzinfo:
    # Only here: it takes 3 ms to import, and few instances ever see an exhausted day.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        # A system without time zones: winter time, which is never early, in summer an hour late.
        return timezone(timedelta(hours=-8))


def _violation(value: JsonObject) -> Violation:
    quota_id, metric = value.get("quotaId"), value.get("quotaMetric")
    named = f"{quota_id} {metric}"
    told = value.get("quotaValue")
    return Violation(
        "tokens" if "token" in named.lower() else "requests",
        _window(named),
        parse_count(str(told)) if isinstance(told, str | int) else None,
    )


def _window(text: str) -> str | None:
    squeezed = _SEPARATORS.sub("", text).lower()
    return next((window for mark, window in _WINDOWS if mark in squeezed), None)


def _retry_delay(details: list[JsonObject]) -> float | None:
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str):
            return parse_duration(delay)
    return None


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
