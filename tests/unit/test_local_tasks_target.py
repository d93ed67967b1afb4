"""What the runner takes for an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from local.tasks_target import HttpTarget, TaskAnswer
from tests.support.wire_server import Cut, Reply, Reset, WireServer, head, plain


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def test_task_is_posted_with_its_headers_and_the_targets_own(
    session: aiohttp.ClientSession,
) -> None:
    async with WireServer([plain(b"ok")]) as server:
        target = HttpTarget(session, server.url + "/worker/", {"authorization": "Bearer x"})
        answer = await target.post("/run?a=%2F", {"x-job": "j"}, b"\x00body")
        assert answer == TaskAnswer(200)
        assert answer.succeeded
        (seen,) = server.requests
        assert (seen.method, seen.path, seen.body) == ("POST", "/worker/run?a=%2F", b"\x00body")
        assert (seen.headers["x-job"], seen.headers["authorization"]) == ("j", "Bearer x")


@pytest.mark.parametrize("status", [302, 400, 404, 409, 429, 500, 503])
async def test_all_but_2xx_is_no_success(session: aiohttp.ClientSession, status: int) -> None:
    async with WireServer([plain(status=status, headers={"Location": "/elsewhere"})]) as server:
        answer = await HttpTarget(session, server.url).post("/run", {}, b"")
        assert (answer.status, answer.succeeded) == (status, False)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "expected"), [("7", 7.0), ("", 0.0), ("-1", 0.0), ("soon", 0.0), ("²", 0.0)]
)
async def test_wait_asked_for_is_a_number_of_seconds(
    session: aiohttp.ClientSession, header: str, expected: float
) -> None:
    async with WireServer([plain(status=503, headers={"Retry-After": header})]) as server:
        answer = await HttpTarget(session, server.url).post("/run", {}, b"")
        assert answer == TaskAnswer(503, expected)


@pytest.mark.parametrize(
    "reply",
    [
        Reply((Cut(),)),
        Reply((Reset(),)),
        Reply((head(200, {"Content-Length": "10"}) + b"half", Cut())),
        Reply((b"this is no HTTP\r\n\r\n", Cut())),
    ],
    ids=["closed", "reset", "cut", "nonsense"],
)
async def test_what_is_cut_off_is_no_answer(session: aiohttp.ClientSession, reply: Reply) -> None:
    async with WireServer([reply]) as server:
        assert await HttpTarget(session, server.url).post("/run", {}, b"") == TaskAnswer(None)


async def test_nobody_there_is_no_answer(session: aiohttp.ClientSession) -> None:
    async with WireServer([plain()]) as server:
        url = server.url
    assert await HttpTarget(session, url).post("/run", {}, b"") == TaskAnswer(None)
