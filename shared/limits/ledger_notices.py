"""What an instance has learnt and the others should know: it rides on the next write."""

from __future__ import annotations

from msgspec import Struct

from shared.limits.ledger_known import Known
from shared.limits.quota_limits import ScopeLimits
from shared.limits.quota_rules import tighten
from shared.limits.quota_state import QuotaState
from shared.providers.base import LimitSignal


class Closing(Struct, frozen=True):
    """Nobody may ask the scope until the monotonic second ``until`` (P27, P65)."""

    name: str
    reason: str
    until: float


class Reopening(Struct, frozen=True):
    """The scope has answered: whatever closed it is over."""

    name: str


class Told(Struct, frozen=True):
    """A provider told of a limit of a model, at the monotonic second ``at``."""

    name: str
    limits: ScopeLimits
    signal: LimitSignal
    at: float


Notice = Closing | Reopening | Told


def apply(notices: list[Notice], state: QuotaState, known: Known, now: float) -> None:
    """Write them into ``state``. The store's time must be known from above (``Known.late_ms``)."""
    now_ms, late_ms = known.now_ms(now), known.late_ms(now)
    if late_ms is None:
        raise ValueError("what lasts cannot be dated before the store's time is known")
    for notice in notices:
        match notice:
            case Closing(name, reason, until):
                if until > now:
                    state.scope(name).close(reason, late_ms + int((until - now) * 1000.0))
            case Reopening(name):
                state.scope(name).closed = None
            case Told(name, limits, signal, at):
                told_ms = late_ms - int((now - at) * 1000.0)
                tighten(state, name, limits, signal, now_ms, told_ms)
