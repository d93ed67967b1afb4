"""API keys: their text, what is kept of them, who is let in with one and for how long."""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Callable, Coroutine, Sequence

import pytest

from shared.accounts.api_keys import COLLECTION, MAX_KEYS, MOST_REVOKED, ApiKey, KeyStore
from shared.accounts.key_text import KEY_CHARS, MARK, fingerprint, is_key, new_key
from shared.edge.api_key_tokens import (
    KNOWN_S,
    MAX_REMEMBERED,
    MAX_UNKNOWN_A_MINUTE,
    NOTE_EVERY_S,
    TRUSTED_S,
    ApiKeyAuthenticator,
)
from shared.edge.identity import REJECTED, Identity
from shared.errors import Conflict, NotFound, StoreUnavailable, Unauthenticated
from shared.storage.backend import Backend
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.queries import Query, Search
from shared.storage.sqlite_backend import SqliteBackend
from shared.storage.writes import Plan
from tests.support.firestore_indexes import IndexedBackend, read_indexes
from tests.support.virtual_time import VirtualClock, run_virtual

RNG = random.Random(11)


class Frail(IndexedBackend):
    """A database that can be away; ``reads`` and ``commits`` count what reached it."""

    def __init__(self, behind: Backend) -> None:
        super().__init__(behind, read_indexes())
        self.away = self.readonly = False
        self.reads = self.queries = self.commits = 0
        self.answer_s = 0.01  # from having read to the answer
        self.before_commit: Callable[[], Coroutine[None, None, None]] | None = None

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        self.reads += 1
        found = await super().read(paths, timeout_s)
        await asyncio.sleep(self.answer_s)
        if self.away:
            raise StoreUnavailable("the store does not answer")
        return found

    async def query(self, search: Search, timeout_s: float) -> list[Document]:
        self.queries += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise StoreUnavailable("the store does not answer")
        return await super().query(search, timeout_s)

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        self.commits += 1
        if self.before_commit is not None:
            await self.before_commit()
        if self.away or self.readonly:
            raise StoreUnavailable("the store does not answer")
        return await super().commit(plans, timeout_s)


