"""How long a simulated provider takes (contract, Simulator): typical latencies, or none."""

from __future__ import annotations

import math
import random
from typing import Literal

Work = Literal["text", "vision", "image", "judgement"]
# Seconds, medians of the contract. A judgement is a small model's sixty tokens: what the catalog
# says of Groq's 20B (first token after 250 to 350 ms, then 450 to 900 tokens a second).
MEDIANS: dict[Work, float] = {"text": 1.2, "vision": 2.5, "image": 6.0, "judgement": 0.4}
# Puts the 95th percentile at 1.5 times the median: inside R13's 3, 5 and 10 s.
SIGMA = math.log(1.5) / 1.645
# Share of the whole time before the first token of a stream.
FIRST_TOKEN_SHARE = 0.3


class Latency:
    """Draws how many seconds an answer takes in all; 0 where ``typical`` is False."""

    __slots__ = ("_rng", "_typical")

    def __init__(self, typical: bool, rng: random.Random) -> None:
        self._typical = typical
        self._rng = rng

    def draw(self, work: Work) -> float:
        """Seconds for one answer, spread log-normally about the median."""
        if not self._typical:
            return 0.0
        return MEDIANS[work] * self._rng.lognormvariate(0.0, SIGMA)
