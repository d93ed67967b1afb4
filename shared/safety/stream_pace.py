"""How fast text that has passed is paid out, so that a stream does not stand still (issue 7).

A slow provider takes many seconds to write what one verdict covers. Handed over at once, that
text would be followed by as long a silence; so it is spread over the time to the next verdict.
"""

from __future__ import annotations

# Seconds between two pieces.
PIECE_S = 0.5
# Where the next verdict is expected within this many seconds, everything leaves at once.
SOON_S = 1.0
# A piece leaves after so many seconds at the latest, though it be half a word; a client waits 2.
PATIENCE_S = 1.5
# What a verdict is thought to take (s) until one has been seen; never thought shorter than LEAST.
LATENCY_S, LEAST_S = 0.3, 0.2


class Pace:
    """The measured rhythm of one stream. All times are monotonic seconds."""

    __slots__ = ("_asked", "_before", "_from", "_heard_from", "_last", "_latency")

    def __init__(self, now: float) -> None:
        # The rate is measured over the last segment and the one that is being written.
        self._heard_from = self._from = now
        self._before = 0.0
        self._asked: float | None = None
        self._last = float("-inf")
        self._latency = LATENCY_S

    def asked(self, now: float, tokens: float) -> None:
        """A verdict has been asked for, on ``tokens`` new tokens."""
        self._heard_from, self._from, self._before = self._from, now, tokens
        self._asked = now

    def told(self, now: float) -> None:
        """It has come."""
        if self._asked is not None:
            took = max(LEAST_S, now - self._asked)
            self._latency = max(took, (self._latency + took) / 2)
        self._asked = None

    def to_next(self, now: float, fresh: float, step: float) -> float:
        """Seconds until the next verdict is expected; ``fresh`` of ``step`` tokens have come."""
        if self._asked is not None:
            return max(LEAST_S, self._asked + self._latency - now)
        missing = max(0.0, step - fresh)
        heard = self._before + fresh
        if heard <= 0.0:
            return missing + self._latency
        return missing * (now - self._heard_from) / heard + self._latency

    def piece(self, now: float, ready: int, to_next: float) -> int | None:
        """About how many of ``ready`` characters are to leave now; None: all of them."""
        if to_next <= SOON_S:
            return None
        since = min(now - self._last, PATIENCE_S)
        return max(1, int(ready * since / (since + to_next)))

    def due_in(self, now: float) -> float:
        """Seconds until the next piece; 0: now."""
        return max(0.0, self._last + PIECE_S - now)

    def impatient(self, now: float) -> bool:
        """Whether the client has waited so long that something has to leave."""
        return now - self._last >= PATIENCE_S - 1e-6

    def left(self, now: float) -> None:
        """A piece has left."""
        self._last = now
