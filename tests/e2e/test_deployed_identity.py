"""Tokens at a deployed function, over a socket: who gets in, and that strangers learn nothing."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from infra.package import ROOT
from shared.accounts.key_text import new_key
from shared.edge.identity import REJECTED
from tests.support.function_process import Answer, FunctionProcess
from tests.support.tokens import (
    PROJECT,
    app_claims,
    certificates,
    good_claims,
    jwks,
    public_key_pem,
    sign,
    sign_hs256,
    unsigned,
)

NOW = time.time()
GOOD = good_claims("alice", now=NOW)
MODELS = "/v1/models"


def _changed(**changes: object) -> str:
    return sign({**GOOD, **changes})


def _forged() -> str:
    head, payload, _ = sign({**GOOD, "sub": "root", "admin": True}).split(".")
    return f"{head}.{payload}.{sign(GOOD).rsplit('.', 1)[1]}"


BAD: dict[str, Callable[[], str]] = {
    "forged": _forged,
    "signed by a stranger": lambda: sign(GOOD, "stranger", header={"kid": "key-1"}),
    "signed with an unknown key": lambda: sign(GOOD, "key-9"),
    "expired": lambda: _changed(exp=int(NOW) - 60),
    "from the future": lambda: _changed(iat=int(NOW) + 600),
    "signed in in the future": lambda: _changed(auth_time=int(NOW) + 600),
    "of another project": lambda: sign(good_claims("alice", project="foreign", now=NOW)),
    "for another audience": lambda: _changed(aud="another"),
    "of another issuer": lambda: _changed(iss=f"https://evil.example/{PROJECT}"),
    "unsigned": lambda: unsigned(GOOD),
    "HS256 with the public key": lambda: sign_hs256(GOOD, public_key_pem("key-1")),
    "an App Check token": lambda: sign(app_claims(now=NOW), "app-1"),
    "a dev token": lambda: "dev-alice",
    "the dev administrator": lambda: "dev-admin",
    "garbage": lambda: "x",
    "an API key nobody made": lambda: new_key(random.Random(1)),
    "an API key that is none": lambda: "ck_0123456789",
}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionProcess]:
    """The deployed chat function; App Check is noted and not enforced."""
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "certificates.json").write_bytes(certificates("key-1"))
    (folder / "jwks.json").write_bytes(jwks("app-1"))
    process = FunctionProcess(
        ROOT,
        {
            "PYTHONPATH": ".",
            "K_SERVICE": "chat",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CODEEX_DATA_DIR": str(folder / "data"),
            "TEST_KEYS": str(folder),
            "REQUIRE_APP_CHECK": "log",
            "LOG_LEVEL": "debug",
        },
        folder / "output.txt",
        arguments=("--source", "tests/support/deployed_chat.py"),
    )
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


def ask(function: FunctionProcess, token: str, **more: str) -> Answer:
    return function.call(MODELS, headers={"Authorization": f"Bearer {token}", **more})


def test_a_good_token_gets_in(function: FunctionProcess) -> None:
    assert ask(function, sign(GOOD)).status == 200
    app = sign(app_claims(now=NOW), "app-1")
    assert ask(function, sign(GOOD), **{"X-Firebase-AppCheck": app}).status == 200


def test_every_bad_token_gets_the_same_answer(function: FunctionProcess) -> None:
    assert ask(function, sign(GOOD)).status == 200
    seen = set()
    for name, build in BAD.items():
        answer = ask(function, build(), **{"X-Request-Id": "the-same-one"})
        assert answer.status == 401, name
        error = answer.json()["error"]
        assert isinstance(error, dict)
        assert (error["code"], error["message"]) == ("unauthenticated", REJECTED), name
        headers = {key: value for key, value in answer.headers.items() if key != "date"}
        seen.add((answer.text, tuple(sorted(headers.items()))))
    assert len(seen) == 1


def test_no_bad_token_takes_longer_than_the_others(function: FunctionProcess) -> None:
    """The signature is checked in 0.05 ms; what a stranger could measure are milliseconds."""
    tokens = {name: build() for name, build in BAD.items()}
    times: dict[str, list[float]] = {name: [] for name in tokens}
    for _ in range(15):
        for name, token in tokens.items():
            begun = time.perf_counter()
            assert ask(function, token).status == 401
            times[name].append(time.perf_counter() - begun)
    best = {name: statistics.median(taken) for name, taken in times.items()}
    assert max(best.values()) - min(best.values()) < 0.01, best


def test_no_administrator_without_the_claim(function: FunctionProcess) -> None:
    """The claim is inside what is signed."""
    assert ask(function, sign({**GOOD, "admin": True})).status == 200
    assert ask(function, _forged()).status == 401


def test_no_token_is_in_any_answer_or_log_line(function: FunctionProcess) -> None:
    good, app = sign({**GOOD, "sub": "carol"}), sign(app_claims(now=NOW - 1), "app-1")
    sent = [good, app]
    assert ask(function, good, **{"X-Firebase-AppCheck": app}).status == 200
    for build in BAD.values():
        token = build()
        sent.append(token)
        for headers in (
            {"Authorization": f"Bearer {token}"},
            {"Authorization": f"Bearer {good}", "X-Firebase-AppCheck": token},
        ):
            answer = function.call(MODELS, headers=headers)
            assert answer.status in (200, 401)
            assert token not in answer.text or len(token) < 5
    for token in sent:
        for part in token.split("."):
            assert len(part) < 10 or part not in function.output, part
    assert '"status": 401' in function.output or '"status":401' in function.output
