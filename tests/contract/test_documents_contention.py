"""Several at once on one document: compare and set, claims, transactions, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.errors import (
    AlreadyExists,
    InvalidArgument,
    Missing,
    PreconditionFailed,
    VersionConflict,
)
from shared.storage.queries import Filter, Query
from shared.storage.transactions import Transaction
from shared.storage.values import Changes

QUOTA = "quotas/groq"
CALLERS = 10


def number(document: Document | None) -> int:
    """The number in the document; 0 where there is none."""
    found = document.data["n"] if document is not None else 0
    assert isinstance(found, int)
    return found


async def test_of_many_with_one_version_exactly_one_writes(documents: DocumentStore) -> None:
    version = await documents.set(QUOTA, {"holder": -1})
    for turn in range(5):

        async def claim(caller: int, version: int = version, turn: int = turn) -> int | None:
            holder = {"holder": turn * CALLERS + caller}
            try:
                return await documents.set(QUOTA, holder, if_version=version)
            except VersionConflict:
                return None

        outcomes = await asyncio.gather(*map(claim, range(CALLERS)))
        (winner,) = [caller for caller, outcome in enumerate(outcomes) if outcome is not None]
        found = await documents.get(QUOTA)
        assert found is not None
        assert found.data == {"holder": turn * CALLERS + winner}
        assert found.version == outcomes[winner]
        version = found.version


async def test_of_many_who_create_exactly_one_does(documents: DocumentStore) -> None:
    async def claim(caller: int) -> bool:
        try:
            await documents.create(QUOTA, {"holder": caller})
        except AlreadyExists:
            return False
        return True

    outcomes = await asyncio.gather(*map(claim, range(CALLERS)))
    found = await documents.get(QUOTA)
    assert found is not None
    assert outcomes.count(True) == 1
    assert found.data == {"holder": outcomes.index(True)}


async def test_change_loses_no_callers_work(documents: DocumentStore) -> None:
    async def add(caller: int) -> int | None:
        def decide(found: Document | None) -> Changes:
            return {"n": number(found) + 1, "last": caller}

        return await documents.change(QUOTA, decide, attempts=60, timeout_s=30)

    versions = await asyncio.gather(*map(add, range(CALLERS)))
    assert len(set(versions)) == CALLERS
    assert number(await documents.get(QUOTA)) == CALLERS


async def test_change_may_leave_the_document(documents: DocumentStore) -> None:
    assert await documents.change(QUOTA, lambda found: None) is None
    assert await documents.get(QUOTA) is None
    assert documents.operations.of("quotas").writes == 0


async def test_change_gives_up_after_its_attempts(documents: DocumentStore) -> None:
    tried = 0

    def decide(found: Document | None) -> Changes:
        nonlocal tried
        tried += 1
        return {"n": tried}

    class Overtaken(DocumentStore):
        """Somebody else writes after every read."""

        async def get(self, path: str, *, timeout_s: float = 5.0) -> Document | None:
            found = await super().get(path, timeout_s=timeout_s)
            await documents.set(path, {"n": tried - 100})
            return found

    with pytest.raises(VersionConflict, match="3 times"):
        await Overtaken(documents.backend).change(QUOTA, decide, attempts=3)
    assert tried == 3
    assert number(await documents.get(QUOTA)) == 2 - 100


async def test_transactions_write_what_they_read(documents: DocumentStore) -> None:
    await documents.set("a/1", {"n": 5})

    async def move(transaction: Transaction) -> str:
        source, target = await transaction.get_many(["a/1", "a/2"])
        transaction.update("a/1", {"n": number(source) - 3})
        transaction.set("a/2", {"n": number(target) + 3})
        transaction.create("a/3", {})
        transaction.delete("a/4")
        return "moved"

    assert await documents.transaction(move) == "moved"
    found = await documents.get_many(["a/1", "a/2", "a/3"])
    assert [each and each.data for each in found] == [{"n": 2}, {"n": 3}, {}]
    assert documents.operations.to_json() == {"a": {"reads": 5, "writes": 4, "deletes": 1}}


async def test_transactions_at_once_lose_nothing(documents: DocumentStore) -> None:
    await documents.set(QUOTA, {"n": 0})

    async def add(transaction: Transaction) -> None:
        found = await transaction.get(QUOTA)
        transaction.set(QUOTA, {"n": number(found) + 1})

    # Two: more of them wait seconds for each other's locks in the emulator.
    await asyncio.gather(*(documents.transaction(add, attempts=20, timeout_s=30) for _ in range(2)))
    assert number(await documents.get(QUOTA)) == 2


async def test_a_failed_transaction_leaves_nothing(documents: DocumentStore) -> None:
    await documents.set("a/1", {"n": 1})

    async def fails(transaction: Transaction) -> None:
        await transaction.get("a/1")
        transaction.set("a/1", {"n": 2})
        raise LookupError("of the work's own")

    async def refused(transaction: Transaction) -> None:
        transaction.set("a/2", {})
        transaction.create("a/1", {})

    async def missing(transaction: Transaction) -> None:
        transaction.set("a/2", {})
        transaction.update("a/3", {"n": 1})

    with pytest.raises(LookupError):
        await documents.transaction(fails)
    with pytest.raises(AlreadyExists):
        await documents.transaction(refused)
    with pytest.raises(Missing):
        await documents.transaction(missing)
    found = await documents.get_many(["a/1", "a/2", "a/3"])
    assert [each and each.data for each in found] == [{"n": 1}, None, None]
    await documents.set("a/1", {"n": 3})


async def test_a_transaction_reads_before_it_writes(documents: DocumentStore) -> None:
    async def late(transaction: Transaction) -> None:
        transaction.set("a/1", {})
        await transaction.get("a/1")

    async def late_query(transaction: Transaction) -> None:
        transaction.set("a/1", {})
        await transaction.query(Query("a"))

    for work in (late, late_query):
        with pytest.raises(InvalidArgument, match="reads before it writes"):
            await documents.transaction(work)
    assert await documents.get("a/1") is None


async def test_transactions_query_and_may_only_read(documents: DocumentStore) -> None:
    await documents.set("a/1", {"n": 1})

    async def ask(transaction: Transaction) -> list[str]:
        return [each.id for each in await transaction.query(Query("a", [Filter("n", "==", 1)]))]

    assert await documents.transaction(ask) == ["1"]


async def test_refusals_have_one_parent(documents: DocumentStore) -> None:
    with pytest.raises(PreconditionFailed):
        await documents.update("a/1", {"n": 1})
