"""P75-P77 at the edge: ten thousand requests of user A over every endpoint of the public functions.

Methods, paths, headers and bodies are drawn by a fixed seed. None finds, changes or deletes what is
user B's, none ends in a fault of ours, and no token, key or text of B's is in an answer or the log.
"""

from __future__ import annotations

import asyncio
import json
import random

from shared.edge.certificates import CertificateSource
from shared.edge.firebase_tokens import FirebaseAuthenticator
from shared.errors import QuotaExceeded
from shared.messages import JsonObject, JsonValue
from shared.providers.base import ProviderCall
from tests.support.edge_driver import House, Sent
from tests.support.fake_provider import OK, Act, fails
from tests.support.tokens import (
    PROJECT,
    FakeCertificates,
    app_claims,
    good_claims,
    sign,
    unsigned,
)
from tests.support.virtual_time import VirtualClock, run_virtual

REQUESTS = 10_000
FUNCTIONS = ("chat", "jobs", "admin")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW")
MARK = "bobs-violet-umbrella"
BOB = "bob-5521"
ALICE_TOKEN = sign(good_claims("alice"))
BOB_TOKEN = sign(good_claims(BOB))
APP_TOKEN = sign(app_claims(), "app-1")
BAD_TOKENS = (
    unsigned(good_claims(BOB)),
    sign(good_claims(BOB), "stranger", header={"kid": "key-1"}),
    sign({**good_claims(BOB), "exp": 1}),
    "dev-admin",
    f"dev-{BOB}",
    "ck_" + "0" * 40,
)


class Full:
    """Providers at their limit until told otherwise."""

    def __init__(self) -> None:
        self.full = True

    def __call__(self, _call: ProviderCall, _nth: int) -> Act:
        return fails(QuotaExceeded, wait_s=8.0) if self.full else OK


class Fuzz:
    """Draws requests. ``ids`` are those of B's objects."""

    def __init__(self, house: House, ids: list[str], bodies: list[JsonObject]) -> None:
        self._rng = random.Random(75)
        self._house = house
        self._ids = ids
        self._bodies = bodies
        self._paths = {
            name: [
                *house.services.app(name).routes.exact,
                *house.services.app(name).routes.patterns,
            ]
            for name in FUNCTIONS
        }

    async def ask(self) -> tuple[Sent, list[str]]:
        """One request; the answer, and the secrets that were sent with it."""
        rng = self._rng
        function = rng.choice(FUNCTIONS)
        token, headers = self._headers()
        sent = await self._house.call(
            self._path(function),
            self._body(),
            method=rng.choice(METHODS) if rng.random() < 0.5 else rng.choice(("GET", "POST")),
            headers=headers,
            function=function,
        )
        return sent, [token] if len(token) > 8 else []

    def _path(self, function: str) -> str:
        rng = self._rng
        if rng.random() < 0.05:
            return "/" + self._text(60)
        path = rng.choice(self._paths[function])
        found = rng.choice([*self._ids, f"../{BOB}", self._text(30), "", "a/b", "%2e%2e"])
        path = path.replace("{id}", found)
        return path if rng.random() < 0.8 else f"{path}?limit={self._text(8)}&uid={BOB}"

    def _headers(self) -> tuple[str, dict[str, str]]:
        rng = self._rng
        token = ALICE_TOKEN
        if rng.random() < 0.2:
            token = rng.choice([*BAD_TOKENS, self._text(80), ""])
        headers = {"authorization": f"Bearer {token}"}
        for name, value in (
            ("x-firebase-appcheck", rng.choice([APP_TOKEN, self._text(50)])),
            ("x-forwarded-for", rng.choice(["203.0.113.7", self._text(30), ",,,", "::1"])),
            ("x-request-id", self._text(40)),
            ("idempotency-key", self._text(20)),
            ("content-type", rng.choice(["application/json", "multipart/form-data", "text/x"])),
            ("origin", rng.choice(["https://evil.example", "null", self._text(20)])),
            ("prefer", "respond-async"),
        ):
            if rng.random() < 0.3:
                headers[name] = value
        return token, headers

    def _body(self) -> JsonObject | bytes:
        rng = self._rng
        kind = rng.random()
        if kind < 0.3:
            return rng.choice(self._bodies)
        if kind < 0.7:
            body = dict(rng.choice(self._bodies))
            body[rng.choice([*body, "uid", "user", "user_id", "id", "data"])] = self._json(3)
            return body
        if kind < 0.85:
            return json.dumps(self._json(4)).encode("utf-8", "surrogatepass")
        return rng.randbytes(rng.randrange(200))

    def _json(self, depth: int) -> JsonValue:
        rng = self._rng
        kind = rng.randrange(8 if depth else 6)
        if kind < 6:
            plain: list[JsonValue] = [None, True, rng.randrange(-9, 99), 1e300, self._text(20), BOB]
            return plain[kind]
        if kind == 6:
            return [self._json(depth - 1) for _ in range(rng.randrange(4))]
        return {self._text(8): self._json(depth - 1) for _ in range(rng.randrange(4))}

    def _text(self, longest: int) -> str:
        rng = self._rng
        return "".join(chr(rng.randrange(1, 256)) for _ in range(rng.randrange(1, longest)))


