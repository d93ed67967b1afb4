"""Revoked, disabled and deleted accounts, and what finding out costs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization

from infra.package import ROOT
from shared.edge.google_calls import (
    CALL_TIMEOUT_S,
    RENEW_BEFORE_S,
    GoogleCalls,
    OwnAccount,
    app_check_consumer,
    emulator_owner,
)
from shared.edge.identity import REJECTED, Identity
from shared.edge.revocation import (
    KNOWN_S,
    MAX_KNOWN,
    RETRY_S,
    TRUSTED_S,
    Account,
    Revocation,
    account_lookup,
)
from shared.errors import StoreUnavailable, Unauthenticated
from shared.providers.http import HttpPool
from tests.support.tokens import PROJECT, private_key
from tests.support.virtual_time import START_WALL, ManualClock

ALICE = Identity("alice", auth_time=START_WALL - 600)
FINE = Account(disabled=False, valid_since=0.0)


class World:
    """Accounts that change, and a count of the look-ups."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.accounts: dict[str, Account] = {"alice": FINE}
        self.down = False
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.revocation = Revocation(self.lookup, self.clock)

    async def lookup(self, uid: str) -> Account | None:
        self.asked.append(uid)
        await self.gate.wait()
        if self.down:
            raise StoreUnavailable("no answer")
        return self.accounts.get(uid)

    async def refused(self, identity: Identity = ALICE) -> None:
        with pytest.raises(Unauthenticated) as caught:
            await self.revocation.check(identity)
        assert caught.value.message == REJECTED


async def test_an_account_in_order_costs_one_look_up_a_minute() -> None:
    world = World()
    for _ in range(100):
        await world.revocation.check(ALICE)
        world.clock.advance(0.5)
    assert world.asked == ["alice"]
    world.clock.advance(KNOWN_S)
    await world.revocation.check(ALICE)
    assert world.asked == ["alice"] * 2


@pytest.mark.parametrize(
    "account", [None, Account(True, 0.0), Account(False, START_WALL - 599)], ids=str
)
async def test_who_may_no_longer_sign_in_is_refused_within_a_minute(
    account: Account | None,
) -> None:
    world = World()
    await world.revocation.check(ALICE)
    if account is None:
        del world.accounts["alice"]
    else:
        world.accounts["alice"] = account
    world.clock.advance(KNOWN_S)
    await world.refused()
    await world.refused()
    assert len(world.asked) == 2


async def test_a_sign_in_after_the_revocation_counts() -> None:
    world = World()
    world.accounts["alice"] = Account(False, START_WALL - 600)
    await world.revocation.check(ALICE)
    await world.refused(Identity("alice", auth_time=START_WALL - 601))


async def test_the_keys_of_a_disabled_account_are_refused_and_no_session_ends_them() -> None:
    world = World()
    key = Identity("alice", by_key=True)
    world.accounts["alice"] = Account(False, START_WALL)
    await world.revocation.check(key)
    world.accounts["alice"] = Account(True, START_WALL)
    world.clock.advance(KNOWN_S)
    await world.refused(key)


async def test_who_did_not_come_through_firebase_is_not_looked_up() -> None:
    world = World()
    await world.revocation.check(Identity("somebody"))
    assert world.asked == []


async def test_a_crowd_of_one_users_calls_asks_once() -> None:
    world = World()
    world.gate.clear()
    crowd = [asyncio.create_task(world.revocation.check(ALICE)) for _ in range(20)]
    await asyncio.sleep(0)
    crowd[0].cancel()  # the caller that began the look-up leaves: the others still get theirs
    await asyncio.sleep(0)
    world.gate.set()
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert ended[1:] == [None] * 19
    assert world.asked == ["alice"]


async def test_without_an_answer_nobody_new_is_let_in() -> None:
    world = World()
    world.down = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await world.revocation.check(ALICE)
    world.down = False
    await world.revocation.check(ALICE)


async def test_without_an_answer_who_was_fine_goes_on_for_five_minutes() -> None:
    world = World()
    await world.revocation.check(ALICE)
    world.down = True
    world.clock.advance(KNOWN_S)
    await world.revocation.check(ALICE)
    await world.revocation.check(ALICE)
    assert len(world.asked) == 2
    world.clock.advance(RETRY_S)
    await world.revocation.check(ALICE)
    assert len(world.asked) == 3
    world.clock.advance(TRUSTED_S)
    with pytest.raises(StoreUnavailable):
        await world.revocation.check(ALICE)


async def test_known_accounts_are_few() -> None:
    world = World()
    for number in range(MAX_KNOWN + 1):
        world.accounts[f"u{number}"] = FINE
        await world.revocation.check(Identity(f"u{number}", auth_time=START_WALL))
    await world.revocation.check(Identity(f"u{MAX_KNOWN}", auth_time=START_WALL))
    assert len(world.asked) == MAX_KNOWN + 1
    await world.revocation.check(Identity("u0", auth_time=START_WALL))
    assert len(world.asked) == MAX_KNOWN + 2


