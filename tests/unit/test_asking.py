"""Our own questions to models: who may be asked, what is sent, and what every ending is called."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from shared.asking import NotAnswered, Question, Reply
from shared.catalog.registry import Catalog
from shared.config import ModelOverride
from shared.errors import (
    EmptyAnswer,
    KeyRejected,
    ModelGone,
    Overloaded,
    PaymentRequired,
    QuotaExceeded,
    Refused,
    RequestRejected,
    StoreUnavailable,
)
from shared.messages import Chunk, JsonObject, Usage
from shared.model import Feature, Health, ModelCard
from shared.permits import NONE_ALLOWED, TOO_LARGE, Permit, Refusal
from shared.pipeline.asking import OWN_PRIORITY, ModelAsker
from shared.pipeline.routing_state import RoutingState
from shared.providers.base import ProviderCall
from shared.telemetry.counters import Counters
from tests.support.catalog_cards import card as catalog_card
from tests.support.counting_quotas import CountingQuotas
from tests.support.fake_provider import OK, SILENT, Act, fails, says
from tests.support.routing_world import World, card
from tests.support.virtual_time import VirtualClock, run_virtual

T = TypeVar("T")
GUARD = card(
    "alpha-guard", features=(Feature.STREAMING, Feature.LOGPROBS), efforts=("low",), chat=False
)
OTHER = card("beta-guard")


def run(main: Coroutine[None, None, T]) -> T:
    return run_virtual(main)


class House:
    """An asker over the real executor, and what it was made of."""

    def __init__(self, act: Act = OK) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.calls: list[ProviderCall] = []

        def kept(call: ProviderCall) -> Act:
            self.calls.append(call)
            return act

        self.world = World(self.clock, [GUARD, OTHER], {GUARD.id: kept})
        self.asker = asker_of(self.clock, self.world, [GUARD, OTHER])

    async def ask(self, seconds: float = 5.0, **fields: str) -> Reply:
        named: JsonObject = {**fields}
        question = Question(GUARD, [{"role": "user", "content": "hm?"}], 40, 60, named)
        return await self.asker.ask(question, self.world.deadline(seconds))

    async def outcome(self, seconds: float = 5.0) -> tuple[str, bool]:
        with pytest.raises(NotAnswered) as told:
            await self.ask(seconds)
        return told.value.outcome, told.value.full


def asker_of(
    clock: VirtualClock,
    world: World,
    cards: list[ModelCard],
    overrides: dict[str, ModelOverride] | None = None,
    keys: frozenset[str] = frozenset({"alpha", "beta"}),
    paid: frozenset[str] = frozenset(),
) -> ModelAsker:
    state = RoutingState(
        Catalog(cards, clock, overrides or {}), world.router, lambda _: world.router
    )
    counters = Counters(clock)
    return ModelAsker(state, world.executor, keys.__contains__, paid.__contains__, clock, counters)


# ---------------------------------------------------------------------------- who may be asked


def test_who_may_be_asked() -> None:
    cards = [
        catalog_card("spec", provider="alpha", shutdown_date="2026-01-01", replacement="now"),
        catalog_card("now", provider="alpha"),
        catalog_card("gone", provider="alpha", shutdown_date="2026-01-01"),
        catalog_card("off", provider="alpha"),
        catalog_card("paid", provider="alpha", free_tier="none"),
        catalog_card("paid-too", provider="beta", free_tier="none"),
        catalog_card("keyless", provider="gamma"),
    ]

    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        world = World(clock, [GUARD])
        off = {"off": ModelOverride(enabled=False)}
        asker = asker_of(clock, world, cards, off, paid=frozenset({"beta"}))
        found = {
            name: living.id if (living := asker.living(name)) is not None else None
            for name in [*(one.id for one in cards), "unknown"]
        }
        assert found == {
            "spec": "now",
            "now": "now",
            "gone": None,
            "off": None,
            "paid": None,
            "paid-too": "paid-too",
            "keyless": None,
            "unknown": None,
        }

    run(main())


# --------------------------------------------------------------------------------- what is sent


def test_a_question_is_a_request_of_its_own_with_a_permit() -> None:
    async def main() -> None:
        logprobs: JsonObject = {"content": [{"token": "safe", "logprob": -0.1}]}
        act = Act(
            delay=0.25,
            chunks=(
                Chunk(text="sa", logprobs=logprobs),
                *says("fe", usage=Usage(41, 3)),
            ),
        )
        house = House(act)
        reply = await house.ask(reasoning_effort="low", user="me")
        assert (reply.card, reply.text, reply.finish_reason) == (GUARD, "safe", "stop")
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (41, 3)
        assert reply.latency_ms == pytest.approx(250.0)
        assert reply.logprobs == logprobs
        (call,) = house.calls
        request = call.request
        assert request.messages == [{"role": "user", "content": "hm?"}]
        assert (request.max_tokens, request.reasoning_effort) == (60, "low")
        assert request.body["user"] == "me"
        assert not request.stream
        assert (request.options.priority, request.options.patience_s) == (OWN_PRIORITY, 0.0)
        (kept,) = house.world.meter.kept.values()
        assert (kept.card, kept.tokens, kept.settled) == (GUARD, 40 + 60, [44])

    run(main())


def test_a_card_that_only_judges_can_be_asked() -> None:
    assert not GUARD.chat

    async def main() -> None:
        assert (await House().ask()).text == "Hello"

    run(main())


# ------------------------------------------------------------------------- what endings are called


@pytest.mark.parametrize(
    ("act", "outcome", "full"),
    [
        (fails(Overloaded), "server_error", False),
        (fails(KeyRejected), "auth_failed", False),
        (fails(PaymentRequired), "payment_required", False),
        (fails(ModelGone), "model_gone", False),
        (fails(EmptyAnswer), "empty", False),
        (fails(RequestRejected), "rejected", False),
        (fails(Refused), "refused", False),
        (fails(QuotaExceeded, wait_s=20.0), "capacity", True),
        (SILENT, "deadline", False),
    ],
)
def test_every_failure_is_one_word_by_the_deadline(act: Act, outcome: str, full: bool) -> None:
    async def main() -> None:
        house = House(act)
        assert await house.outcome(2.0) == (outcome, full)
        assert asyncio.get_running_loop().time() <= 2.0
        assert house.world.asked() == [GUARD.id]
        assert all(kept.settled for kept in house.world.meter.kept.values())

    run(main())


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        (Refusal(30.0, "full"), ("capacity", True)),
        (NONE_ALLOWED, ("capacity", True)),
        (Refusal(30.0, "key"), ("failed", False)),
        (TOO_LARGE, ("failed", False)),
    ],
)
def test_without_a_permit_nobody_is_asked_and_nothing_is_waited_for(
    refusal: Refusal, outcome: tuple[str, bool]
) -> None:
    async def main() -> None:
        house = House()
        house.world.meter.refusals[GUARD.id] = refusal
        assert await house.outcome() == outcome
        assert asyncio.get_running_loop().time() == 0.0
        assert house.world.asked() == []

    run(main())


def test_no_time_left_asks_nobody() -> None:
    async def main() -> None:
        house = House()
        assert await house.outcome(0.2) == ("deadline", False)
        assert house.world.asked() == []

    run(main())


def test_a_store_that_is_down_is_said_so() -> None:
    class Down(CountingQuotas):
        def take(
            self, card: ModelCard, tokens: int, *, characters: int = 0, bulk: bool = False
        ) -> Permit | Refusal | None:
            return None

        async def acquire(self, *_: object, **__: object) -> Permit | Refusal:
            raise StoreUnavailable("down")

    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        world = World(clock, [GUARD], quotas=Down())
        question = Question(GUARD, [{"role": "user", "content": "hm?"}], 40, 60)
        with pytest.raises(NotAnswered) as told:
            await asker_of(clock, world, [GUARD]).ask(question, world.deadline(5.0))
        assert (told.value.outcome, told.value.full) == ("store", False)

    run(main())


# -------------------------------------------------------------------------- what it leads to


def test_a_failure_teaches_health_and_quotas_what_any_request_would() -> None:
    async def main() -> None:
        house = House(fails(KeyRejected))
        await house.outcome()
        assert ("alpha", "key", 300.0) in house.world.meter.told
        house = House(fails(Overloaded))
        for _ in range(3):
            await house.outcome()
            await asyncio.sleep(60.0)
        (row,) = [row for row in house.world.health.snapshot() if row["model"] == GUARD.id]
        assert row["health"] != Health.HEALTHY.value

    run(main())


def test_whoever_stops_waiting_stops_the_call() -> None:
    async def main() -> None:
        house = House(Act(delay=10.0))
        task = asyncio.create_task(house.ask(20.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (asked,) = house.world.providers["alpha"].asked
        assert asked.cancelled
        assert asked.ended == 1.0
        (kept,) = house.world.meter.kept.values()
        assert kept.settled == [100]

    run(main())