async def _house() -> tuple[House, Full]:
    full, clock = Full(), VirtualClock(asyncio.get_running_loop())
    authenticator = FirebaseAuthenticator(
        PROJECT,
        CertificateSource(FakeCertificates("key-1"), clock),
        clock,
        emulator=False,
        allow_anonymous=True,
    )
    names = ("groq", "cerebras", "google", "huggingface")
    return House(dict.fromkeys(names, full), authenticator, REQUIRE_APP_CHECK="log"), full


async def _as_bob(house: House, path: str, body: JsonObject | None = None) -> JsonObject:
    headers = {"authorization": f"Bearer {BOB_TOKEN}"}
    function = "jobs" if path.startswith("/v1/jobs") else "chat"
    sent = await house.call(path, body, headers=headers, function=function)
    assert sent.status in (200, 201, 202), sent.body
    return sent.json()


def test_p75_p76_p77_ten_thousand_requests_find_nothing_of_another_user() -> None:
    run_virtual(_fuzz())


async def _fuzz() -> None:
    house, full = await _house()
    chat: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": MARK}]}
    job = await _as_bob(house, "/v1/chat/completions", {**chat, "codeex": {"patience_seconds": 0}})
    key = await _as_bob(house, "/v1/me/keys", {"name": MARK})
    full.full = False
    secret, ids = str(key["key"]), [str(job["id"]), str(key["id"])]
    plain: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}
    bodies: list[JsonObject] = [
        plain,
        {**plain, "stream": True},
        {"model": "auto", "input": "Hello!"},
        {"name": "mine"},
        {"language": "de"},
        {"data": {"prompt": "Hello!"}},
        {"data": {"op": "get", "id": ids[0]}},
        {"data": {"op": "cancel", "id": ids[0]}},
        {"data": {"op": "list"}},
        {"version": 0},
    ]
    hidden = [part.encode() for part in (MARK, BOB_TOKEN, secret)]
    keys = [settings.api_key for settings in house.services.settings.providers.values()]
    hidden += [one.encode() for one in keys if one]
    fuzz = Fuzz(house, ids, bodies)
    statuses: dict[int, int] = {}
    for _ in range(REQUESTS):
        sent, tokens = await fuzz.ask()
        statuses[sent.status] = statuses.get(sent.status, 0) + 1
        assert 200 <= sent.status < 500, sent.body
        for part in (*hidden, *(token.encode("latin-1") for token in tokens)):
            assert part not in sent.body
            assert part not in "".join(sent.headers.values()).encode()
    assert {200, 400, 401, 403, 404, 405} <= set(statuses), statuses
    log = house.lines.data
    for part in (*hidden, ALICE_TOKEN.encode(), APP_TOKEN.encode(), *map(str.encode, BAD_TOKENS)):
        assert part not in log
    assert (await _as_bob(house, f"/v1/jobs/{ids[0]}"))["status"] == "queued"
    (left,) = _rows(await _as_bob(house, "/v1/me/keys"))
    assert left["id"] == ids[1]
    await house.services.close()


def _rows(body: JsonObject) -> list[JsonObject]:
    data = body["data"]
    assert isinstance(data, list)
    return [row for row in data if isinstance(row, dict)]
