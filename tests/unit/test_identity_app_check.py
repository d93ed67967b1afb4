"""App Check tokens: what passes, what is refused, and what the three settings make of it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import orjson
import pytest
from starlette.types import Send

from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.app_check import HEADER, REFUSED, AppCheck, Attested
from shared.edge.app_check_keys import read_jwks
from shared.edge.app_check_rule import TELL_EVERY_S, AppCheckRule
from shared.edge.asgi import HttpRequest, send_json
from shared.edge.call import Call
from shared.edge.cors import CorsPolicy
from shared.edge.gate import Gate
from shared.edge.identity import Identity, bearer_token
from shared.errors import StoreUnavailable, Unauthenticated
from shared.messages import JsonObject
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog
from tests.support.app_check_world import app_check
from tests.support.asgi_client import AsgiAnswer, call
from tests.support.edge_driver import House
from tests.support.tokens import (
    PROJECT,
    PROJECT_NUMBER,
    FakeKeys,
    app_claims,
    good_claims,
    public_key_pem,
    sign,
    sign_hs256,
    unsigned,
)
from tests.support.virtual_time import START_WALL, ManualClock, run_virtual

NOW = int(START_WALL)
APP = f"1:{PROJECT_NUMBER}:web:321abc456def"


def attest(claims: object | None = None, key: str = "app-1") -> str:
    return sign(app_claims() if claims is None else claims, key)


async def test_a_token_of_the_projects_app_passes_and_is_remembered() -> None:
    clock, keys = ManualClock(), FakeKeys()
    checker = app_check(clock, keys)
    token = attest()
    assert await checker.verify(token) == Attested(APP, NOW - 60)
    keys.failure = OSError("the network is gone")
    clock.advance(3000)
    assert (await checker.verify(token)).app_id == APP
    assert keys.fetches == 1
    clock.advance(600)
    with pytest.raises(Unauthenticated):
        await checker.verify(token)


def _with(**changes: object) -> Callable[[], str]:
    def build() -> str:
        claims: dict[str, object] = {**app_claims(), **changes}
        return attest({name: value for name, value in claims.items() if value is not None})

    return build


BAD: dict[str, Callable[[], str | None]] = {
    "missing": lambda: None,
    "empty": lambda: "",
    "garbage": lambda: "x.y.z",
    "huge": lambda: "A" * 100_000,
    "not ASCII": lambda: "é.é.é",
    "alg none": lambda: unsigned(app_claims()),
    "HS256 with the public key": lambda: sign_hs256(app_claims(), public_key_pem("app-1"), "app-1"),
    "signed by a stranger under a known key id": lambda: sign(
        app_claims(), "stranger", header={"kid": "app-1"}
    ),
    "unknown key": lambda: attest(key="app-9"),
    "an ID token": lambda: sign(good_claims(), "app-1"),
    "expired": _with(exp=NOW - 6),
    "no expiry": _with(exp=None),
    "issued in the future": _with(iat=NOW + 6),
    "no issue time": _with(iat=None),
    "another project": lambda: attest(app_claims(project="other")),
    "an audience that is a text": _with(aud=f"projects/{PROJECT}"),
    "no audience": _with(aud=None),
    "another issuer": _with(iss=f"https://evil.example/{PROJECT_NUMBER}"),
    "another project's issuer": _with(iss="https://firebaseappcheck.googleapis.com/99"),
    "an issuer without a number": _with(iss="https://firebaseappcheck.googleapis.com/"),
    "no app": _with(sub=None),
    "an app that is no text": _with(sub=7),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_tokens_are_refused_in_the_same_words(name: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await app_check(ManualClock()).verify(BAD[name]())
    assert caught.value.message == REFUSED
    assert "X-Firebase-AppCheck" in REFUSED


async def test_without_a_project_every_token_is_refused_and_the_log_says_what_to_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    checker = app_check(ManualClock(), project=None)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await checker.verify(attest())
    said = [entry.message for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert len(said) == 1
    assert "GOOGLE_CLOUD_PROJECT" in said[0]


async def test_without_keys_nobody_is_refused_for_a_bad_token() -> None:
    keys = FakeKeys()
    keys.failure = OSError("no network")
    with pytest.raises(StoreUnavailable, match="App Check tokens cannot be checked"):
        await app_check(ManualClock(), keys).verify(attest())


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [{"kty": "EC", "kid": "a"}]}',
        b'{"keys": [{"kty": "RSA", "kid": 1, "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": 5, "e": "AQAB"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": ""}]}',
        b"nothing",
    ],
)
def test_a_key_set_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_jwks(body)


# ---------------------------------------------------------------------------- the three settings


class _AnyUser:
    """The token is the user's id; ``ck_`` ones are API keys."""

    async def authenticate(self, authorization: str | None) -> Identity:
        uid = bearer_token(authorization)
        return Identity(uid, by_key=uid.startswith("ck_"))


