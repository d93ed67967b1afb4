"""Quota documents on both databases: compare and set by the store's time, and ledgers over them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from shared.limits.quota_documents import Stored, StoredQuotas
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed
from tests.support.quota_process import CARDS, FIRESTORE, ask, ledger_on, open_store


async def test_a_version_is_the_time_of_the_commit_and_guards_it(documents: DocumentStore) -> None:
    quotas = StoredQuotas(documents)
    assert await quotas.read("groq") is None
    before = time.time() * 1e6
    first = await quotas.write("groq", "one", None)
    after = time.time() * 1e6
    assert before - 50_000 <= first <= after + 50_000
    with pytest.raises(PreconditionFailed):
        await quotas.write("groq", "other", None)
    second = await quotas.write("groq", "two", first)
    assert second > first
    with pytest.raises(PreconditionFailed):
        await quotas.write("groq", "three", first)
    assert await quotas.read("groq") == Stored("two", second)
    assert await quotas.read("cerebras") is None


async def test_three_ledgers_with_twenty_callers_each_stay_within_the_limit(
    documents: DocumentStore,
) -> None:
    ledgers = [ledger_on(documents, f"i{number}") for number in range(3)]
    found = await asyncio.gather(
        *(ask(ledgers[caller % 3], "mn"[caller % 2], 100) for caller in range(60))
    )
    permits = [(ledgers[at % 3], each) for at, each in enumerate(found) if each is not None]
    # What one of them holds for requests it expects may be left over.
    assert 15 <= len(permits) <= 20
    for ledger, permit in permits:
        ledger.settle(permit, 40)
    await asyncio.gather(*(ledger.flush() for ledger in ledgers))
    reader = ledger_on(documents, "reader")
    provider, *models = await reader.snapshot(CARDS.values())
    assert reader.used_by_provider("groq").day_requests == len(permits)
    assert reader.used_by_provider("groq").day_tokens == len(permits) * 40
    assert provider["utilization"] == len(permits) / 20
    assert provider["held"] == []
    assert [row["model"] for row in models] == ["m", "n"]
    # A write for each share taken and one to flush: far fewer than requests.
    assert documents.operations.total().writes <= 30


@pytest.fixture(
    params=["embedded", pytest.param("firestore", marks=pytest.mark.needs_firestore)],
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where several processes keep the same documents."""
    if request.param == "embedded":
        return str(tmp_path)
    return (
        f"{FIRESTORE}{request.getfixturevalue('firestore_emulator')}/demo-{uuid.uuid4().hex[:12]}"
    )


def instance(place: str, name: str) -> subprocess.Popen[str]:
    """One that is ready to ask when told."""
    command = [sys.executable, "-m", "tests.support.quota_process", place, name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def told(process: subprocess.Popen[str]) -> dict[str, int]:
    assert process.stdout is not None
    answer: dict[str, int] = json.loads(process.stdout.readline())
    return answer


async def test_three_processes_with_twenty_workers_each_stay_within_the_limit(place: str) -> None:
    """One of them is killed while it holds what it was given: that counts as used."""
    processes = [instance(place, f"i{number}") for number in range(3)]
    try:
        for process in processes:
            tell(process)
        answers = [told(process) for process in processes]
        granted = sum(answer["permits"] for answer in answers)
        assert 15 <= granted <= 20
        # A write for each share taken: far fewer than requests.
        assert sum(answer["writes"] for answer in answers) <= 30
        processes[0].kill()
        for process in processes[1:]:
            process.communicate(timeout=60)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    documents = open_store(place)
    try:
        reader = ledger_on(documents, "reader")
        (provider, *_) = await reader.snapshot(CARDS.values())
        settled = sum(answer["permits"] for answer in answers[1:])
        assert reader.used_by_provider("groq").day_requests >= settled
        late = await asyncio.gather(*(ask(reader, "m", 100) for _ in range(30)))
        assert granted + sum(permit is not None for permit in late) <= 20
        assert provider["provider"] == "groq"
    finally:
        await documents.close()
