"""The right to send one request to a provider, the word that there is none now, and a place in the
line of those who wait for one (R6, P70)."""

from __future__ import annotations

import asyncio
import math

from msgspec import Struct, field


class Permit(Struct):
    """The right to send one request, now. ``stamp`` (ms) is the use's place in the journal,
    ``batch`` the journal it stands in. ``open`` until it is settled or refunded."""

    provider: str
    model: str
    tokens: int
    characters: int = 0
    stamp: int = 0
    batch: int = -1
    open: bool = False


class Refusal(Struct, frozen=True):
    """No permit now. ``until``: the monotonic second at which there may be one, infinity for
    never. ``reason``: ``full``, ``too_large`` (over what the limit allows at all), ``none_allowed``
    (a limit of 0), ``busy`` (others were quicker, ask again) or why the model or its provider is
    closed (``key``, ...).
    ``whole``: the provider is full for all of its models, as far as is known."""

    until: float
    reason: str
    whole: bool = True

    @property
    def of_capacity(self) -> bool:
        """Whether it is use that stands in the way, so that it may pass before ``until``."""
        return self.reason in ("full", "busy")


# Within so many seconds of its permit a request has a connection to leave by, or it fails: a permit
# counts from a second after it was given out (``limits.lease.TRANSIT_S``, P70).
ARRIVAL_S = 0.9
TOO_LARGE = Refusal(math.inf, "too_large")
NONE_ALLOWED = Refusal(math.inf, "none_allowed")


class Place(Struct, eq=False):
    """One request in the line. Lower ``rank`` is served sooner: priority, then arrival.

    ``returns``: what it waits for, a model's or a provider's id, with the monotonic second at
    which that is expected. ``sleeper`` while it sleeps; ``woken`` if it was called while awake.
    """

    rank: tuple[int, int]
    returns: dict[str, float] = field(default_factory=dict)
    sleeper: asyncio.Task[None] | None = None
    woken: bool = False
    called_at: float = -math.inf
