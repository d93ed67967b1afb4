"""Quota documents on both databases: compare and set by the store's time, and ledgers over them."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from shared.clock import Deadline, SystemClock
from shared.errors import StoreUnavailable
from shared.limits.ledger import Permit, QuotaLedger
from shared.limits.quota_documents import Stored, StoredQuotas
from shared.limits.quota_limits import ScopeLimits
from shared.storage.documents import DocumentStore
from shared.storage.errors import PreconditionFailed
from tests.support.catalog_cards import card
from tests.support.quota_world import limits_for

LIMITS = limits_for(ScopeLimits(rpm=20, rpd=1000), {"m": ScopeLimits(tpm=9000), "n": ScopeLimits()})
CARDS = {name: card(name) for name in LIMITS}


def ledger_on(documents: DocumentStore, name: str) -> QuotaLedger:
    return QuotaLedger(
        StoredQuotas(documents), lambda of: LIMITS[of.id], SystemClock(), name, random.Random(name)
    )


async def ask(ledger: QuotaLedger, model: str, tokens: int) -> Permit | None:
    """A permit; None where the provider is full. However slow this machine is."""
    of = CARDS[model]
    while True:
        deadline = Deadline.after(SystemClock(), 20)
        try:
            found = ledger.take(of, tokens) or await ledger.acquire(of, tokens, deadline)
        except StoreUnavailable:
            await asyncio.sleep(0.5)
            continue
        if isinstance(found, Permit):
            return found
        if found.reason == "full":
            return None
        await asyncio.sleep(0.1)


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


async def test_three_instances_with_twenty_callers_each_stay_within_the_limit(
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
