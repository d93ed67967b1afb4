"""When a caller is blocked, for how long, and what finding out costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.errors import StoreUnavailable
from shared.limits.abuse import BLOCKED, CLEARED, KNOWN_S, STEP, AbuseBook, abuse_caller
from shared.limits.abuse_score import (
    BLOCK_S,
    CLEARED_S,
    HALF_LIFE_S,
    THRESHOLD,
    WEIGHTS,
    Incident,
    Standing,
    standing_of,
)
from shared.limits.clients import ClientKey
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.sqlite_backend import SqliteBackend
from tests.support.virtual_time import ManualClock

ALICE = "u-alice"
HIT = Incident.LIMIT_HIT


class Backend(SqliteBackend):
    """The embedded store in memory, which can be away."""

    down = False

    async def read(self, paths: object, timeout_s: float) -> list[Document | None]:
        if self.down:
            raise StoreUnavailable("away")
        return await super().read(paths, timeout_s)  # type: ignore[arg-type]


class World:
    """One store, as many instances as wanted, one clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.backend = Backend(None, clock=self.clock)
        self.store = DocumentStore(self.backend, clock=self.clock)
        self.counted: list[str] = []

    def instance(self) -> AbuseBook:
        return AbuseBook(self.store, self.clock, self.counted.append)

    @property
    def operations(self) -> tuple[int, int]:
        tally = self.store.operations.of("abuse")
        return tally.reads, tally.writes

    async def hits(self, book: AbuseBook, count: int, caller: str = ALICE) -> None:
        for _ in range(count):
            await book.note(caller, HIT)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A new one."""
    made = World()
    yield made
    await made.store.close()


# ---------------------------------------------------------------------------------- the figures


def test_a_score_halves_in_five_minutes() -> None:
    standing = Standing().after(40, 1000.0)
    assert standing.score_at(1000.0 + HALF_LIFE_S) == pytest.approx(20)
    assert standing.score_at(900.0) == 40


def test_the_weights_say_how_often_is_too_often() -> None:
    assert {name: THRESHOLD / weight for name, weight in WEIGHTS.items()} == {
        Incident.LIMIT_HIT: 200,
        Incident.VIOLATION: 5,
        Incident.INJECTION: 4,
    }


@pytest.mark.parametrize(("refused_a_minute", "minutes"), [(20, None), (40, 9), (6000, 1)])
def test_how_long_somebody_may_ask_on(refused_a_minute: int, minutes: int | None) -> None:
    """Three times the limit of ten a minute is never a block, five times one in some minutes."""
    standing, now = Standing(), 0.0
    for count in range(min(refused_a_minute * 120, 5000)):
        now = count * 60 / refused_a_minute
        standing = standing.after(WEIGHTS[HIT], now)
        if standing.blocked(now):
            break
    assert standing.blocked(now) == (minutes is not None)
    if minutes is not None:
        assert minutes - 1 <= now / 60 <= minutes


def test_a_block_ends_by_itself_and_is_not_made_longer() -> None:
    standing = Standing().after(THRESHOLD, 1000.0)
    for second in range(0, int(BLOCK_S), 10):
        assert standing.blocked(1000.0 + second)
        standing = standing.after(50.0, 1000.0 + second)
    assert standing.blocked_at == 1000.0
    assert not standing.blocked(1000.0 + BLOCK_S)


def test_a_cleared_block_opens_for_ten_minutes_then_the_rest_holds() -> None:
    standing = Standing().after(THRESHOLD, 0.0).cleared(60.0)
    assert not standing.blocked(60.0)
    assert not standing.blocked(60.0 + CLEARED_S - 1)
    assert standing.blocked(60.0 + CLEARED_S)
    assert not standing.blocked(BLOCK_S)


def test_who_goes_on_after_clearing_is_blocked_anew_and_needs_another_token() -> None:
    standing = Standing().after(THRESHOLD, 100.5).cleared(200.0)
    assert standing.is_fresh(100.0)
    assert not standing.is_fresh(99.0)
    again = standing.after(THRESHOLD - 1, 210.0)
    assert not again.blocked(210.0)
    again = again.after(2.0, 211.0)
    assert again.blocked(211.0)
    assert not again.is_fresh(200.0)


def test_a_record_comes_back_as_it_was_kept() -> None:
    standing = Standing(1.5, 2.5, 3.5, 4.5, 5.5)
    assert standing_of({**standing.stored()}) == standing
    assert standing_of({"score": "x", "at": None}) == Standing()


def test_accounts_gather_by_account_and_anonymous_ones_by_address() -> None:
    assert abuse_caller(ClientKey("bob", "pseudonym", True)) == "u-bob"
    assert abuse_caller(ClientKey("ghost", "pseudonym", False)) == "a-pseudonym"
    assert abuse_caller(ClientKey("ghost", "", False)) == "u-ghost"


# ------------------------------------------------------------------------------------ the book


async def test_tens_of_refused_requests_are_no_block_and_cost_little(world: World) -> None:
    book = world.instance()
    await world.hits(book, int(STEP / WEIGHTS[HIT]) - 1)
    assert world.operations == (0, 0)
    await world.hits(book, 120)
    assert book.blocked(ALICE) is None
    assert world.operations == (3, 3)
    assert not book.any_blocked


async def test_two_hundred_at_once_block_with_few_writes(world: World) -> None:
    book = world.instance()
    await asyncio.gather(*(book.note(ALICE, HIT) for _ in range(199)))
    assert book.blocked(ALICE) is None
    await book.note(ALICE, HIT)
    assert book.blocked(ALICE) is not None
    assert world.operations[1] <= 5
    assert world.counted == [BLOCKED]
    assert book.blocked("u-bob") is None
    world.clock.advance(BLOCK_S)
    assert book.blocked(ALICE) is None
    assert not book.any_blocked


async def test_four_injections_or_five_violations_block(world: World) -> None:
    book = world.instance()
    for caller, incident, times in (
        ("u-x", Incident.INJECTION, 4),
        ("u-y", Incident.VIOLATION, 5),
    ):
        for _ in range(times - 1):
            await book.note(caller, incident)
        assert book.blocked(caller) is None
        await book.note(caller, incident)
        assert book.blocked(caller) is not None


async def test_a_block_reaches_an_instance_that_asks_within_a_minute(world: World) -> None:
    first, second = world.instance(), world.instance()
    await second.look(ALICE)
    await world.hits(first, 200)
    reads = world.operations[0]
    await second.look(ALICE)
    assert second.blocked(ALICE) is None
    assert not second.due(ALICE)
    world.clock.advance(KNOWN_S)
    assert second.due(ALICE)
    await second.look(ALICE)
    assert second.blocked(ALICE) is not None
    assert world.operations[0] == reads + 1


async def test_incidents_of_all_instances_add_up(world: World) -> None:
    first, second = world.instance(), world.instance()
    for _ in range(2):
        await world.hits(first, 50)
        await world.hits(second, 50)
    assert second.blocked(ALICE) is not None
    assert world.counted == [BLOCKED]


async def test_clearing_opens_everywhere(world: World) -> None:
    first, second = world.instance(), world.instance()
    await world.hits(first, 200)
    await second.look(ALICE)
    await second.clear(ALICE)
    assert second.blocked(ALICE) is None
    assert first.blocked(ALICE) is not None
    await first.look(ALICE, 0.0)
    assert first.blocked(ALICE) is None
    assert world.counted == [BLOCKED, CLEARED]
    world.clock.advance(CLEARED_S)
    assert first.blocked(ALICE) is not None


async def test_without_the_store_each_instance_judges_by_itself(world: World) -> None:
    book = world.instance()
    world.backend.down = True
    await book.look(ALICE)
    await world.hits(book, 200)
    assert book.blocked(ALICE) is not None
    await book.clear(ALICE)
    assert book.blocked(ALICE) is None


@pytest.mark.parametrize("uid", ["a/b", "..", "x" * 2000, "\x00", "ü" * 128, "__x__"])
async def test_any_user_id_has_a_record(world: World, uid: str) -> None:
    caller = abuse_caller(ClientKey(uid))
    await world.hits(world.instance(), 50, caller)
    other = world.instance()
    await world.hits(other, 150, caller)
    assert other.blocked(caller) is not None
