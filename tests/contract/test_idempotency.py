"""Records of idempotency keys on both databases: one owner, however many ask."""

from __future__ import annotations

import asyncio
import random

import pytest
from msgspec.structs import replace

from shared.clock import SystemClock
from shared.errors import Conflict
from shared.idempotency.record import PART_BYTES, Record, State, cut, record_path
from shared.idempotency.store import BATCH, RecordLost, RecordStore
from shared.storage.documents import DocumentStore

PATH = record_path("alice", "0" * 64)


@pytest.fixture
def records(documents: DocumentStore) -> RecordStore:
    return RecordStore(documents, SystemClock(), random.Random(5))


async def claimed(records: RecordStore, mark: str = "a") -> Record:
    record, mine = await records.claim(PATH, mark)
    assert mine
    return record


async def test_of_many_who_claim_at_once_one_owns_it(records: RecordStore) -> None:
    claims = await asyncio.gather(*(records.claim(PATH, "a") for _ in range(10)))
    assert sum(mine for _, mine in claims) == 1
    assert len({record.owner for record, _ in claims}) == 1
    with pytest.raises(Conflict):
        await records.claim(PATH, "b")


async def test_a_record_reads_as_it_was_written(records: RecordStore) -> None:
    record = await claimed(records)
    wanted = replace(
        record,
        state=State.DONE,
        status=202,
        headers=(("content-type", "text/plain"), ("location", "/v1/jobs/ä")),
        parts=3,
        sealed=True,
        request='{"path": "/"}',
        request_parts=1,
    )
    written = await records.write(record, wanted)
    found = await records.get(PATH)
    assert found is not None
    assert replace(found, expires=written.expires) == written
    assert found.expires == pytest.approx(written.expires, abs=0.001)


async def test_a_lapsed_record_is_taken_over_once_and_its_owner_writes_no_more(
    records: RecordStore, documents: DocumentStore
) -> None:
    first = await claimed(records)
    lapsed = await records.write(first, first.released(0.0))
    takers = await asyncio.gather(*(records.claim(PATH, "a") for _ in range(5)))
    (owner,) = [record for record, mine in takers if mine]
    assert owner.owner != first.owner
    part = (lapsed.answer_part(0), b"late")
    with pytest.raises(RecordLost):
        await records.write(lapsed, replace(lapsed, parts=1), [part])
    assert await documents.get(part[0]) is None
    await records.free(lapsed)
    assert await records.get(PATH) is not None
    assert await records.take(lapsed) is None


async def test_a_lapsed_record_of_another_request_is_free_unless_a_worker_comes(
    records: RecordStore,
) -> None:
    first = await claimed(records)
    first = await records.write(first, first.released(0.0))
    second = await claimed(records, "b")
    await records.write(second, replace(second, request="{}").released(0.0))
    with pytest.raises(Conflict):
        await records.claim(PATH, "c")
    again = await claimed(records, "b")
    assert again.request == "{}"


async def test_many_parts_are_read_as_they_were_written_and_go_with_their_record(
    records: RecordStore, documents: DocumentStore
) -> None:
    record = await claimed(records)
    body = random.Random(1).randbytes(PART_BYTES * (BATCH + 2) + 17)
    parts = [(record.answer_part(n), piece) for n, piece in enumerate(cut(body))]
    written = await records.write(record, replace(record, parts=len(parts)), parts)
    names = [path for path, _ in parts]
    assert await records.body(names) == body
    assert await records.body([]) == b""
    await records.free(written)
    assert await records.get(PATH) is None
    assert await documents.get_many(names[:3]) == [None, None, None]
    with pytest.raises(RecordLost):
        await records.body(names)
    await claimed(records, "b")
