"""Suspicious callers at the edge: who is held up where, what clears the way, and what it costs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from starlette.types import Send

from shared.config import ClientLimits
from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.asgi import HttpRequest, send_json
from shared.edge.call import Call
from shared.edge.captcha import LOOK_AGAIN_IDLE_S, LOOK_AGAIN_S, Captcha
from shared.edge.cors import CorsPolicy
from shared.edge.gate import Gate
from shared.edge.identity import Identity, bearer_token
from shared.errors import InjectionDetected, SafetyViolation
from shared.limits.abuse import AbuseBook
from shared.limits.abuse_score import BLOCK_S, CLEARED_S
from shared.limits.clients import ClientLimiter
from shared.messages import JsonObject
from shared.storage.documents import DocumentStore
from tests.support.app_check_world import FakeConsumer, app_check
from tests.support.asgi_client import AsgiAnswer, call
from tests.support.stores import memory_store
from tests.support.tokens import app_claims, sign
from tests.support.virtual_time import ManualClock


class _AnyUser:
    """The token is the user's id; ``anon-`` ones have no account."""

    async def authenticate(self, authorization: str | None) -> Identity:
        uid = bearer_token(authorization)
        return Identity(uid, admin=uid == "admin", anonymous=uid.startswith("anon-"))


async def _fine(http: HttpRequest, send: Send, call: Call) -> None:
    await send_json(send, 200, call.headers(), {})


async def _unsafe(http: HttpRequest, send: Send, call: Call) -> None:
    raise SafetyViolation("say it in another way")


async def _injection(http: HttpRequest, send: Send, call: Call) -> None:
    raise InjectionDetected("say it in another way")


