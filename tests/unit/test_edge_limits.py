"""A caller's own limit at the edge: what counts, what is told, and in which answers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from starlette.types import Send

from shared.config import ClientLimits
from shared.edge.allowance import duration
from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.asgi import HttpRequest, send_json
from shared.edge.call import Call
from shared.edge.cors import CorsPolicy
from shared.edge.identity import Identity, bearer_token
from shared.errors import Conflict
from shared.limits.clients import ClientLimiter
from shared.storage.documents import DocumentStore
from tests.support.asgi_client import AsgiAnswer, call
from tests.support.stores import memory_store
from tests.support.virtual_time import ManualClock

LIMIT = "x-ratelimit-limit-requests"
REMAINING = "x-ratelimit-remaining-requests"
RESET = "x-ratelimit-reset-requests"


class _AnyUser:
    """The token is the user's id; ``anon-`` ones have no account."""

    async def authenticate(self, authorization: str | None) -> Identity:
        uid = bearer_token(authorization)
        return Identity(uid, anonymous=uid.startswith("anon-"))


async def _fine(http: HttpRequest, send: Send, call: Call) -> None:
    await send_json(send, 200, call.headers(), {})


async def _wrong(http: HttpRequest, send: Send, call: Call) -> None:
    raise Conflict("try another one")


class World:
    """An application with one path that counts, and a clock set by hand."""

    def __init__(self, store: DocumentStore) -> None:
        self.clock = ManualClock()
        self.limits = ClientLimits()
        self.updates = 0
        self.app = EdgeApp(
            EdgeParts(
                function="chat",
                routes=Routes(
                    exact={
                        "/counted": {"POST": _fine, "GET": _fine},
                        "/wrong": {"POST": _wrong},
                        "/free": {"GET": _fine},
                    },
                    patterns={},
                    counted=frozenset({("POST", "/counted"), ("POST", "/wrong")}),
                ),
                authenticator=_AnyUser(),
                clock=self.clock,
                new_request_id=lambda given: given or "r",
                record=lambda call: None,
                record_crash=lambda call, error: None,
                cors=CorsPolicy(()),
                limiter=ClientLimiter(store, self.clock, random.Random(1), lambda: self.limits),
                address_salt=b"demo",
                before=self._update,
            )
        )

    async def _update(self) -> None:
        self.updates += 1

    async def ask(
        self, path: str = "/counted", method: str = "POST", user: str = "alice", address: str = ""
    ) -> AsgiAnswer:
        """One call."""
        headers = {"authorization": f"Bearer {user}"}
        if address:
            headers["x-forwarded-for"] = address
        return await call(self.app, path, method, headers=headers)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A new one."""
    store = memory_store()
    yield World(store)
    await store.close()


async def test_every_answer_tells_what_is_left(world: World) -> None:
    for left in range(9, -1, -1):
        answer = await world.ask()
        assert answer.status == 200
        assert (answer.headers[LIMIT], answer.headers[REMAINING]) == ("10", str(left))
        assert answer.headers[RESET] == "1m0s"
    world.clock.advance(20.5)
    refused = await world.ask()
    assert refused.status == 429
    error = refused.json()["error"]
    assert isinstance(error, dict)
    assert error["code"] == "rate_limited"
    assert "try again in 40 s" in str(error["message"])
    assert refused.headers["retry-after"] == "40"
    assert (refused.headers[LIMIT], refused.headers[REMAINING]) == ("10", "0")
    assert refused.headers[RESET] == "40s"
    world.clock.advance(39.5)
    assert (await world.ask()).status == 200


async def test_what_does_not_count_tells_the_same_figures(world: World) -> None:
    await world.ask()
    for path, method, status in (
        ("/free", "GET", 200),
        ("/counted", "GET", 200),
        ("/nowhere", "GET", 404),
        ("/free", "POST", 405),
    ):
        for _ in range(20):
            answer = await world.ask(path, method)
            assert (answer.status, answer.headers[REMAINING]) == (status, "9")


async def test_a_request_that_fails_counts_and_tells(world: World) -> None:
    for left in range(9, -1, -1):
        answer = await world.ask("/wrong")
        assert (answer.status, answer.headers[REMAINING]) == (409, str(left))
    assert (await world.ask("/wrong")).status == 429
    assert (await world.ask("/free", "GET")).status == 200


async def test_who_is_not_signed_in_has_no_figures(world: World) -> None:
    for answer in (await call(world.app, "/counted", "POST"), await call(world.app, "/health")):
        assert answer.status in (200, 401)
        assert LIMIT not in answer.headers
    assert world.updates == 0


async def test_anonymous_callers_share_the_limit_of_their_address(world: World) -> None:
    statuses = [
        (await world.ask(user=f"anon-{place}", address="1.1.1.1, 203.0.113.7")).status
        for place in range(51)
    ]
    assert statuses == [200] * 50 + [429]
    assert (await world.ask(user="anon-0", address="203.0.113.8")).status == 200
    assert (await world.ask(user="alice", address="203.0.113.7")).status == 200


async def test_the_configuration_is_brought_up_to_date_first(world: World) -> None:
    await world.ask()
    await world.ask("/free", "GET")
    assert world.updates == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, b"0s"), (0.1, b"1s"), (6.0, b"6s"), (59.5, b"1m0s"), (60.0, b"1m0s"), (90.2, b"1m31s")],
)
def test_durations(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text
