"""The caller's own limit as responses tell it: three headers and the 429 (contract, Chat, Errors).

Durations are written as OpenAI writes them: ``6s``, ``1m0s``.
"""

from __future__ import annotations

import math

from shared.edge.asgi import Header
from shared.errors import RateLimited
from shared.limits.clients import Admission


def allowance_headers(told: Admission) -> tuple[Header, ...]:
    """``x-ratelimit-limit-``, ``-remaining-`` and ``-reset-requests``."""
    return (
        (b"x-ratelimit-limit-requests", b"%d" % told.limit),
        (b"x-ratelimit-remaining-requests", b"%d" % told.remaining),
        (b"x-ratelimit-reset-requests", duration(told.reset_s)),
    )


def duration(seconds: float) -> bytes:
    """Whole seconds, rounded up."""
    whole = math.ceil(seconds)
    return b"%ds" % whole if whole < 60 else b"%dm%ds" % divmod(whole, 60)


def rate_limited(told: Admission) -> RateLimited:
    """The error for a caller over the limit."""
    wait = max(1, math.ceil(told.retry_after_s))
    return RateLimited(
        f"you have made the {told.limit} requests that are possible in a minute; "
        f"try again in {wait} s",
        retry_after=float(wait),
    )
