"""Abuse, App Check and disabled accounts from outside, under ``make run``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.edge.identity import REJECTED
from tests.support.auth_emulator import (
    DISABLED,
    PROJECT,
    UNKNOWABLE,
    AuthEmulator,
    unsigned_token,
)
from tests.support.local_process import LocalProcess
from tests.support.openapi import check_answer
from tests.support.router_client import RouterClient
from tests.support.simulation import at

CHAT = "/v1/chat/completions"


@pytest.fixture
def usual(tmp_path: Path) -> Iterator[RouterClient]:
    """A system without any configuration."""
    process = LocalProcess(tmp_path)
    process.wait_ready()
    yield RouterClient(process.url)
    process.stop()


@pytest.fixture
def enforced(tmp_path: Path) -> Iterator[RouterClient]:
    """A system that takes calls from apps only."""
    process = LocalProcess(tmp_path, {"REQUIRE_APP_CHECK": "true"})
    process.wait_ready()
    yield RouterClient(process.url)
    process.stop()


def test_who_asks_on_at_the_limit_must_show_a_captcha_in_the_end(usual: RouterClient) -> None:
    statuses = [usual.chat().status for _ in range(230)]
    assert statuses[:210] == [200] * 10 + [429] * 200
    assert statuses[-1] == 403
    for refused in (usual.chat(), usual.chat(stream=True)):
        assert (refused.status, refused.error()["code"]) == (403, "captcha_required")
        check_answer(refused, "post", CHAT)
        assert "X-Firebase-AppCheck" in str(refused.error()["message"])
    assert usual.post("/v1/jobs/none/cancel", {}).status == 403
    assert usual.get("/v1/models").status == 200
    assert usual.signed_in_as("dev-bob").chat().status == 200
    stats = usual.signed_in_as("dev-admin").get("/admin/api/stats").json()
    assert at(stats, "now", "incidents", "blocked") == 1


def test_with_app_check_enforced_calls_need_a_token_and_pages_do_not(
    enforced: RouterClient,
) -> None:
    for answer in (enforced.get("/v1/models"), enforced.chat(), enforced.get("/v1/jobs")):
        assert (answer.status, answer.error()["code"]) == (401, "unauthenticated")
        assert "X-Firebase-AppCheck" in str(answer.error()["message"])
    stranger = enforced.signed_in_as(None).get("/v1/models")
    assert stranger.status == 401
    assert "X-Firebase-AppCheck" not in str(stranger.error()["message"])
    assert enforced.signed_in_as(None).get("/health").status == 200
    assert enforced.signed_in_as(None).get("/").status in (200, 503)  # 503: being built


@pytest.fixture
def emulated(tmp_path: Path) -> Iterator[RouterClient]:
    """A system that asks the Auth emulator about accounts."""
    emulator = AuthEmulator()
    process = LocalProcess(
        tmp_path,
        {
            "FIREBASE_AUTH_EMULATOR_HOST": emulator.host,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CHECK_REVOKED": "true",
        },
    )
    process.wait_ready()
    yield RouterClient(process.url)
    process.stop()
    emulator.stop()


def test_a_disabled_account_may_look_but_neither_spend_nor_change(
    emulated: RouterClient,
) -> None:
    fine = emulated.signed_in_as(unsigned_token("alice"))
    disabled = emulated.signed_in_as(unsigned_token(DISABLED + "bob"))
    assert fine.chat().status == 200
    for answer in (
        disabled.chat(),
        disabled.chat(stream=True),
        disabled.post("/v1/embeddings", {"model": "auto", "input": "Hi"}),
        disabled.post("/v1/jobs/none/cancel", {}),
        disabled.patch("/admin/api/config", {}),
    ):
        assert (answer.status, answer.error()["message"]) == (401, REJECTED)
    assert disabled.get("/v1/models").status == 200
    assert emulated.signed_in_as("dev-carol").chat().status == 200
    stranger = emulated.signed_in_as(unsigned_token(UNKNOWABLE + "eve")).chat()
    assert (stranger.status, stranger.error()["code"]) == (503, "store_unavailable")
    assert "retry-after" in stranger.headers
    assert "127.0.0.1" not in str(stranger.error()["message"])
