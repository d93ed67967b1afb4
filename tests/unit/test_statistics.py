"""Figures of instances added up in the store: on both databases, and under failures."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import StoreUnavailable
from shared.messages import Attempt, JsonObject, Usage
from shared.pipeline.statistics import DUE_AFTER_S, MAX_INCREMENTS, StatisticsFlusher, hour_path
from shared.pipeline.statistics_reading import StatisticsReader, peaks
from shared.storage.documents import DocumentStore
from shared.telemetry.counters import Counters, Tallies, Tally
from tests.support.config_house import Fragile
from tests.support.virtual_time import START_WALL, ManualClock, VirtualClock, run_virtual

NAMES = ("gemini-2.5-flash", "meta-llama/Llama-3.3-70B", "a`b\\c", "plain")
HOUR = "2026112312"  # of START_WALL


def answered(counters: Counters, model: str = NAMES[0], provider: str = "google") -> None:
    attempts = [
        Attempt("other", "groq", "timeout", 4000),
        Attempt(model, provider, "ok", 900, usage=Usage(100, 20)),
    ]
    counters.record("CODING", attempts, primary=model)


async def test_two_instances_add_up_under_names_of_any_kind(documents: DocumentStore) -> None:
    clock, whole = ManualClock(), Counters(ManualClock())
    for instance in ("one", "two"):
        counters = Counters(clock)
        flusher = StatisticsFlusher(counters, documents, clock, instance)
        for name in NAMES:
            answered(counters, name)
            answered(whole, name)
            await flusher.flush()
        await flusher.flush()
    found = await StatisticsReader(documents, clock).read_hours(1)
    assert set(found) == {HOUR}
    assert found[HOUR].to_json() == whole.drain().to_json()
    writes = documents.operations.of("stats").writes
    assert writes == 2 * len(NAMES), "one write a flush, none where there is nothing"
    document = await documents.get(f"stats/{HOUR}")
    assert document is not None
    assert document.data["expires_at"] == datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(400)


async def test_hours_are_read_oldest_first_with_their_peaks(documents: DocumentStore) -> None:
    clock = ManualClock(START_WALL - 3 * 3600)
    counters = Counters(clock)
    flusher = StatisticsFlusher(counters, documents, clock, "one")
    for times in (1, 3, 0, 2):
        for _ in range(times):
            answered(counters)
        await flusher.flush()
        clock.advance(3600)
    reader = StatisticsReader(documents, clock)
    found = await reader.read_hours(5)
    assert [hour[-2:] for hour in found] == ["09", "10", "12"]
    assert list(await reader.read_hours(2)) == [HOUR]
    told = peaks(found)["google"]
    assert isinstance(told, dict)
    assert (told["hour"], told["requests"]) == ("2026112310", 3)
    by_hour = told["by_hour_of_day"]
    assert isinstance(by_hour, list)
    assert [by_hour[hour] for hour in (9, 10, 11, 12)] == [1, 3, 0, 2]
    assert peaks({}) == {}


def test_due_30_seconds_after_the_first_figure_not_written() -> None:
    async def scenario() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        documents = DocumentStore(Fragile(clock), clock=clock)
        counters = Counters(clock)
        flusher = StatisticsFlusher(counters, documents, clock, "one")
        await asyncio.sleep(1000)
        assert not flusher.due()
        answered(counters)
        await asyncio.sleep(DUE_AFTER_S - 0.1)
        answered(counters)
        assert not flusher.due()
        await asyncio.sleep(0.1)
        assert flusher.due()
        await flusher.flush()
        assert not flusher.due()
        await asyncio.sleep(3600)
        assert not flusher.due()
        await documents.close()

    run_virtual(scenario())


def test_figures_count_for_the_hour_they_were_made_in() -> None:
    async def scenario() -> None:
        clock = VirtualClock(asyncio.get_running_loop(), START_WALL + 3590)
        documents = DocumentStore(Fragile(clock), clock=clock)
        counters = Counters(clock)
        flusher = StatisticsFlusher(counters, documents, clock, "one")
        answered(counters)
        await asyncio.sleep(5 * 3600)
        assert flusher.due()
        await flusher.flush()
        assert list(await StatisticsReader(documents, clock).read_hours(24)) == [HOUR]
        await documents.close()

    run_virtual(scenario())


@pytest.mark.parametrize("fault", ["lost", "unmade", "cut"])
def test_a_write_without_an_answer_counts_once(fault: str) -> None:
    async def scenario() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        backend = Fragile(clock)
        documents = DocumentStore(backend, clock=clock)
        counters, whole = Counters(clock), Counters(clock)
        flusher = StatisticsFlusher(counters, documents, clock, "one")
        for each in (counters, whole):
            answered(each)
        backend.lost, backend.unmade = fault == "lost", fault == "unmade"
        if fault == "cut":
            backend.delay_s = 5.0
            task = asyncio.create_task(flusher.flush())
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait({task})
        else:
            with pytest.raises(StoreUnavailable):
                await flusher.flush()
        backend.lost = backend.unmade = False
        backend.delay_s = 0.0
        for each in (counters, whole):
            answered(each)
        await asyncio.sleep(DUE_AFTER_S - 1.5)
        assert not flusher.due(), "a store that fails is left alone for a while"
        await asyncio.sleep(1.5)
        assert flusher.due()
        await flusher.flush()
        found = await StatisticsReader(documents, clock).read_hours(2)
        total = Tallies()
        for tallies in found.values():
            total.add(tallies)
        expected = whole.drain().to_json()
        assert without_times(total.to_json()) == without_times(expected)
        assert not flusher.due()
        await documents.close()

    run_virtual(scenario())


def without_times(shown: JsonObject) -> JsonObject:
    """The figures alone; when a model was last used is the latest writer's."""
    for table in shown.values():
        assert isinstance(table, dict)
        for row in table.values():
            assert isinstance(row, dict)
            row.pop("last_used", None)
    return shown


