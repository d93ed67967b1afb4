"""Waiting between attempts: exponential with jitter at one provider, next to nothing elsewhere."""

from __future__ import annotations

import random

from msgspec import Struct

# R5.2. The first is short, so that a fallback at the same provider adds well under the 500 ms
# of R13.9.
BASE_S = 0.1
FACTOR = 2.0
CAP_S = 2.0
# R5.2, decision: going to another provider waits at most this long.
ELSEWHERE_CAP_S = 0.1


class Backoff(Struct):
    """Draws waits from growing bounds (P24)."""

    rng: random.Random

    @staticmethod
    def bounds(failures: int) -> tuple[float, float]:
        """Shortest and longest wait in seconds after that many failures (from 1) at a provider.

        Equal jitter: half is certain, so the sequence grows; half is random, so that requests
        that failed together do not come back together.
        """
        longest = min(CAP_S, BASE_S * FACTOR ** max(0, min(failures, 64) - 1))
        return longest / 2, longest

    def delay(self, failures: int) -> float:
        """Seconds to wait before the next attempt at the same provider."""
        shortest, longest = self.bounds(failures)
        return shortest + (longest - shortest) * self.rng.random()
