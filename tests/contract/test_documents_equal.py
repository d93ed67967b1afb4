"""The two databases told and asked the same things: they must say the same, whatever it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.storage.queries import Query
from shared.storage.values import Changes
from shared.storage.writes import Set, Write
from tests.support.document_moves import (
    PATHS,
    ask,
    carry_out,
    commits,
    contents,
    fate,
    kept,
    queries,
    state,
)
from tests.support.stores import firestore_store, memory_store

pytestmark = pytest.mark.needs_firestore
bounded = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all examples: a channel belongs to its loop."""
    with asyncio.Runner() as made:
        yield made


async def compare(emulator: str, work: Sequence[Sequence[Write]], asked: Sequence[Query]) -> None:
    async with AsyncExitStack() as stack:
        firestore, embedded = firestore_store(emulator), memory_store()
        stack.push_async_callback(firestore.close)
        stack.push_async_callback(embedded.close)
        for commit in work:
            before = await kept(firestore), await kept(embedded)
            assert await carry_out(embedded, commit) == await carry_out(firestore, commit), commit
            assert await state(embedded) == await state(firestore), commit
            fates = [
                [fate(*pair) for pair in zip(old, await kept(store), strict=True)]
                for old, store in zip(before, (firestore, embedded), strict=True)
            ]
            assert fates[0] == fates[1], commit
        for query in asked:
            assert await ask(embedded, query) == await ask(firestore, query), query


@bounded
@given(work=st.lists(commits, min_size=1, max_size=6))
def test_the_same_writes_leave_the_same(
    firestore_emulator: str, runner: asyncio.Runner, work: list[list[Write]]
) -> None:
    runner.run(compare(firestore_emulator, work, []))


@bounded
@given(bodies=contents, asked=st.lists(queries, min_size=4, max_size=10))
def test_the_same_questions_find_the_same(
    firestore_emulator: str, runner: asyncio.Runner, bodies: list[Changes], asked: list[Query]
) -> None:
    filled = [Set(path, body) for path, body in zip(PATHS, bodies, strict=False)]
    runner.run(compare(firestore_emulator, [filled], asked))