faults = st.lists(st.sampled_from(["", "", "lost", "unmade", "slow", "down"]), max_size=25)


@settings(max_examples=60)
@given(faults, st.integers(0, 2**32))
def test_nothing_is_counted_twice_and_nothing_is_missing_once_the_store_answers(
    script: list[str], seed: int
) -> None:
    """Two instances, requests, and a store that fails in every way."""

    async def scenario() -> None:
        rng = random.Random(seed)
        clock = VirtualClock(asyncio.get_running_loop())
        backend = Fragile(clock)
        documents = DocumentStore(backend, clock=clock)
        whole = Tallies()
        instances = []
        for name in ("one", "two"):
            counters = Counters(clock)
            instances.append((counters, StatisticsFlusher(counters, documents, clock, name)))
        for fault in [*script, *[""] * 6]:
            backend.down = fault == "down"
            backend.lost, backend.unmade = fault == "lost", fault == "unmade"
            backend.delay_s = 0.5 if fault == "slow" else 0.0
            for counters, flusher in instances:
                if fault or rng.random() < 0.3:
                    model = rng.choice(NAMES)
                    answered(counters, model)
                    copy = Counters(clock)
                    answered(copy, model)
                    whole.add(copy.drain())
                if flusher.due():
                    try:
                        await flusher.flush()
                    except StoreUnavailable:
                        pass
            await asyncio.sleep(rng.choice([1.0, 20.0, 31.0]))
        backend.down = backend.lost = backend.unmade = False
        backend.delay_s = 0.0
        for _ in range(3):
            await asyncio.sleep(60)
            for _, flusher in instances:
                if flusher.due():
                    await flusher.flush()
        total = Tallies()
        for tallies in (await StatisticsReader(documents, clock).read_hours(24)).values():
            total.add(tallies)
        assert without_times(total.to_json()) == without_times(sorted_tables(whole).to_json())
        await documents.close()

    run_virtual(scenario())


def sorted_tables(tallies: Tallies) -> Tallies:
    return Tallies(dict(sorted(tallies.models.items())), tallies.providers, tallies.categories)


async def test_more_figures_than_a_commit_takes_go_in_several(documents: DocumentStore) -> None:
    clock = ManualClock()
    counters = Counters(clock)
    many = [Attempt(f"m{number}", "groq", "ok", 1) for number in range(MAX_INCREMENTS)]
    counters.record("CODING", many)
    await StatisticsFlusher(counters, documents, clock, "one").flush()
    found = (await StatisticsReader(documents, clock).read_hours(1))[HOUR]
    assert len(found.models) == MAX_INCREMENTS
    expected = Tally({"ok": 1}, 1, 0, 0, START_WALL)
    assert all(tally == expected for tally in found.models.values())
    assert found.providers["groq"].requests == MAX_INCREMENTS
    assert counters.waiting_since is None


def test_the_hours_document_is_named_in_utc() -> None:
    assert hour_path(datetime.fromtimestamp(START_WALL, UTC)) == f"stats/{HOUR}"