async def _fine(http: HttpRequest, send: Send, call: Call) -> None:
    await send_json(send, 200, call.headers(), {})


class World:
    """An application behind a rule."""

    def __init__(self, mode: str) -> None:
        self.clock = ManualClock()
        self.keys = FakeKeys()
        self.counters = Counters(self.clock)
        self.output = io.BytesIO()
        self.checker: AppCheck = app_check(self.clock, self.keys)
        self.app = EdgeApp(
            EdgeParts(
                function="chat",
                routes=Routes(exact={"/free": {"GET": _fine, "POST": _fine}}, patterns={}),
                authenticator=_AnyUser(),
                clock=self.clock,
                new_request_id=lambda given: given or "r",
                record=lambda call: None,
                record_crash=lambda call, error: None,
                cors=CorsPolicy(()),
                gate=Gate(
                    AppCheckRule(
                        self.checker,
                        "true" if mode == "true" else "log",
                        self.clock,
                        self.counters,
                        JsonLog(self.output, self.clock, "INFO"),
                    )
                ),
            )
        )

    async def ask(
        self, token: str | None = None, user: str = "alice", method: str = "GET"
    ) -> AsgiAnswer:
        headers = {"authorization": f"Bearer {user}"}
        if token is not None:
            headers[HEADER.decode()] = token
        return await call(self.app, "/free", method, headers=headers)

    @property
    def incidents(self) -> object:
        return self.counters.snapshot()["incidents"]

    def lines(self) -> list[JsonObject]:
        return [orjson.loads(line) for line in self.output.getvalue().splitlines()]


async def test_enforced_a_call_without_a_valid_token_is_401_and_says_what_to_send() -> None:
    world = World("true")
    for token in (None, "x.y.z"):
        answer = await world.ask(token)
        assert answer.status == 401
        error = answer.json()["error"]
        assert isinstance(error, dict)
        assert (error["code"], error["message"]) == ("unauthenticated", REFUSED)
    assert (await world.ask(attest())).status == 200
    assert (await world.ask(attest(), method="POST")).status == 200
    assert world.incidents == {"app_check_missing": 1, "app_check_invalid": 1}


async def test_health_and_who_has_no_token_at_all_never_get_that_far() -> None:
    world = World("true")
    assert (await call(world.app, "/health")).status == 200
    answer = await call(world.app, "/free")
    assert answer.status == 401
    assert REFUSED not in answer.text
    assert world.incidents == {}


async def test_an_api_key_needs_no_app() -> None:
    world = World("true")
    assert (await world.ask(user="ck_abc")).status == 200
    assert world.incidents == {}


async def test_enforced_without_googles_keys_it_is_503() -> None:
    world = World("true")
    world.keys.failure = OSError("no network")
    answer = await world.ask(attest())
    assert answer.status == 503
    assert "retry-after" in answer.headers


async def test_log_only_lets_everything_through_and_tells_once_a_minute() -> None:
    world = World("log")
    bad = "x.y.z-a-token-nobody-may-read"
    for _ in range(50):
        assert (await world.ask()).status == 200
        assert (await world.ask(bad)).status == 200
        assert (await world.ask(attest())).status == 200
    assert world.lines() == []
    world.clock.advance(TELL_EVERY_S)
    assert (await world.ask(attest())).status == 200
    (line,) = world.lines()
    assert (line["calls"], line["app_check_missing"], line["app_check_invalid"]) == (151, 50, 50)
    assert bad not in world.output.getvalue().decode()
    world.clock.advance(TELL_EVERY_S)
    await world.ask(attest())
    assert len(world.lines()) == 1
    assert world.incidents == {"app_check_missing": 50, "app_check_invalid": 50}


async def test_log_only_without_googles_keys_lets_everything_through() -> None:
    world = World("log")
    world.keys.failure = OSError("no network")
    assert (await world.ask(attest())).status == 200
    assert world.incidents == {"app_check_unchecked": 1}


def test_only_functions_that_users_call_want_an_app() -> None:
    """The worker and the crons are called by the platform, which has none."""

    async def main() -> None:
        house = House(REQUIRE_APP_CHECK="true")
        ticket: JsonObject = {"queue": "interactive"}
        sent = await house.call("/tasks/run", ticket, headers={}, function="worker")
        assert sent.status == 204
        sent = await house.call("/cron/health", {}, headers={}, function="health-cron")
        assert sent.status in (200, 204)
        for function, path in (
            ("chat", "/v1/models"),
            ("jobs", "/v1/jobs"),
            ("admin", "/admin/api/config"),
        ):
            sent = await house.call(path, function=function)
            assert (sent.status, sent.error()["message"]) == (401, REFUSED)
            key, _ = await house.services.api_keys.create("tester", "tool", "free", None)
            by_key = await house.call(
                path, headers={"authorization": f"Bearer {key}"}, function=function
            )
            assert by_key.status == (403 if function == "admin" else 200)

    run_virtual(main())