class World:
    """Instances over one store, one clock and one Google."""

    def __init__(self, store: DocumentStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.limits = ClientLimits()
        self.consumer = FakeConsumer()
        self.counted: list[str] = []

    def instance(self) -> EdgeApp:
        book = AbuseBook(self.store, self.clock, self.counted.append)
        checker = app_check(self.clock, consumer=self.consumer)
        routes = Routes(
            exact={
                "/counted": {"POST": _fine},
                "/unsafe": {"POST": _unsafe},
                "/injection": {"POST": _injection},
                "/free": {"GET": _fine, "POST": _fine},
            },
            patterns={},
            counted=frozenset({("POST", "/counted")}),
        )
        return EdgeApp(
            EdgeParts(
                function="chat",
                routes=routes,
                authenticator=_AnyUser(),
                clock=self.clock,
                new_request_id=lambda given: given or "r",
                record=lambda call: None,
                record_crash=lambda call, error: None,
                cors=CorsPolicy(()),
                limiter=ClientLimiter(
                    self.store, self.clock, random.Random(1), lambda: self.limits
                ),
                address_salt=b"demo",
                gate=Gate(abuse=book, captcha=Captcha(book, checker, self.clock)),
            )
        )

    def _limits(self) -> ClientLimits:
        return self.limits

    def token(self, number: int = 0) -> str:
        """A token that was issued now."""
        claims: JsonObject = {**app_claims(now=self.clock.wall() + 60), "jti": str(number)}
        return sign(claims, "app-1")

    @property
    def operations(self) -> tuple[int, int]:
        tally = self.store.operations.of("abuse")
        return tally.reads, tally.writes


async def ask(
    app: EdgeApp,
    path: str = "/counted",
    method: str = "POST",
    *,
    user: str = "alice",
    address: str = "203.0.113.7",
    token: str | None = None,
) -> AsgiAnswer:
    headers = {"authorization": f"Bearer {user}", "x-forwarded-for": address}
    if token is not None:
        headers["x-firebase-appcheck"] = token
    return await call(app, path, method, headers=headers)


async def hammer(app: EdgeApp, user: str = "alice", address: str = "203.0.113.7") -> None:
    """Ask until blocked, and once more."""
    for _ in range(400):
        if (await ask(app, user=user, address=address)).status == 403:
            return
    raise AssertionError("never blocked")


def code(answer: AsgiAnswer) -> tuple[int, object]:
    error = answer.json()["error"]
    assert isinstance(error, dict)
    return answer.status, error["code"]


def message(answer: AsgiAnswer) -> str:
    error = answer.json()["error"]
    assert isinstance(error, dict)
    return str(error["message"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A new one."""
    clock = ManualClock()
    store = memory_store(clock)
    yield World(store, clock)
    await store.close()


async def test_tens_of_refused_requests_stay_429_then_it_is_403(world: World) -> None:
    app = world.instance()
    statuses = [(await ask(app)).status for _ in range(215)]
    assert statuses == [200] * 10 + [429] * 200 + [403] * 5
    refused = await ask(app)
    assert code(refused) == (403, "captcha_required")
    assert "X-Firebase-AppCheck" in message(refused)
    assert "wait 15 min" in message(refused)
    assert refused.headers["retry-after"] == "900"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert world.counted == ["blocked"]


async def test_what_costs_nothing_stays_open_and_others_notice_nothing(world: World) -> None:
    app = world.instance()
    await hammer(app)
    assert (await ask(app, "/free", "GET")).status == 200
    assert (await ask(app, "/free", "POST")).status == 403
    assert (await ask(app, user="bob")).status == 200


async def test_a_block_ends_by_itself_after_fifteen_minutes(world: World) -> None:
    app = world.instance()
    await hammer(app)
    world.clock.advance(BLOCK_S - 1)
    assert (await ask(app)).status == 403
    world.clock.advance(1)
    assert (await ask(app)).status == 200


async def test_a_fresh_token_opens_the_way_for_ten_minutes_and_works_once(world: World) -> None:
    app = world.instance()
    old = world.token()
    world.clock.advance(100)
    await hammer(app)
    refused = await ask(app, token=old)
    assert code(refused) == (403, "captcha_required")
    assert "before you were blocked" in message(refused)
    refused = await ask(app, token="x.y.z")
    assert code(refused) == (403, "captcha_required")
    assert "not valid" in message(refused)
    assert world.consumer.used == []
    world.clock.advance(60)
    token = world.token()
    assert (await ask(app, token=token)).status == 200
    assert (await ask(app)).status == 200
    assert world.consumer.used == [token]
    world.clock.advance(CLEARED_S)
    refused = await ask(app, token=token)
    assert code(refused) == (403, "captcha_required")
    assert "used before" in message(refused)
    assert (await ask(app, token=world.token(1))).status == 200
    assert world.counted == ["blocked", "captcha_cleared", "captcha_cleared"]


async def test_a_page_that_sends_its_token_with_many_requests_at_once_is_let_in(
    world: World,
) -> None:
    app = world.instance()
    await hammer(app)
    world.clock.advance(60)
    token = world.token()
    answers = await asyncio.gather(*(ask(app, "/free", token=token) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert world.consumer.used == [token]


async def test_a_block_and_its_end_reach_other_instances(world: World) -> None:
    first, second = world.instance(), world.instance()
    await hammer(first)
    world.clock.advance(60)
    statuses = [(await ask(second)).status for _ in range(5)]
    assert statuses == [200, 200, 403, 403, 403]
    token = world.token()
    assert (await ask(first, token=token)).status == 200
    assert (await ask(second)).status == 403
    world.clock.advance(LOOK_AGAIN_S)
    assert (await ask(second, token=token)).status == 200
    assert world.consumer.used == [token]
    assert (await ask(second)).status == 200


async def test_who_sends_no_token_learns_of_the_end_a_little_later(world: World) -> None:
    first, second = world.instance(), world.instance()
    await hammer(first)
    world.clock.advance(60)
    await hammer(second)
    await ask(first, token=world.token())
    assert (await ask(second)).status == 403
    world.clock.advance(LOOK_AGAIN_IDLE_S)
    assert (await ask(second)).status == 200


async def test_while_google_does_not_answer_a_token_clears_nothing(world: World) -> None:
    app = world.instance()
    await hammer(app)
    world.clock.advance(60)
    world.consumer.down = True
    assert code(await ask(app, token=world.token())) == (503, "store_unavailable")
    world.consumer.down = False
    assert (await ask(app, token=world.token())).status == 200


async def test_anonymous_callers_are_blocked_by_address(world: World) -> None:
    app = world.instance()
    for number in range(50):
        await ask(app, user=f"anon-{number}")
    for number in range(200):
        assert (await ask(app, user=f"anon-{number}")).status == 429
    assert (await ask(app, user="anon-new")).status == 403
    assert (await ask(app, user="anon-new", address="203.0.113.8")).status == 200
    assert (await ask(app, user="alice")).status == 200


async def test_what_colleagues_behind_one_address_did_is_nobodys_incident(world: World) -> None:
    world.limits = ClientLimits(ip_signed_in_rpm=5)
    app = world.instance()
    statuses = {(await ask(app, user=f"u{number % 150}")).status for number in range(300)}
    assert statuses == {200, 429}
    assert [(await ask(app, user="u7")).status for _ in range(220)] == [429] * 220


async def test_administrators_are_never_blocked(world: World) -> None:
    app = world.instance()
    assert {(await ask(app, user="admin")).status for _ in range(300)} == {200, 429}


async def test_injections_and_violations_count(world: World) -> None:
    app = world.instance()
    assert [(await ask(app, "/injection")).status for _ in range(5)] == [422] * 4 + [403]
    statuses = [(await ask(app, "/unsafe", user="bob")).status for _ in range(6)]
    assert statuses == [422] * 5 + [403]


async def test_ordinary_callers_cost_nothing_or_one_read_a_minute(world: World) -> None:
    app = world.instance()
    for _ in range(10):
        for user in range(30):
            assert (await ask(app, user=f"u{user}")).status == 200
        world.clock.advance(60)
    assert world.operations == (0, 0)
    for _ in range(10):
        for _ in range(10):
            assert (await ask(app)).status == 200
        world.clock.advance(61)
    assert world.operations == (10, 0)


async def test_a_caller_who_is_blocked_costs_little(world: World) -> None:
    app = world.instance()
    for _ in range(int(BLOCK_S)):
        await ask(app)
        world.clock.advance(0.1)
    reads, writes = world.operations
    assert writes <= 5
    assert reads <= 12
