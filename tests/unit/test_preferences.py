"""A user's preferences: what is stored, what is read of garbage, what a request makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from shared.accounts.known_preferences import DOWN_S, FRESH_S, MAX_KNOWN, KnownPreferences
from shared.accounts.preferences import NOTHING, Preferences, PreferenceStore
from shared.errors import StoreUnavailable
from shared.messages import RequestOptions
from shared.storage.documents import DocumentStore
from shared.storage.values import Input
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock, run_virtual

PATH = "users/alice/settings/preferences"
WHOLE = Preferences(("groq", "google"), ("huggingface",), "quality", "de-AT")


class Slow(PreferenceStore):
    """Counts reads; each takes a moment, and fails while ``away``."""

    def __init__(self, documents: DocumentStore) -> None:
        super().__init__(documents)
        self.reads = 0
        self.away = False

    async def read(self, uid: str, timeout_s: float) -> Preferences:
        self.reads += 1
        await asyncio.sleep(0.02)
        if self.away:
            raise StoreUnavailable("the store does not answer")
        return await super().read(uid, timeout_s)


class World:
    """A store and an instance before it, on virtual time."""

    def __init__(self) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.documents = memory_store(self.clock)
        self.store = Slow(self.documents)
        self.known = KnownPreferences(self.store, self.clock)


def in_world(main: Callable[[World], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        world = World()
        await main(world)
        await world.documents.close()

    run_virtual(whole())


def test_what_is_stored_is_read_again() -> None:
    async def main(world: World) -> None:
        assert await world.store.read("alice", 1.0) == NOTHING
        for one in (WHOLE, NOTHING, Preferences(language="en")):
            await world.store.replace("alice", one)
            assert await world.store.read("alice", 1.0) == one
        assert await world.store.read("bob", 1.0) == NOTHING

    in_world(main)


GARBAGE: list[tuple[dict[str, Input], Preferences]] = [
    ({"preferred_providers": "groq"}, NOTHING),
    ({"preferred_providers": {"groq": True}, "avoid_providers": None}, NOTHING),
    ({"preferred_providers": [1, None, {"a": 1}, "acme", "groq", "groq"]}, Preferences(("groq",))),
    ({"prioritize": "cost", "language": "German please"}, NOTHING),
    ({"prioritize": ["speed"], "language": 5}, NOTHING),
    ({"language": "de\n"}, NOTHING),
    ({"language": "de-" + "a" * 40}, NOTHING),
    ({"model": "gpt", "tone": "warm", "prioritize": "speed"}, Preferences(prioritize="speed")),
    ({"language": datetime(2026, 1, 1, tzinfo=UTC), "avoid_providers": b"groq"}, NOTHING),
]


@pytest.mark.parametrize(("data", "found"), GARBAGE, ids=str)
def test_of_garbage_the_good_is_read(data: dict[str, Input], found: Preferences) -> None:
    async def main(world: World) -> None:
        await world.documents.set(PATH, data)
        assert await world.store.read("alice", 1.0) == found

    in_world(main)


@pytest.mark.parametrize("uid", ["a/b", ".", "..", "__x__", "/", "é" * 128, "\ud800"])
def test_every_uid_has_a_place_of_its_own(uid: str) -> None:
    async def main(world: World) -> None:
        await world.store.replace(uid, WHOLE)
        assert await world.store.read(uid, 1.0) == WHOLE
        assert await world.store.read("alice", 1.0) == NOTHING

    in_world(main)


def test_a_change_is_made_again_after_another_writer() -> None:
    async def main(world: World) -> None:
        calls = 0

        def change(stored: Preferences) -> Preferences:
            nonlocal calls
            calls += 1
            return Preferences(stored.preferred_providers, ("groq",))

        await world.store.replace("alice", WHOLE)
        assert await world.store.change("alice", change) == Preferences(
            ("groq", "google"), ("groq",)
        )
        assert calls == 1

    in_world(main)


def test_a_busy_user_costs_a_read_in_ten_minutes() -> None:
    async def main(world: World) -> None:
        await world.store.replace("alice", WHOLE)
        for _ in range(10):
            found = await asyncio.gather(*(world.known.of("alice") for _ in range(10)))
            assert set(found) == {WHOLE}
            assert await world.known.of("bob") == NOTHING
            await world.clock.sleep(59.0)
        assert world.store.reads == 2
        await world.store.replace("alice", NOTHING)
        assert await world.known.of("alice") == WHOLE
        await world.clock.sleep(FRESH_S)
        assert await world.known.of("alice") == NOTHING

    in_world(main)


def test_who_writes_here_has_them_at_once_also_while_they_are_read() -> None:
    async def main(world: World) -> None:
        reading = asyncio.create_task(world.known.of("alice"))
        await asyncio.sleep(0.01)
        world.known.take("alice", WHOLE)
        assert await reading == WHOLE
        assert await world.known.of("alice") == WHOLE
        assert world.store.reads == 1

    in_world(main)


def test_while_the_store_is_away_what_was_known_counts_and_one_chat_waits() -> None:
    async def main(world: World) -> None:
        await world.store.replace("alice", WHOLE)
        await world.known.of("alice")
        world.store.away = True
        await world.clock.sleep(FRESH_S)
        reads = world.store.reads
        for _ in range(20):
            assert await world.known.of("alice") == WHOLE
            assert await world.known.of("bob") == NOTHING
        assert world.store.reads == reads + 1
        world.store.away = False
        await world.clock.sleep(DOWN_S)
        assert await world.known.of("bob") == NOTHING
        assert world.store.reads == reads + 2

    in_world(main)


def test_memory_is_bounded() -> None:
    async def main(world: World) -> None:
        for number in range(MAX_KNOWN + 5):
            world.known.take(f"user-{number}", NOTHING)
        await world.known.of(f"user-{MAX_KNOWN}")
        assert world.store.reads == 0
        await world.known.of("user-0")
        assert world.store.reads == 1

    in_world(main)


def said(**fields: object) -> RequestOptions:
    """Options in which the request says these fields itself."""
    options = RequestOptions(said=frozenset(fields))
    for name, value in fields.items():
        setattr(options, name, value)
    return options


AGAINST = frozenset({"huggingface"})
STANDS_IN: list[tuple[Preferences, RequestOptions, RequestOptions]] = [
    (NOTHING, said(), RequestOptions()),
    (
        WHOLE,
        said(),
        RequestOptions(
            preferred_providers=("groq", "google"), shunned_providers=AGAINST, prioritize="quality"
        ),
    ),
    (
        WHOLE,
        said(preferred_providers=("huggingface",), prioritize="speed"),
        RequestOptions(preferred_providers=("huggingface",), prioritize="speed"),
    ),
    (
        WHOLE,
        said(preferred_providers=()),
        RequestOptions(shunned_providers=AGAINST, prioritize="quality"),
    ),
    (
        WHOLE,
        said(avoid_providers=frozenset()),
        RequestOptions(preferred_providers=("groq", "google"), prioritize="quality"),
    ),
    (
        Preferences(("groq", "google"), ("groq",)),
        said(),
        RequestOptions(preferred_providers=("google",), shunned_providers=frozenset({"groq"})),
    ),
]


@pytest.mark.parametrize(("stored", "request_", "result"), STANDS_IN)
def test_what_the_request_says_itself_wins(
    stored: Preferences, request_: RequestOptions, result: RequestOptions
) -> None:
    stored.stand_in(request_)
    assert replace(request_, said=result.said) == result
