"""Telling once that a limit is nearly used up (R6.10, R14.9)."""

from __future__ import annotations

from msgspec import Struct

from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import gauges, share
from shared.limits.quota_state import PROVIDER, QuotaState

ALERT_AT = 0.8
# A use that swings about the mark is told once: it has to fall to this first.
AGAIN_BELOW = 0.6


class QuotaAlert(Struct, frozen=True):
    """A provider's ceiling (``model`` None) or a model's limit is more than 80 % used or leased;
    ``dimension`` names the limit, ``used_share`` is in [0, 1]."""

    provider: str
    model: str | None
    dimension: str
    used_share: float


def crossing(
    state: QuotaState, provider: str, name: str, limits: ScopeLimits, now: int
) -> QuotaAlert | None:
    """The alert that is due for a scope; the document remembers it, so that of all instances only
    the one whose write is made tells it."""
    part, dimension = share(gauges(state, name, limits, now))
    scope = state.scope(name)
    if part > ALERT_AT and not scope.alerted:
        scope.alerted = True
        return QuotaAlert(provider, None if name == PROVIDER else name, dimension, part)
    if part < AGAIN_BELOW:
        scope.alerted = False
    return None
