"""Which queries need an index, and that the deployed ones have theirs."""

from __future__ import annotations

import io
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from shared.clock import SystemClock
from shared.configuration.stored import ConfigStore
from shared.edge.audit import AuditLog
from shared.jobs.job import BULK, INTERACTIVE, Job, State
from shared.jobs.store import FIRST, JobStore
from shared.pipeline.statistics_reading import StatisticsReader
from shared.safety.violations import ViolationStore, Wanted
from shared.storage.blobs import BlobStore
from shared.storage.blobs_folder import FolderBlobs
from shared.storage.documents import DocumentStore
from shared.storage.queries import Direction, Filter, Order, Query, search
from shared.storage.sqlite_backend import SqliteBackend
from shared.telemetry.log import JsonLog
from tests.support.firestore_indexes import IndexedBackend, Indexes, read_indexes

DOWN = Direction.DOWN
A, B = Filter("a", "==", 1), Filter("b", "==", 2)
OVER = Filter("n", ">", 3)


@pytest.fixture
def indexes(tmp_path: Path) -> Indexes:
    """Two indexes of ``things`` and overrides of two of its fields."""
    fields = [
        {"fieldPath": "a", "order": "ASCENDING"},
        {"fieldPath": "b", "order": "ASCENDING"},
        {"fieldPath": "n", "order": "DESCENDING"},
    ]
    path = tmp_path / "indexes.json"
    grouped = [{"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"}]
    content = {
        "indexes": [
            {"collectionGroup": "things", "queryScope": "COLLECTION", "fields": fields},
            {"collectionGroup": "things", "queryScope": "COLLECTION_GROUP", "fields": fields[::2]},
        ],
        "fieldOverrides": [
            {"collectionGroup": "things", "fieldPath": "big", "indexes": []},
            {"collectionGroup": "things", "fieldPath": "due", "indexes": grouped},
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_indexes(path)


SERVED = [
    Query("things"),
    Query("things", group=True),
    Query("things", [A, B]),
    Query("things", [OVER]),
    Query("users/u/things", order=[Order("n", DOWN)]),
    Query("things", [A, B], [Order("n", DOWN)]),
    Query("things", [B, A, OVER]),
    Query("things", [A, OVER], [Order("n")], group=True),
    Query("things", [Filter("due", "<", 5)], group=True),
    Query("others", [Filter("big", "==", 5)]),
]
LACKING = [
    (Query("things", [A], [Order("n", DOWN)]), "collection things: a ==, n down"),
    (Query("things", order=[Order("n"), Order("m")]), "collection things: n up, m up"),
    (Query("things", [A], group=True), "collection group things: a =="),
    (Query("things", [A, B, OVER], group=True), "collection group things: a ==, b ==, n up"),
    (Query("things", [Filter("big", "==", 5)]), "collection things: big =="),
    (Query("things", [Filter("due", "<", 5)]), "collection things: due up"),
    (Query("others", [A, B, OVER]), "collection others: a ==, b ==, n up"),
]


@pytest.mark.parametrize("query", SERVED, ids=str)
def test_query_that_an_index_serves(indexes: Indexes, query: Query) -> None:
    assert indexes.lacking(search(query)) is None


@pytest.mark.parametrize(("query", "lacking"), LACKING, ids=lambda one: str(one))
def test_query_that_no_index_serves(indexes: Indexes, query: Query, lacking: str) -> None:
    assert indexes.lacking(search(query)) == lacking


@pytest.fixture
async def database() -> AsyncIterator[IndexedBackend]:
    """An empty database behind the indexes of the deployment."""
    backend = IndexedBackend(SqliteBackend(None), read_indexes())
    yield backend
    await backend.close()


async def test_every_query_of_jobs_has_its_index(database: IndexedBackend, tmp_path: Path) -> None:
    """ARCHITECTURE, Durable work: collection-group query by state, priority, created; indexed."""
    store = JobStore(
        DocumentStore(database),
        BlobStore(FolderBlobs(tmp_path)),
        SystemClock(),
        random.Random(1),
    )
    job = await store.create(
        Job(
            uid="u",
            id="job_1",
            kind="chat",
            queue=INTERACTIVE,
            state=State.QUEUED,
            priority=5,
            tier="free",
            admin=False,
            request_id="r",
            created=1.0,
            expires=2e9,
            payload="{}",
        )
    )
    await store.ahead(job)
    await store.page("u", 20, None)
    await store.page("u", 20, job)
    await store.overview()
    for state in State:
        await store.due(state, 10)
    assert await store.claim(BULK, 60.0) is None
    for number in range(FIRST):  # held back, so that those that may run are asked for
        held = replace(job, id=f"job_held{number}", priority=9, not_before=3e9, version=0)
        await store.create(held)
    claimed = await store.claim(INTERACTIVE, 60.0)
    assert claimed is not None
    assert claimed.id == job.id
    assert database.asked >= 12
    assert database.lacking == []


async def test_every_query_of_administrators_has_its_index(database: IndexedBackend) -> None:
    documents, clock = DocumentStore(database), SystemClock()
    config = ConfigStore(documents, {}, lambda _: [], clock)
    await config.patch({"flags": {"ENABLE_MEMORY_SYSTEM": False}}, "somebody")
    assert len(await config.history()) == 1
    await StatisticsReader(documents, clock).read_hours(24)
    log = JsonLog(io.BytesIO(), clock, "INFO", [])
    await AuditLog(documents, log, clock, random.Random(1), b"salt").newest(50)
    violations = ViolationStore(documents, clock, log)
    for category in ("", "VIOLENCE"):
        for stage in ("", "input"):
            for uid in ("", "u"):
                await violations.newest(Wanted(category, stage, uid), 50)
    assert database.asked == 3 + 8
    assert database.lacking == []


async def test_a_query_without_an_index_is_noticed(database: IndexedBackend) -> None:
    await DocumentStore(database).query(Query("jobs", [Filter("tier", "==", "free")], group=True))
    assert database.lacking == ["collection group jobs: tier =="]
