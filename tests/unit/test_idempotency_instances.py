"""Idempotency keys over several instances: followed live, taken over, whoever dies when."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from shared.composition.shutdown import CUT_S, REQUESTS_S, Shutdown
from shared.edge.idempotency import MAX_RUNS
from shared.errors import StoreUnavailable
from shared.idempotency.record import LEASE_S
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.queries import Query
from shared.storage.writes import Plan
from tests.support.edge_driver import House, Sent
from tests.support.fake_provider import Act, says
from tests.support.job_world import Gate, GatedBackend, Killed
from tests.support.stores import memory_store
from tests.support.virtual_time import VirtualClock, run_virtual
from tests.unit.test_idempotency_edge import (
    CHAT,
    KEYED,
    SLOW,
    WORDS,
    asked,
    calls,
    of_groq,
    text_of,
)

STREAM = asked(stream=True)
TEXT = "".join(WORDS)


class Freezing(GatedBackend):
    """A database whose process can be stopped, in the midst of whatever it does, and go on."""

    thawed: asyncio.Event

    @classmethod
    def of(cls, store: DocumentStore) -> Freezing:
        made = cls(store.backend, Gate(), [])
        made.thawed = asyncio.Event()
        made.thawed.set()
        return made

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        await self.thawed.wait()
        return await super().read(paths, timeout_s)

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        await self.thawed.wait()
        return await super().commit(plans, timeout_s)


class Away(GatedBackend):
    """A database that can be away."""

    away = False

    async def read(self, paths: Sequence[str], timeout_s: float) -> list[Document | None]:
        self._there()
        return await super().read(paths, timeout_s)

    async def commit(self, plans: Sequence[Plan], timeout_s: float) -> list[int]:
        self._there()
        return await super().commit(plans, timeout_s)

    def _there(self) -> None:
        if self.away:
            raise StoreUnavailable("the store is away")


def shared_store() -> DocumentStore:
    return memory_store(VirtualClock(asyncio.get_running_loop()))


def instance(store: DocumentStore, seed: int, act: Act = SLOW) -> House:
    return House(of_groq(act), documents=store, seed=seed)


def behind(backend: GatedBackend) -> DocumentStore:
    return DocumentStore(backend, clock=VirtualClock(asyncio.get_running_loop()))


async def record_of(store: DocumentStore) -> Document:
    (found,) = await store.query(Query("idempotency", group=True))
    return found


async def worker_comes(house: House, record: str) -> int:
    sent = await house.call("/tasks/idempotency", {"record": record}, headers={}, function="worker")
    return sent.status


def test_another_instance_follows_live_and_replays() -> None:
    async def main() -> None:
        store = shared_store()
        one, two, three = (instance(store, seed) for seed in (1, 2, 3))
        first = asyncio.create_task(one.call(CHAT, STREAM, headers=KEYED, leave_after=2.5))
        await asyncio.sleep(3.0)
        followed = await two.call(CHAT, STREAM, headers=KEYED)
        assert (await first).ended is False
        assert text_of(followed) == TEXT
        assert followed.headers["idempotent-replayed"] == "true"
        assert len(followed.pieces) > 5  # as it was made, not at the end
        replayed = await three.call(CHAT, STREAM, headers=KEYED)
        assert replayed.body == followed.body
        assert [calls(house) for house in (one, two, three)] == [1, 0, 0]

    run_virtual(main())


def test_a_whole_answer_made_elsewhere_is_waited_for() -> None:
    async def main() -> None:
        store = shared_store()
        one, two = instance(store, 1, Act(delay=20.0)), instance(store, 2)
        first = asyncio.create_task(one.call(CHAT, asked(), headers=KEYED))
        await asyncio.sleep(1.0)
        second = await two.call(CHAT, asked(), headers=KEYED)
        assert second.body == (await first).body
        assert (calls(one), calls(two)) == (1, 0)
        other = await two.call(CHAT, asked("Another"), headers=KEYED)
        assert other.status == 409

    run_virtual(main())


def test_a_frozen_instance_is_relieved_by_the_worker_and_writes_nothing_when_it_wakes() -> None:
    async def main() -> None:
        store = shared_store()
        backend = Freezing.of(store)
        frozen, worker = instance(behind(backend), 1), instance(store, 2)
        await frozen.call(CHAT, STREAM, headers=KEYED, leave_after=2.5)
        record = await record_of(store)
        assert len(await store.query(Query("tasks", group=True))) == 1
        assert await worker_comes(worker, record.path) == 204  # it still lives
        assert len(await store.query(Query("tasks", group=True))) == 2  # so it looks again later
        backend.thawed.clear()
        await asyncio.sleep(LEASE_S + 5.0)
        assert await worker_comes(worker, record.path) == 204
        assert (calls(frozen), calls(worker)) == (1, 1)
        done = await record_of(store)
        assert done.data["state"] == "done"
        assert done.data["owner"] != record.data["owner"]
        backend.thawed.set()
        await asyncio.sleep(60.0)
        assert (await record_of(store)).version == done.version
        answers = [await house.call(CHAT, STREAM, headers=KEYED) for house in (frozen, worker)]
        assert answers[0].body == answers[1].body
        assert text_of(answers[0]) == TEXT
        assert await worker_comes(worker, record.path) == 204  # a task may come twice
        assert (calls(frozen), calls(worker)) == (1, 1)

    run_virtual(main())


def test_an_instance_that_wakes_gives_the_answer_that_is_stored_and_not_its_own() -> None:
    async def main() -> None:
        store = shared_store()
        backend = Freezing.of(store)
        frozen, worker = instance(behind(backend), 1), instance(store, 2)
        await frozen.call(CHAT, STREAM, headers=KEYED, leave_after=2.5)
        record = await record_of(store)
        backend.thawed.clear()
        await asyncio.sleep(LEASE_S + 5.0)
        assert await worker_comes(worker, record.path) == 204
        # Its own run is whole by now, and it does not know that it was taken for dead.
        asking = asyncio.create_task(frozen.call(CHAT, STREAM, headers=KEYED))
        await asyncio.sleep(1.0)
        backend.thawed.set()
        stored = await worker.call(CHAT, STREAM, headers=KEYED)
        assert (await asking).body == stored.body
        assert (calls(frozen), calls(worker)) == (1, 1)

    run_virtual(main())


def test_an_instance_that_freezes_as_its_client_leaves_is_relieved_all_the_same() -> None:
    """Nothing that has to happen may wait for the client to leave: behind it there may be no
    processor."""

    async def main() -> None:
        store = shared_store()
        backend = Freezing.of(store)
        frozen, worker = instance(behind(backend), 1), instance(store, 2)
        leaving = asyncio.create_task(frozen.call(CHAT, STREAM, headers=KEYED, leave_after=2.5))
        await asyncio.sleep(2.4)
        backend.thawed.clear()
        record = await record_of(store)
        (task,) = await store.query(Query("tasks", group=True))
        assert record.data["request"]
        await asyncio.sleep(LEASE_S + 5.0)
        assert await worker_comes(worker, record.path) == 204
        backend.thawed.set()
        await leaving
        await asyncio.sleep(60.0)
        again = await worker.call(CHAT, STREAM, headers=KEYED)
        assert text_of(again) == TEXT
        assert (calls(frozen), calls(worker)) == (1, 1)
        assert [found.id for found in await store.query(Query("tasks", group=True))] == [task.id]

    run_virtual(main())


def test_what_was_asked_goes_once_it_is_answered() -> None:
    async def main() -> None:
        store = shared_store()
        house = instance(store, 1)
        running = asyncio.create_task(house.call(CHAT, STREAM, headers=KEYED))
        await asyncio.sleep(2.5)
        asks = {one.id for one in await store.query(Query("answer_parts", group=True))}
        assert "request-0" in asks
        await running
        left = {one.id for one in await store.query(Query("answer_parts", group=True))}
        assert not [name for name in left if name.startswith("request-")]
        record = await record_of(store)
        assert (record.data["request"], record.data["request_parts"]) == ("", 0)

    run_virtual(main())


def test_a_call_that_takes_no_time_needs_no_worker() -> None:
    async def main() -> None:
        store = shared_store()
        await instance(store, 1, Act()).call(CHAT, STREAM, headers=KEYED)
        assert await store.query(Query("tasks", group=True)) == []

    run_virtual(main())


def test_a_request_that_ends_every_instance_is_given_up() -> None:
    async def main() -> None:
        store = shared_store()
        gate = Gate()
        first = instance(behind(GatedBackend(store.backend, gate, [])), 1)
        dying: list[asyncio.Task[Sent] | asyncio.Task[int]] = []
        dying.append(asyncio.create_task(first.call(CHAT, STREAM, headers=KEYED)))
        await asyncio.sleep(2.5)
        gate.dead = True
        path = (await record_of(store)).path
        for seed in range(2, MAX_RUNS + 1):
            await asyncio.sleep(LEASE_S + 5.0)
            gate = Gate()
            worker = instance(behind(GatedBackend(store.backend, gate, [])), seed)
            dying.append(asyncio.create_task(worker_comes(worker, path)))
            await asyncio.sleep(2.5)
            gate.dead = True
            assert (await record_of(store)).data["runs"] == seed
        await asyncio.gather(*dying, return_exceptions=True)
        await asyncio.sleep(LEASE_S + 5.0)
        survivor = instance(store, 20)
        assert await worker_comes(survivor, path) == 204
        assert calls(survivor) == 0
        assert await store.query(Query("idempotency", group=True)) == []
        again = await survivor.call(CHAT, STREAM, headers=KEYED)
        assert text_of(again) == TEXT

    run_virtual(main())


def test_nothing_of_a_token_is_stored_and_the_worker_is_the_user() -> None:
    async def main() -> None:
        store = shared_store()
        one, two = instance(store, 1), instance(store, 2)
        gone = asyncio.create_task(one.call(CHAT, STREAM, headers=KEYED, leave_after=2.5))
        await gone
        record = await record_of(store)
        everything = repr([d.data for d in await store.query(Query("answer_parts", group=True))])
        assert "Bearer" not in repr(record.data) + everything
        assert '"uid":"tester"' in str(record.data["request"])
        await one.services.stores.documents.set(
            record.path, {**record.data, "lease_until": 0.0}, merge=True
        )
        assert await worker_comes(two, record.path) == 204
        (mine,) = {line["user"] for line in one.lines.json() if line.get("path") == CHAT}
        (done,) = [line for line in two.lines.json() if line.get("path") == CHAT]
        assert (done["user"], done["status"]) == (mine, 200)

    run_virtual(main())


def test_a_client_finds_the_owner_dead_and_the_request_is_made_anew() -> None:
    async def main() -> None:
        store = shared_store()
        gate = Gate()
        dead = instance(behind(GatedBackend(store.backend, gate, [])), 1, Act(delay=5.0))
        alive = instance(store, 2)
        first = asyncio.create_task(dead.call(CHAT, asked(), headers=KEYED))
        await asyncio.sleep(1.0)
        gate.dead = True
        began = asyncio.get_running_loop().time()
        again = await alive.call(CHAT, asked(), headers=KEYED)
        assert again.status == 200
        assert asyncio.get_running_loop().time() - began < LEASE_S + 20.0
        assert (calls(dead), calls(alive)) == (1, 1)
        first.cancel()

    run_virtual(main())


def test_a_stream_whose_owner_dies_while_another_instance_passes_it_on_ends_in_an_error() -> None:
    async def main() -> None:
        store = shared_store()
        gate = Gate()
        dead, alive = instance(behind(GatedBackend(store.backend, gate, [])), 1), instance(store, 2)
        await dead.call(CHAT, STREAM, headers=KEYED, leave_after=2.5)
        following = asyncio.create_task(alive.call(CHAT, STREAM, headers=KEYED))
        await asyncio.sleep(2.0)
        gate.dead = True
        cut = await following
        assert cut.ended
        error = cut.events()[-1]["error"]
        assert isinstance(error, dict)
        assert "same Idempotency-Key" in str(error["message"])
        again = await alive.call(CHAT, STREAM, headers=KEYED)
        assert text_of(again) == TEXT

    run_virtual(main())


@pytest.mark.parametrize("leaves", [None, 2.5], ids=["stays", "leaves"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kill_at", range(1, 16))
def test_an_instance_killed_at_any_write_loses_no_key(
    kill_at: int, after: bool, leaves: float | None
) -> None:
    """Whatever write it died before or behind: the key answers again, whole, and then stays so."""

    async def main() -> None:
        store = shared_store()
        gate = Gate(kill_at, after)
        dying = instance(behind(GatedBackend(store.backend, gate, [])), 1)
        with contextlib.suppress(Killed):
            await dying.call(CHAT, STREAM, headers=KEYED, leave_after=leaves)
        await asyncio.sleep(25.0)
        survivor = instance(store, 2)
        for document in await store.query(Query("idempotency", group=True)):
            if document.data["request"]:
                assert await worker_comes(survivor, document.path) == 204
        first = await survivor.call(CHAT, STREAM, headers=KEYED)
        again = await survivor.call(CHAT, STREAM, headers=KEYED)
        assert (first.status, text_of(first)) == (200, TEXT)
        assert first.body == again.body
        assert calls(survivor) <= 1

    run_virtual(main())


@pytest.mark.parametrize("made", [False, True], ids=["not made", "made"])
@pytest.mark.parametrize("fail_at", range(1, 16))
def test_a_write_whose_answer_is_lost_costs_no_byte(fail_at: int, made: bool) -> None:
    async def main() -> None:
        store = shared_store()
        gate = Gate(fail_at, made, faults=True)
        one = instance(behind(GatedBackend(store.backend, gate, [])), 1)
        two = instance(store, 2)
        first = asyncio.create_task(one.call(CHAT, STREAM, headers=KEYED))
        await asyncio.sleep(2.7)
        followed = await two.call(CHAT, STREAM, headers=KEYED)
        if (await first).status == 200:
            assert text_of(await first) == TEXT
            assert (calls(one), calls(two)) == (1, 0)
        assert text_of(followed) == TEXT
        replayed = await two.call(CHAT, STREAM, headers=KEYED)
        assert replayed.body == followed.body

    run_virtual(main())


def test_a_store_that_is_away_refuses_new_keys_and_costs_no_running_answer() -> None:
    async def main() -> None:
        store = shared_store()
        backend = Away(store.backend, Gate(), [])
        house = instance(behind(backend), 1)
        backend.away = True
        refused = await house.call(CHAT, STREAM, headers=KEYED)
        assert (refused.status, refused.error()["code"]) == (503, "store_unavailable")
        assert calls(house) == 0
        backend.away = False
        running = asyncio.create_task(house.call(CHAT, STREAM, headers=KEYED))
        await asyncio.sleep(3.0)
        backend.away = True
        assert text_of(await running) == TEXT
        await asyncio.sleep(5.0)
        backend.away = False  # it has gone on trying
        await asyncio.sleep(2.0)
        again = await house.call(CHAT, STREAM, headers=KEYED)
        assert (text_of(again), calls(house)) == (TEXT, 1)

    run_virtual(main())


def test_work_that_outlives_its_client_is_let_end_before_the_instance_does() -> None:
    async def main() -> None:
        house = instance(shared_store(), 1, Act(delay=4.0))
        shutdown = Shutdown([])
        house.services.watch = shutdown.watch
        await house.call(CHAT, asked(), headers=KEYED, leave_after=1.0)
        await shutdown.finish()
        again = await house.call(CHAT, asked(), headers=KEYED)
        assert (again.headers["idempotent-replayed"], calls(house)) == ("true", 1)

    run_virtual(main())


@pytest.mark.parametrize("left", [True, False])
def test_work_that_is_cut_is_left_to_the_worker_or_its_key_is_free(left: bool) -> None:
    async def main() -> None:
        store = shared_store()
        house, other = instance(store, 1, Act(delay=60.0)), instance(store, 2)
        shutdown = Shutdown([])
        house.services.watch = shutdown.watch
        house.services.stopping = lambda: True
        leave = 1.0 if left else None
        first = asyncio.create_task(house.call(CHAT, asked(), headers=KEYED, leave_after=leave))
        await asyncio.sleep(2.0)
        began = asyncio.get_running_loop().time()
        await shutdown.finish()
        assert asyncio.get_running_loop().time() - began <= REQUESTS_S + CUT_S
        sent: Sent = await first
        if left:
            record = await record_of(store)
            assert await worker_comes(other, record.path) == 204  # at once
            assert calls(other) == 1
        else:
            assert sent.status == 503
            assert await store.query(Query("idempotency", group=True)) == []
        again = await other.call(CHAT, asked(), headers=KEYED)
        assert (again.status, calls(other)) == (200, 1)

    run_virtual(main())


@pytest.mark.parametrize(
    "record", ["", "users/a/idempotency/x", "config/runtime", f"a/b/users/c/idempotency/{'0' * 64}"]
)
def test_a_task_for_something_else_is_refused(record: str) -> None:
    async def main() -> None:
        house = instance(shared_store(), 1)
        assert await worker_comes(house, record) == 400
        assert await worker_comes(house, f"users/a/idempotency/{'0' * 64}") == 204

    run_virtual(main())


def test_pieces_of_a_large_request_reach_the_worker() -> None:
    async def main() -> None:
        store = shared_store()
        big = asked("x" * 300_000 + " and so on", stream=True)
        backend = Freezing.of(store)
        one, two = instance(behind(backend), 1), instance(store, 2, Act(chunks=says("big")))
        sent = await one.call(CHAT, big, headers=KEYED, leave_after=2.5)
        assert sent.status == 200, sent.body[:200]
        backend.thawed.clear()
        await asyncio.sleep(LEASE_S + 5.0)
        record = await record_of(store)
        assert record.data["request_parts"] == 2
        assert await worker_comes(two, record.path) == 204
        assert text_of(await two.call(CHAT, big, headers=KEYED)) == "big"

    run_virtual(main())
