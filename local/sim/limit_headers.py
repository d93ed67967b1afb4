"""The rate-limit headers of each provider, counted truly against generous limits.

The simulator never refuses by itself: a fault does that (``status`` 429).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from shared.model import ModelCard

REQUESTS_PER_DAY = 10_000_000
TOKENS_PER_MINUTE = 100_000_000
_DAY = 86_400.0
_MINUTE = 60.0


class LimitHeaders:
    """Counts by model. ``now`` gives Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._day = -1
        self._requests: dict[str, int] = {}
        self._tokens: dict[str, deque[tuple[float, int]]] = {}

    def headers(self, provider: str, card: ModelCard, tokens: int) -> dict[str, str]:
        """Count one call of ``tokens`` and tell what remains, as this provider tells it."""
        now = self._now()
        if int(now // _DAY) != self._day:
            self._day = int(now // _DAY)
            self._requests.clear()
        used = self._requests[card.id] = self._requests.get(card.id, 0) + 1
        recent = self._tokens.setdefault(card.id, deque())
        recent.append((now, tokens))
        while recent[0][0] <= now - _MINUTE:
            recent.popleft()
        left_tokens = TOKENS_PER_MINUTE - sum(count for _, count in recent)
        left_requests = REQUESTS_PER_DAY - used
        day_end = _DAY - now % _DAY
        if provider == "groq":
            return {
                "x-ratelimit-limit-requests": str(REQUESTS_PER_DAY),
                "x-ratelimit-remaining-requests": str(left_requests),
                "x-ratelimit-reset-requests": duration(_DAY / REQUESTS_PER_DAY * used),
                "x-ratelimit-limit-tokens": str(TOKENS_PER_MINUTE),
                "x-ratelimit-remaining-tokens": str(left_tokens),
                "x-ratelimit-reset-tokens": duration(_MINUTE * tokens / TOKENS_PER_MINUTE),
            }
        if provider == "cerebras":
            return {
                "x-ratelimit-limit-requests-day": str(REQUESTS_PER_DAY),
                "x-ratelimit-remaining-requests-day": str(left_requests),
                "x-ratelimit-reset-requests-day": f"{day_end:.3f}",
                "x-ratelimit-limit-tokens-minute": str(TOKENS_PER_MINUTE),
                "x-ratelimit-remaining-tokens-minute": str(left_tokens),
                "x-ratelimit-reset-tokens-minute": f"{_MINUTE - now % _MINUTE:.3f}",
            }
        return {}


def duration(seconds: float) -> str:
    """Groq's form: ``2m59.56s``, ``7.66s``, ``120ms``."""
    if seconds < 1:
        return f"{max(1, round(seconds * 1000))}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{hours:.0f}h" if hours else ""
    text += f"{minutes:.0f}m" if minutes or hours else ""
    return f"{text}{round(rest, 2):g}s"
