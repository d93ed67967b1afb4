"""How an instance follows the stored configuration, on virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

import pytest

from shared.config import RuntimeConfig
from shared.configuration.following import ConfigFollower
from shared.configuration.stored import PATH, ConfigStore
from shared.storage.documents import DocumentStore
from tests.support.config_house import Fragile, config_store
from tests.support.virtual_time import VirtualClock, run_virtual

ME = "0123456789abcdef"
MODEL = "groq-gpt-oss-120b"


class World:
    """A follower, the store it reads, and what it applied."""

    def __init__(self) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.backend = Fragile(self.clock)
        documents = DocumentStore(self.backend, clock=self.clock)
        self.store: ConfigStore = config_store(documents, clock=self.clock)
        self.documents = documents
        self.applied: list[RuntimeConfig] = []
        self.follower = ConfigFollower(self.store, RuntimeConfig(), self.clock, self.applied.append)

    async def request(self) -> int:
        """One request: the ``v33_percent`` it is served by."""
        await self.follower.ensure()
        served = self.follower.config.rollout.v33_percent
        await self.follower.finish()
        return served

    async def percent(self, value: int) -> None:
        """An administrator elsewhere changes something."""
        reads = list(self.backend.reads)
        await self.store.patch({"rollout": {"v33_percent": value}}, ME)
        self.backend.reads[:] = reads


def run(scenario: Coroutine[None, None, None]) -> None:
    run_virtual(scenario)


def test_the_first_request_waits_for_what_is_stored() -> None:
    async def scenario() -> None:
        world = World()
        await world.percent(7)
        world.backend.delay_s = 0.3
        assert await world.request() == 7
        assert world.follower.version == 1
        assert len(world.applied) == 1
        await world.documents.close()

    run(scenario())


def test_requests_at_once_share_a_read_and_a_fresh_copy_needs_none() -> None:
    async def scenario() -> None:
        world = World()
        world.backend.delay_s = 0.1
        await asyncio.gather(*(world.request() for _ in range(20)))
        assert len(world.backend.reads) == 1
        await asyncio.sleep(24)
        await world.request()
        assert len(world.backend.reads) == 1
        assert world.applied == []
        await world.documents.close()

    run(scenario())


def test_between_25_and_30_seconds_the_request_goes_on_beside_the_read() -> None:
    async def scenario() -> None:
        world = World()
        await world.request()
        await world.percent(7)
        world.backend.delay_s = 0.2
        await asyncio.sleep(26)
        before = world.clock.monotonic()
        await world.follower.ensure()
        assert world.clock.monotonic() == before
        assert world.follower.version == 0
        await world.follower.finish()
        assert world.clock.monotonic() == pytest.approx(before + 0.2)
        assert world.follower.version == 1
        await world.documents.close()

    run(scenario())


def test_after_an_idle_hour_the_request_waits_half_a_second_at_most() -> None:
    async def scenario() -> None:
        world = World()
        await world.request()
        await world.percent(7)
        await asyncio.sleep(3600)
        assert len(world.backend.reads) == 1, "an idle instance reads nothing"
        assert await world.request() == 7
        await asyncio.sleep(3600)
        world.backend.delay_s = 60
        before = world.clock.monotonic()
        await world.follower.ensure()
        assert world.clock.monotonic() == pytest.approx(before + 0.5)
        await world.follower.ensure()
        assert world.clock.monotonic() == pytest.approx(before + 0.5), "nobody waits again"
        await world.follower.finish()
        assert world.clock.monotonic() == pytest.approx(before + 2.0)
        assert world.follower.config.rollout.v33_percent == 7
        await world.documents.close()

    run(scenario())


def test_while_the_store_is_down_the_last_good_one_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        world = World()
        await world.percent(7)
        await world.request()
        world.backend.down = True
        for _ in range(600):
            await asyncio.sleep(1)
            assert await world.request() == 7
        assert sum("cannot be read" in line for line in caplog.messages) == 1
        world.backend.down = False
        await world.percent(8)
        await asyncio.sleep(25)
        await world.request()
        assert await world.request() == 8
        await world.documents.close()

    run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2, "patch": '{"models": {"no-such": {"dead": true}}}'},
        {"version": 2, "patch": '{"rollout": {"v33_percent": 900}}'},
        {"patch": "{broken"},
        {"version": "two"},
    ],
)
def test_what_is_stored_wrong_keeps_the_last_good_one(
    changes: dict[str, str | int], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        world = World()
        await world.percent(7)
        await world.request()
        await world.documents.update(PATH, changes)
        for _ in range(100):
            await asyncio.sleep(5)
            assert await world.request() == 7
        assert sum("is not right" in line for line in caplog.messages) == 1
        assert len(world.applied) == 1
        await world.documents.update(
            PATH, {"version": 3, "patch": '{"rollout": {"v33_percent": 9}}'}
        )
        await asyncio.sleep(31)
        assert await world.request() == 9
        await world.documents.close()

    run(scenario())


def test_a_model_marked_dead_is_logged_with_its_time(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World()
        await world.store.patch({"models": {MODEL: {"dead": True}}}, ME)
        await asyncio.sleep(10)
        with caplog.at_level(logging.INFO):
            await world.request()
            await world.store.patch({"models": {MODEL: None}}, ME)
            await asyncio.sleep(40)
            await world.request()
        told = [line for line in caplog.messages if MODEL in line]
        assert [MODEL + " is DEAD since 2026-11-23T12:00:00+00:00" in line for line in told] == [
            True,
            False,
        ]
        assert "no longer marked dead since 2026-11-23T12:00:10+00:00" in told[1]
        await world.documents.close()

    run(scenario())


def test_what_the_instance_stores_itself_holds_at_once_and_is_not_undone() -> None:
    async def scenario() -> None:
        world = World()
        await world.request()
        await asyncio.sleep(26)
        first = (await world.store.patch({"rollout": {"v33_percent": 1}}, ME)).stored
        world.backend.answer_s = 0.4
        await world.follower.ensure()
        await asyncio.sleep(0.1)  # version 1 is read and on its way, beside the change to 2
        world.backend.answer_s = 0.0
        second = (await world.store.patch({"rollout": {"v33_percent": 2}}, ME)).stored
        await asyncio.sleep(0.1)
        world.follower.take(second)
        world.follower.take(first)
        await world.follower.finish()
        assert world.follower.version == 2
        assert world.follower.config.rollout.v33_percent == 2
        await world.documents.close()

    run(scenario())


def test_a_read_frozen_with_its_instance_is_begun_anew() -> None:
    async def scenario() -> None:
        world = World()
        await world.request()
        await asyncio.sleep(26)
        world.backend.frozen = asyncio.Event()
        await world.follower.ensure()
        await asyncio.sleep(3600)
        world.backend.frozen = None
        await world.percent(7)
        assert await world.request() == 7
        await world.documents.close()

    run(scenario())
