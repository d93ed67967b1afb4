"""How long a provider says to wait: every form of hint, in seconds, never negative, capped.

The forms: ``Retry-After`` as seconds, fractional seconds or an HTTP date (RFC 9110, 10.2.3),
``retry-after-ms``, Groq's durations (``2m59.56s``), the IETF draft's ``ratelimit: "api";r=0;t=55``
(Hugging Face), and the sentence "try again in 7.66s" in a message.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

from shared.providers.base import LimitSignal

# The longest wait that means anything: a monthly quota that has just been used up.
MAX_WAIT_S = 31 * 86_400.0

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
# Strings, which `re` compiles at their first use and keeps: an instance starts without them.
_DURATION_PART = r"(?a)(\d+(?:\.\d+)?)\s*(ms|[smhd])"
_DURATION = r"(?a)(?:\d+(?:\.\d+)?\s*(?:ms|[smhd])\s*)+"
_TRY_AGAIN = (
    r"(?ai)(?:try again|retry|wait|available)(?: again)?(?: (?:in|after|for))? (?:about )?"
    r"((?:\d+(?:\.\d+)?\s*(?:ms|hours?|minutes?|seconds?|secs?|mins?|[smhd])(?![a-z])\s*)+)"
)
_WORD_UNITS = r"(?i)(hour|minute|min|second|sec)s?\b"
_LETTER = {"hour": "h", "minute": "m", "min": "m", "second": "s", "sec": "s"}
_IETF_PARAM = r"(?a);\s*([a-z]+)=(\d+)"


def capped(seconds: float) -> float | None:
    """``seconds`` within [0, ``MAX_WAIT_S``]; None for what is not a number."""
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_WAIT_S)


def parse_seconds(text: str) -> float | None:
    """Decimal seconds such as ``17`` or ``0.35``; None where it is something else."""
    try:
        return capped(float(text))
    except ValueError:
        return None


def parse_duration(text: str) -> float | None:
    """Seconds of ``2m59.56s``, ``7.66s``, ``120ms``, ``1h2m3s``, or of a bare number."""
    text = text.strip()
    if text.endswith("s") and text[:-1].replace(".", "", 1).isdecimal() and text.isascii():
        return capped(float(text[:-1]))  # by far the most frequent
    if not re.fullmatch(_DURATION, text):
        return parse_seconds(text)
    parts = re.findall(_DURATION_PART, text)
    return capped(sum(float(number) * _UNIT_S[unit] for number, unit in parts))


def parse_retry_after(value: str, wall: float) -> float | None:
    """Seconds from ``wall`` (Unix time) that a ``Retry-After`` value asks for; None if unreadable.

    A date in the past is 0: the wait is over.
    """
    value = value.strip()
    seconds = parse_duration(value)
    if seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return capped(date.timestamp() - wall)


def wait_hint(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds to wait as the standard headers tell; None where they do not."""
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None:
        seconds = parse_seconds(milliseconds)
        if seconds is not None:
            return seconds / 1000
    value = headers.get("retry-after")
    if value is not None:
        return parse_retry_after(value, wall)
    return None


def wait_in_message(message: str) -> float | None:
    """Seconds out of "Please try again in 2m59.56s" and its like; None where it says none."""
    found = re.search(_TRY_AGAIN, message)
    if found is None:
        return None
    text = re.sub(_WORD_UNITS, lambda unit: _LETTER[unit.group(1).lower()], found.group(1))
    return parse_duration(text.lower())


def until_next_month(wall: float) -> float:
    """Seconds from ``wall`` to the first of the next month, UTC: when monthly credit returns."""
    now = datetime.fromtimestamp(wall, UTC)
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp() - wall


def parse_count(value: str | None) -> int | None:
    """A count of requests or tokens, None where absent or not a plain number."""
    if value is None or len(value) > 18 or not value.isascii() or not value.isdigit():
        return None
    return int(value)


class LimitHeaders(Struct, frozen=True):
    """The names of the three headers that tell one limit."""

    dimension: str  # "requests" | "tokens"
    window: str  # "minute" | "hour" | "day" | "month"
    remaining: str
    limit: str
    reset: str

    def read(self, headers: Mapping[str, str]) -> LimitSignal | None:
        """The signal, None where the headers do not tell what remains."""
        remaining = parse_count(headers.get(self.remaining))
        if remaining is None:
            return None
        reset = headers.get(self.reset)
        return LimitSignal(
            self.dimension,
            self.window,
            remaining,
            parse_count(headers.get(self.limit)),
            None if reset is None else parse_duration(reset),
        )


def read_limits(table: tuple[LimitHeaders, ...], headers: Mapping[str, str]) -> list[LimitSignal]:
    """The signals of all limits of ``table`` that ``headers`` tell."""
    signals: list[LimitSignal] = []
    for limit in table:
        signal = limit.read(headers)
        if signal is not None:
            signals.append(signal)
    return signals


def ietf_limits(headers: Mapping[str, str]) -> list[LimitSignal]:
    """The signal of the IETF draft's ``ratelimit`` and ``ratelimit-policy`` headers.

    ``r``: what remains, ``t``: seconds until it is full, ``q``: quota per ``w`` seconds. A window
    that is none of ours is told as the next longer one, without the limit, which would be wrong.
    """
    value = headers.get("ratelimit")
    if value is None:
        return []
    told = {name: int(number[:12]) for name, number in re.findall(_IETF_PARAM, value)}
    policy = headers.get("ratelimit-policy") or ""
    rule = {name: int(number[:12]) for name, number in re.findall(_IETF_PARAM, policy)}
    if "r" not in told:
        return []
    seconds = rule.get("w", 60)
    window, length = next(
        (pair for pair in (("minute", 60), ("hour", 3600), ("day", 86_400)) if seconds <= pair[1]),
        ("month", 0),
    )
    return [
        LimitSignal(
            "requests",
            window,
            told["r"],
            rule.get("q") if length == seconds else None,
            capped(float(told["t"])) if "t" in told else None,
        )
    ]
