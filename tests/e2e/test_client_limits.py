"""A caller's own limit from outside: ten requests a minute by default, told in every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.local_process import LocalProcess
from tests.support.openapi import check_answer
from tests.support.router_client import RouterClient

CHAT = "/v1/chat/completions"


@pytest.fixture
def usual(tmp_path: Path) -> Iterator[RouterClient]:
    """A system without any configuration."""
    process = LocalProcess(tmp_path)
    process.wait_ready()
    yield RouterClient(process.url)
    process.stop()


def test_the_eleventh_request_of_a_minute_is_refused_and_told_when_to_come_back(
    usual: RouterClient,
) -> None:
    left = []
    for _ in range(10):
        answer = usual.chat(model="cerebras-gpt-oss-120b")
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "10"
        left.append(int(answer.headers["x-ratelimit-remaining-requests"]))
    assert left == list(range(9, -1, -1))
    for stream in (False, True):
        refused = usual.chat(stream=stream)
        assert (refused.status, refused.error()["code"]) == (429, "rate_limited")
        check_answer(refused, "post", CHAT)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert usual.get("/v1/models").status == 200
    assert usual.post("/v1/route", {"messages": [{"role": "user", "content": "Hi"}]}).status == 200
    assert usual.signed_in_as("dev-bob").chat().status == 200