class Others:
    """Everything that is no API key."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    async def authenticate(self, authorization: str | None) -> Identity:
        self.asked.append(authorization)
        return Identity("somebody else")


class World:
    """A database with two instances before it, on virtual time."""

    def __init__(self) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.database = Frail(SqliteBackend(None, clock=self.clock))
        self.documents = DocumentStore(self.database, clock=self.clock)
        self.keys = KeyStore(self.documents, self.clock, random.Random(5))
        self.others = Others()
        self.here, self.there = (
            ApiKeyAuthenticator(self.others, self.keys, self.clock) for _ in range(2)
        )

    async def make(self, uid: str = "alice", days: int | None = None) -> tuple[str, ApiKey]:
        return await self.keys.create(uid, "a tool", "pro", days)


def in_world(main: Callable[[World], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        world = World()
        await main(world)
        assert world.database.lacking == []
        await world.database.close()

    run_virtual(whole())


async def refused(door: ApiKeyAuthenticator, key: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await door.authenticate(f"Bearer {key}")
    assert caught.value.message == REJECTED


def test_a_key_has_256_random_bits_and_a_checksum() -> None:
    everything, nothing = random.Random(), random.Random()
    everything.getrandbits = lambda bits: 2**bits - 1  # type: ignore[method-assign]
    nothing.getrandbits = lambda bits: 0  # type: ignore[method-assign]
    made = [new_key(rng) for rng in (everything, nothing, RNG, RNG)]
    assert len(set(made)) == 4
    for key in made:
        assert key.startswith(MARK)
        assert len(key) == KEY_CHARS == 52
        assert set(key[3:]) <= set(string.ascii_letters + string.digits)
        assert is_key(key)


def test_every_letter_of_a_key_is_checked() -> None:
    key = new_key(RNG)
    for place in range(len(key)):
        for letter in ("x", "0", " ", "é", "_"):
            changed = key[:place] + letter + key[place + 1 :]
            assert is_key(changed) == (changed == key)
    for wrong in ("", MARK, key[:-1], key + "A", key.upper(), "ck-" + key[3:]):
        assert not is_key(wrong)


def test_a_key_is_its_owner_without_admin_rights_and_is_kept_as_a_hash_alone() -> None:
    async def main(world: World) -> None:
        key, made = await world.make()
        identity = await world.here.authenticate(f"bearer  {key} ")
        assert identity == Identity("alice", tier="pro", by_key=True)
        document = await world.documents.get(f"{COLLECTION}/{fingerprint(key)}")
        assert document is not None
        assert key not in str(document.data)
        assert str(document.data["prefix"]) == key[:8]
        assert key not in repr(made)
        assert world.others.asked == []

    in_world(main)


def test_what_is_no_key_is_for_the_others() -> None:
    async def main(world: World) -> None:
        for header in (None, "Bearer ey.ey.sig", "Bearer dev-ck_alice", "Basic Y2tf"):
            assert (await world.here.authenticate(header)).uid == "somebody else"
        assert len(world.others.asked) == 4
        assert world.database.reads == 0

    in_world(main)


def test_garbage_costs_no_read_and_an_unknown_key_one_a_minute() -> None:
    async def main(world: World) -> None:
        for garbage in ("ck_", "ck_x", "ck_" + "A" * 49, "ck_" + "é" * 49, "ck_" + "A" * 9000):
            await refused(world.here, garbage)
        assert world.database.reads == 0
        unknown = new_key(RNG)
        for _ in range(50):
            await refused(world.here, unknown)
        assert world.database.reads == 1

    in_world(main)


def test_a_key_in_use_costs_a_read_a_minute_and_a_write_an_hour() -> None:
    async def main(world: World) -> None:
        key, _ = await world.make()
        made = world.database.commits
        for _ in range(3600):
            await world.here.authenticate(f"Bearer {key}")
            await world.clock.sleep(1.0)
        assert world.database.reads <= 3600 / KNOWN_S
        assert world.database.queries <= 60
        assert world.database.commits - made == 1
        await world.clock.sleep(NOTE_EVERY_S)
        await world.here.authenticate(f"Bearer {key}")
        # The other instance sees in the document that the use has been noted.
        await world.there.authenticate(f"Bearer {key}")
        assert world.database.commits - made == 2
        (listed,) = await world.keys.of("alice")
        assert listed.last_used_at is not None
        assert world.clock.wall() - listed.last_used_at < 1.0

    in_world(main)


def test_many_requests_at_once_ask_once_even_where_the_first_has_left() -> None:
    async def main(world: World) -> None:
        key, _ = await world.make()
        first = asyncio.create_task(world.here.authenticate(f"Bearer {key}"))
        rest = [asyncio.create_task(world.here.authenticate(f"Bearer {key}")) for _ in range(20)]
        await asyncio.sleep(0)
        first.cancel()
        assert {one.uid for one in await asyncio.gather(*rest)} == {"alice"}
        assert world.database.reads == 2

    in_world(main)


def test_a_revoked_key_is_refused_at_once_here_and_within_60_s_everywhere() -> None:
    async def main(world: World) -> None:
        key, made = await world.make()
        await world.here.authenticate(f"Bearer {key}")
        await world.there.authenticate(f"Bearer {key}")
        world.here.forget(await world.keys.revoke("alice", made.id))
        await refused(world.here, key)
        await world.clock.sleep(TRUSTED_S)
        await refused(world.there, key)

    in_world(main)


def test_many_keys_in_use_cost_little_more_than_one() -> None:
    """300 users who ask once a minute each (ARCHITECTURE, Cost is a speed)."""

    async def main(world: World) -> None:
        made = [await world.make(f"user-{number}") for number in range(300)]
        operations = world.documents.operations
        before = operations.total().reads
        for _ in range(10):
            for key, _key in made:
                await world.here.authenticate(f"Bearer {key}")
                await world.clock.sleep(0.2)
        assert operations.total().reads - before <= 300 + 10
        # Nor do the keys that are revoked; each is a read a minute for a quarter of an hour.
        for uid in range(3):
            await world.keys.revoke(f"user-{uid}", made[uid][1].id)
        await world.clock.sleep(TRUSTED_S)
        await world.here.authenticate(f"Bearer {made[9][0]}")
        for uid in range(3):
            await refused(world.here, made[uid][0])

    in_world(main)


def test_a_look_up_that_began_before_the_revocation_is_made_again() -> None:
    async def main(world: World) -> None:
        key, made = await world.make()
        other, _ = await world.make("bob")
        await world.here.authenticate(f"Bearer {key}")  # the use is noted, and not looked at again
        await world.there.authenticate(f"Bearer {other}")
        await world.clock.sleep(TRUSTED_S)
        world.database.answer_s = 1.0
        asked = asyncio.create_task(refused(world.there, key))
        await asyncio.sleep(0.1)
        world.database.answer_s = 0.01
        await world.keys.revoke("alice", made.id)
        await world.there.authenticate(f"Bearer {other}")
        await asked

    in_world(main)


def test_when_too_many_were_revoked_each_key_is_asked_for() -> None:
    async def main(world: World) -> None:
        keys = [await world.make() for _ in range(3)]
        for key, _ in keys:
            await world.here.authenticate(f"Bearer {key}")
        for _ in range(MOST_REVOKED + 1):
            _, made = await world.make("bob")
            await world.keys.revoke("bob", made.id)
        await world.keys.revoke("alice", keys[0][1].id)
        await world.clock.sleep(TRUSTED_S)
        await refused(world.here, keys[0][0])
        await world.here.authenticate(f"Bearer {keys[1][0]}")

    in_world(main)


def test_of_a_revoked_key_no_owner_and_no_name_is_left() -> None:
    async def main(world: World) -> None:
        _, made = await world.make()
        await world.keys.revoke("alice", made.id)
        (left,) = await world.documents.query(Query(COLLECTION))
        assert set(left.data) == {"revoked_at", "expires_at"}
        assert await world.keys.of("alice") == []

    in_world(main)


def test_a_key_revoked_while_its_use_is_noted_is_refused() -> None:
    async def main(world: World) -> None:
        key, made = await world.make()
        database = world.database

        async def revoke() -> None:
            database.before_commit = None
            await world.keys.revoke("alice", made.id)

        database.before_commit = revoke
        await refused(world.here, key)
        await refused(world.here, key)
        assert database.reads == 2

    in_world(main)


def test_while_the_store_is_away_a_key_goes_on_for_its_60_s_and_then_nobody_can_say() -> None:
    async def main(world: World) -> None:
        key, _ = await world.make()
        await world.here.authenticate(f"Bearer {key}")
        world.database.away = True
        await world.clock.sleep(TRUSTED_S - 1)
        assert (await world.here.authenticate(f"Bearer {key}")).uid == "alice"
        await world.clock.sleep(2)
        waiting = [world.here.authenticate(f"Bearer {key}") for _ in range(10)]
        queries = world.database.queries
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, StoreUnavailable) for one in results)
        assert world.database.queries == queries + 1
        world.database.away = False
        assert (await world.here.authenticate(f"Bearer {key}")).uid == "alice"

    in_world(main)


def test_a_use_that_cannot_be_noted_stops_nobody() -> None:
    async def main(world: World) -> None:
        key, _ = await world.make()
        world.database.readonly = True
        commits = world.database.commits
        for _ in range(30):
            assert (await world.here.authenticate(f"Bearer {key}")).uid == "alice"
            await world.clock.sleep(60.0)
        assert world.database.commits == commits + 1

    in_world(main)


def test_keys_made_up_by_the_thousand_cost_no_more_than_a_few_reads_a_second() -> None:
    async def main(world: World) -> None:
        key, _ = await world.make()
        await world.here.authenticate(f"Bearer {key}")
        for _ in range(MAX_UNKNOWN_A_MINUTE):
            await refused(world.here, new_key(RNG))
        reads = world.database.reads
        for _ in range(1000):
            with pytest.raises(StoreUnavailable) as caught:
                await world.here.authenticate(f"Bearer {new_key(RNG)}")
            assert 0 < (caught.value.retry_after or 0) <= 60
        assert world.database.reads == reads
        # Who has a key here does not notice, not even when it is asked for again.
        assert (await world.here.authenticate(f"Bearer {key}")).uid == "alice"
        await world.clock.sleep(59.0)
        for _ in range(MAX_UNKNOWN_A_MINUTE):
            with pytest.raises((Unauthenticated, StoreUnavailable)):
                await world.here.authenticate(f"Bearer {new_key(RNG)}")
        await world.clock.sleep(1.5)
        assert (await world.here.authenticate(f"Bearer {key}")).uid == "alice"

    in_world(main)


def test_memory_is_bounded() -> None:
    async def main(world: World) -> None:
        for _ in range(MAX_REMEMBERED // MAX_UNKNOWN_A_MINUTE + 2):
            for _ in range(MAX_UNKNOWN_A_MINUTE):
                await refused(world.here, new_key(RNG))
            await world.clock.sleep(61.0)
        assert len(world.here._remembered) == MAX_REMEMBERED

    in_world(main)


def test_a_key_with_an_end_ends_to_the_second() -> None:
    async def main(world: World) -> None:
        key, made = await world.make(days=1)
        assert made.expires_at == world.clock.wall() + 86_400
        await world.clock.sleep(86_399.0)
        await world.here.authenticate(f"Bearer {key}")
        await world.clock.sleep(1.0)
        await refused(world.here, key)
        await refused(world.there, key)
        assert await world.keys.of("alice") == []

    in_world(main)


def test_a_user_has_so_many_keys_and_no_more_also_when_asked_at_once() -> None:
    async def main(world: World) -> None:
        for _ in range(MAX_KEYS - 1):
            await world.make()
        await world.make("bob")
        tried = await asyncio.gather(*(world.make() for _ in range(3)), return_exceptions=True)
        assert sum(isinstance(one, Conflict) for one in tried) == 2
        keys = await world.keys.of("alice")
        assert len(keys) == MAX_KEYS
        await world.keys.revoke("alice", keys[0].id)
        await world.make()

    in_world(main)


def test_nobody_revokes_another_users_key() -> None:
    async def main(world: World) -> None:
        _, made = await world.make()
        for uid, identifier in (("bob", made.id), ("alice", "key_none"), ("alice", "")):
            with pytest.raises(NotFound):
                await world.keys.revoke(uid, identifier)
        assert [key.id for key in await world.keys.of("alice")] == [made.id]

    in_world(main)
