"""Dates to days, and what the catalog answers about a model's life (R1.2, R1.3, R11)."""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from shared.model import Lifecycle, ModelCard

SECONDS_PER_DAY = 86_400
# A model is DYING from this many days before its shutdown (R11.10).
NOTICE_DAYS = 30
# What never existed, or is gone without any sighting, counts as DEAD since then (R15, decision).
NEVER_EXISTED_SINCE = "2025-01-01"

_EPOCH = date(1970, 1, 1).toordinal()
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_day(text: str) -> int:
    """Days since 1970-01-01 of an ISO day. Raises ``ValueError`` for any other form."""
    if not _ISO_DAY.fullmatch(text):
        raise ValueError(f"{text!r} is not a day (YYYY-MM-DD)")
    return date.fromisoformat(text).toordinal() - _EPOCH


def format_day(day: int) -> str:
    """The ISO day of that many days since 1970-01-01."""
    return date.fromordinal(day + _EPOCH).isoformat()


def day_of(wall: float) -> int:
    """The UTC day of Unix seconds."""
    return int(wall // SECONDS_PER_DAY)


class Life(Struct, frozen=True):
    """A card's dates as days since 1970-01-01.

    ``gone`` is the first day on which it is DEAD; ``shutdown`` the announced one (only an
    announced end makes a model DYING before it); ``rerouted`` the first day on which its
    provider answers with another model.
    """

    gone: int | None
    shutdown: int | None
    rerouted: int | None

    @classmethod
    def of(cls, card: ModelCard) -> Life:
        """The dates of a card. Raises ``ValueError`` for a date that is no ISO day."""
        shutdown = parse_day(card.shutdown_date) if card.shutdown_date else None
        ends = [shutdown] if shutdown is not None else []
        if card.last_seen:
            ends.append(parse_day(card.last_seen))
        if card.never_existed:
            ends.append(parse_day(NEVER_EXISTED_SINCE))
        rerouted = parse_day(card.serves_from) if card.serves and card.serves_from else None
        return cls(min(ends, default=None), shutdown, rerouted)

    def turning_days(self) -> list[int]:
        """The days on which the status may change."""
        days = [day for day in (self.gone, self.rerouted) if day is not None]
        if self.shutdown is not None:
            days.append(self.shutdown - NOTICE_DAYS)
        return days


class LifecycleInfo(Struct, frozen=True):
    """What the catalog says of one model today.

    ``seconds_left`` and ``days_left`` are set while DYING (R11.4), ``dead_since`` (ISO day) once
    DEAD by a date. ``served_by`` names the model its provider answers with since a reroute.
    ``warning`` is for people: an end ahead or past, a reroute ahead or past.
    """

    status: Lifecycle
    seconds_left: float | None = None
    days_left: int | None = None
    dead_since: str | None = None
    replacement: str | None = None
    served_by: str | None = None
    warning: str | None = None


class Resolution(Struct, frozen=True):
    """Which model serves a request for another.

    ``card`` is the first living and enabled model on the way (None: there is none, R11.8 applies).
    ``hops`` are the ids followed after the one asked for, in order; empty when it serves itself.
    ``warnings`` say why each hop was made, and what lies ahead of the model that serves.
    """

    card: ModelCard | None
    hops: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Transition(Struct, frozen=True):
    """A model's status changed (R11.5). ``at`` is Unix seconds, a UTC midnight."""

    model: str
    before: Lifecycle
    after: Lifecycle
    at: float