# -------------------------------------------------------------------------------- over the wire


class Google:
    """Both interfaces on a socket."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: object = {}
        self.seen: list[tuple[str, str, object]] = []

    async def serve(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"]
        self.seen.append((request.path, token, await request.json()))
        return web.json_response(self.answer, status=self.status)

    async def start(self) -> TestServer:
        app = web.Application()
        app.router.add_post("/{path:.*}", self.serve)
        server = TestServer(app)
        await server.start_server()
        return server


async def test_accounts_are_looked_up_as_identity_toolkit_says() -> None:
    google, pool = Google(), HttpPool()
    async with await google.start() as server:
        lookup = account_lookup(
            GoogleCalls(pool, emulator_owner), "demo", f"127.0.0.1:{server.port}"
        )
        google.answer = {"users": [{"localId": "a", "validSince": "1795435200"}]}
        assert await lookup("a") == Account(False, START_WALL)
        google.answer = {"users": [{"localId": "a", "disabled": True}]}
        assert await lookup("a") == Account(True, 0.0)
        google.answer = {"kind": "identitytoolkit#GetAccountInfoResponse"}
        assert await lookup("a") is None
        path = "/identitytoolkit.googleapis.com/v1/projects/demo/accounts:lookup"
        assert google.seen[0] == (path, "Bearer owner", {"localId": ["a"]})
        for status in (400, 401, 403, 429, 500, 503):
            google.status = status
            with pytest.raises(StoreUnavailable) as caught:
                await lookup("a")
            assert "127.0.0.1" not in caught.value.message
    with pytest.raises(StoreUnavailable):
        await lookup("a")
    await pool.close()


async def test_a_used_up_token_is_known_to_google() -> None:
    google, pool = Google(), HttpPool()
    async with await google.start() as server:
        base = str(server.make_url("")).rstrip("/")
        consume = app_check_consumer(GoogleCalls(pool, emulator_owner), "demo", base)
        assert await consume("token-1")
        google.answer = {"alreadyConsumed": True}
        assert not await consume("token-1")
        google.answer, google.status = {"error": {}}, 403
        assert not await consume("token-1")
        google.status = 500
        with pytest.raises(StoreUnavailable):
            await consume("token-1")
    path = "/v1beta/projects/demo:verifyAppCheckToken"
    assert google.seen[0] == (path, "Bearer owner", {"appCheckToken": "token-1"})
    await pool.close()


async def test_the_houses_own_token_is_fetched_once_and_renewed_in_time() -> None:
    clock = ManualClock()
    fetched: list[str] = []

    def fetch() -> tuple[str, float]:
        fetched.append(f"token-{len(fetched)}")
        return fetched[-1], clock.wall() + 3600

    own = OwnAccount(clock, fetch)
    assert await asyncio.gather(*(own.bearer() for _ in range(5))) == ["token-0"] * 5
    clock.advance(3600 - RENEW_BEFORE_S)
    assert await own.bearer() == "token-1"


async def test_without_credentials_it_is_503_and_tried_again() -> None:
    def fetch() -> tuple[str, float]:
        raise StoreUnavailable("no credentials")

    own = OwnAccount(ManualClock(), fetch)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await own.bearer()
    assert CALL_TIMEOUT_S < 5


PROBE = """
import asyncio, sys
from shared.clock import SystemClock
from shared.edge.google_calls import OwnAccount, default_token

assert "google.auth" not in sys.modules
own = OwnAccount(SystemClock(), default_token)
print(asyncio.run(own.bearer()))
"""


async def test_the_environments_own_credentials_sign_the_house_in(tmp_path: Path) -> None:
    """A key file stands for the metadata server: google-auth treats them alike."""
    asked: list[bytes] = []

    async def token(request: web.Request) -> web.Response:
        asked.append(await request.read())
        return web.json_response({"access_token": "own-token", "expires_in": 3600})

    app = web.Application()
    app.router.add_post("/token", token)
    server = TestServer(app)
    await server.start_server()
    key = private_key("key-1").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key": key.decode(),
        "client_email": "chat@project.iam.gserviceaccount.com",
        "token_uri": str(server.make_url("/token")),
    }
    file = tmp_path / "account.json"
    for content, expected in ((json.dumps(account), "own-token\n"), ("{}", "")):
        file.write_text(content)
        probe = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROBE),
            env={"PYTHONPATH": str(ROOT), "GOOGLE_APPLICATION_CREDENTIALS": str(file)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await probe.communicate()
        assert out.decode() == expected, errors.decode()
    assert b"StoreUnavailable" in errors
    assert len(asked) == 1
    await server.close()
