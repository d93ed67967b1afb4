"""The deployment's figures, hour by hour, as the dashboard shows them (R17)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from shared.clock import Clock
from shared.messages import JsonObject, JsonValue
from shared.pipeline.statistics import COLLECTION, hour_path
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.paths import DOCUMENT_ID
from shared.storage.queries import Filter, Query
from shared.storage.values import Value
from shared.telemetry.counters import CategoryTally, Tallies, Tally

# A week of hours at once: each is a document read.
MAX_HOURS = 168
_HOURS_A_DAY = 24


class StatisticsReader:
    """Reads what instances have written; ``documents`` may fail with ``StoreUnavailable``."""

    __slots__ = ("_clock", "_documents")

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def read_hours(self, hours: int) -> dict[str, Tallies]:
        """The tables of the last ``hours`` hours (1 to ``MAX_HOURS``, this one included), oldest
        first, by ``YYYYMMDDHH`` (UTC). Hours without a figure are not among them."""
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        first = hour_path(now - timedelta(hours=hours - 1))
        query = Query(COLLECTION, filters=[Filter(DOCUMENT_ID, ">=", first)])
        return {each.id: _tallies(each) for each in await self._documents.query(query)}


def peaks(hours: Mapping[str, Tallies]) -> JsonObject:
    """Peak times by provider (R17.9): its busiest hour, and its attempts by hour of the day (UTC).

    ``{"groq": {"hour": "2026112614", "requests": 90, "by_hour_of_day": [0, 4, ...]}}``
    """
    busiest: dict[str, tuple[int, str]] = {}
    daily: dict[str, list[int]] = {}
    for hour, tallies in hours.items():
        for provider, tally in tallies.providers.items():
            requests = tally.requests
            daily.setdefault(provider, [0] * _HOURS_A_DAY)[int(hour[-2:])] += requests
            if provider not in busiest or requests > busiest[provider][0]:
                busiest[provider] = (requests, hour)
    found: JsonObject = {}
    for provider, (requests, hour) in sorted(busiest.items()):
        counts: list[JsonValue] = [*daily[provider]]
        found[provider] = {"hour": hour, "requests": requests, "by_hour_of_day": counts}
    return found


def _tallies(document: Document) -> Tallies:
    return Tallies(
        {name: _tally(row) for name, row in _rows(document.data.get("models"))},
        {name: _tally(row) for name, row in _rows(document.data.get("providers"))},
        {name: _category(row) for name, row in _rows(document.data.get("categories"))},
        _incidents(document.data.get("incidents")),
    )


def _incidents(table: Value) -> dict[str, int]:
    if not isinstance(table, dict):
        return {}
    return {name: _count(table, name) for name in sorted(table)}


def _rows(table: Value) -> list[tuple[str, Mapping[str, Value]]]:
    if not isinstance(table, dict):
        return []
    return [(name, row) for name, row in sorted(table.items()) if isinstance(row, dict)]


def _tally(row: Mapping[str, Value]) -> Tally:
    outcomes, last_used = row.get("outcomes"), row.get("last_used")
    return Tally(
        {name: _count(outcomes, name) for name in outcomes} if isinstance(outcomes, dict) else {},
        _count(row, "latency_ms"),
        _count(row, "prompt_tokens"),
        _count(row, "completion_tokens"),
        float(last_used) if isinstance(last_used, (int, float)) else 0.0,
    )


def _category(row: Mapping[str, Value]) -> CategoryTally:
    return CategoryTally(
        _count(row, "requests"),
        _count(row, "answered"),
        _count(row, "fallbacks"),
        _count(row, "depth"),
        _count(row, "primary_successes"),
    )


def _count(row: Mapping[str, Value], name: str) -> int:
    value = row.get(name)
    return int(value) if isinstance(value, (int, float)) else 0
