"""An instance's figures, added to those of the whole deployment: ``stats/{YYYYMMDDHH}`` (R17).

One write a flush, by increments, so instances never wait for each other. Figures count for the hour
(UTC) of the first of them, which is right to within half a minute, and while the store fails to
within the time it does.

A document holds a row per model, provider and category that was used, and a number per instance
that wrote: with the catalog's 60 models and 1,000 instances about 80 KB of the 1 MiB possible. It
is kept for 400 days.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from shared.clock import Clock
from shared.storage.document import EXPIRES_AT
from shared.storage.documents import DocumentStore
from shared.storage.values import Change, Increment
from shared.telemetry.counters import CategoryTally, Counters, Tallies, Tally

COLLECTION = "stats"
# ARCHITECTURE: due 30 s after the first figure not yet written. After a failure as well.
DUE_AFTER_S = 30.0
KEPT = timedelta(days=400)
# Field of the number of the latest write of each instance.
WRITERS = "writers"
# Seconds for a write or a read: a response waits for it (``upkeep.py``).
TIMEOUT_S = 2.0
# A write that ended without an answer has been made by then, or never will be: both stores end a
# call within its time.
SETTLED_AFTER_S = 15.0
# Firestore takes 500 transforms of one document in a commit (quotas, "Writes and transactions").
MAX_INCREMENTS = 400
_HOUR_S = 3600
_TALLY = ("latency_ms", "prompt_tokens", "completion_tokens")
_CATEGORY = ("requests", "answered", "fallbacks", "depth", "primary_successes")


class _Doubtful(Struct, frozen=True):
    """A write without an answer: write ``number`` of this instance, begun at ``at`` (monotonic
    seconds), of figures that wait since ``since`` (Unix seconds)."""

    path: str
    number: int
    at: float
    since: float
    figures: Tallies


class StatisticsFlusher:
    """Writes the figures of ``counters``. ``instance_id`` is this instance's alone.

    Where the store does not answer, the write may have been made all the same. So each write
    leaves its number in the document, and before figures are written a second time that is looked
    up: they count once. Only where an instance ends before it could look are they given up, and
    may then be missing; they are never counted twice.
    """

    __slots__ = (
        "_clock",
        "_counters",
        "_documents",
        "_doubtful",
        "_id",
        "_not_before",
        "_number",
        "_turn",
    )

    def __init__(
        self, counters: Counters, documents: DocumentStore, clock: Clock, instance_id: str
    ) -> None:
        self._counters = counters
        self._documents = documents
        self._clock = clock
        self._id = instance_id
        self._doubtful: _Doubtful | None = None
        self._number = 0
        self._not_before = clock.monotonic()
        self._turn = asyncio.Lock()

    def due(self) -> bool:
        """Whether figures should be written now; costs next to nothing."""
        since = self._counters.waiting_since
        if since is None:
            return self._doubtful is not None and self._clock.monotonic() >= self._not_before
        wall = self._clock.wall()
        return (
            not since <= wall < since + DUE_AFTER_S and self._clock.monotonic() >= self._not_before
        )

    async def flush(self) -> None:
        """Write all that is not written yet. Raises ``StoreUnavailable``; nothing is lost then."""
        async with self._turn:
            self._not_before = self._clock.monotonic() + DUE_AFTER_S
            await self._look_up()
            while (since := self._counters.waiting_since) is not None:
                if self._doubtful is not None:
                    return  # this instance is about to end, or was cut off: one doubt at a time
                await self._write(since)
            self._not_before = self._clock.monotonic()

    async def _look_up(self) -> None:
        """Find out what became of a write without an answer."""
        doubtful = self._doubtful
        if doubtful is None or self._clock.monotonic() < doubtful.at + SETTLED_AFTER_S:
            return
        document = await self._documents.get(doubtful.path, timeout_s=TIMEOUT_S)
        writers = document.data.get(WRITERS) if document is not None else None
        latest = writers.get(self._id) if isinstance(writers, dict) else None
        if not isinstance(latest, int) or latest < doubtful.number:
            self._counters.give_back(doubtful.figures, doubtful.since)
        self._doubtful = None

    async def _write(self, since: float) -> None:
        figures, rest = _split(self._counters.drain())
        if rest:
            self._counters.give_back(rest, since)
        begin = datetime.fromtimestamp(since - since % _HOUR_S, UTC)
        path = hour_path(begin)
        self._number += 1
        # In doubt until the store has answered, whatever ends this task.
        self._doubtful = _Doubtful(path, self._number, self._clock.monotonic(), since, figures)
        data: dict[str, Change] = {
            "hour": begin,
            EXPIRES_AT: begin + KEPT,
            WRITERS: {self._id: self._number},
            **_increments(figures),
        }
        await self._documents.set(path, data, merge=True, timeout_s=TIMEOUT_S)
        self._doubtful = None


def hour_path(moment: datetime) -> str:
    """The document of an hour: ``stats/2026112614``."""
    return f"{COLLECTION}/{moment.astimezone(UTC):%Y%m%d%H}"


def _increments(figures: Tallies) -> dict[str, Change]:
    """The document's tables, every count as an increment. ``last_used`` is the latest writer's:
    instances write within half a minute of what they tell."""
    tables: dict[str, dict[str, Change]] = {
        "models": {name: _tally(tally) for name, tally in figures.models.items()},
        "providers": {name: _tally(tally) for name, tally in figures.providers.items()},
        "categories": {name: _category(tally) for name, tally in figures.categories.items()},
        "incidents": {name: Increment(count) for name, count in figures.incidents.items()},
    }
    return {name: table for name, table in tables.items() if table}


def _tally(tally: Tally) -> dict[str, Change]:
    outcomes: dict[str, Change] = {
        name: Increment(count) for name, count in tally.outcomes.items() if count
    }
    row: dict[str, Change] = {"last_used": tally.last_used}
    if outcomes:
        row["outcomes"] = outcomes
    for name, count in zip(
        _TALLY, (tally.latency_ms, tally.prompt_tokens, tally.completion_tokens), strict=True
    ):
        if count:
            row[name] = Increment(count)
    return row


def _category(tally: CategoryTally) -> dict[str, Change]:
    counts = (tally.requests, tally.answered, tally.fallbacks, tally.depth, tally.primary_successes)
    return {name: Increment(count) for name, count in zip(_CATEGORY, counts, strict=True) if count}


def _split(figures: Tallies) -> tuple[Tallies, Tallies]:
    """What goes into one write, and what is over its limit of increments (hardly ever any)."""
    now, later = Tallies(incidents=figures.incidents), Tallies()
    left = MAX_INCREMENTS - len(figures.incidents)
    for name, tally in figures.models.items():
        left -= len(tally.outcomes) + len(_TALLY)
        (now if left >= 0 else later).models[name] = tally
    for name, tally in figures.providers.items():
        left -= len(tally.outcomes) + len(_TALLY)
        (now if left >= 0 else later).providers[name] = tally
    for name, category in figures.categories.items():
        left -= len(_CATEGORY)
        (now if left >= 0 else later).categories[name] = category
    return now, later
