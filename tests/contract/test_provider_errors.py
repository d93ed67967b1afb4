"""The error mapping on recorded bodies of each provider, at every stage it can arrive.

A line is an error as a provider sends it. It is sent as an error response to a plain call and to a
stream, inside a 200, as the first event of a stream, and in the middle of one.
"""

from __future__ import annotations

import pytest

from shared.errors import ProviderFailure
from shared.providers.http import HttpPool
from tests.support.error_line import Line, openai
from tests.support.provider_calls import (
    KEY,
    PATIENT,
    adapter,
    card,
    chat_call,
    text_of,
    until_failure,
)
from tests.support.recorded_errors import RECORDED
from tests.support.virtual_time import START_WALL
from tests.support.wire_server import Reply, WireServer, chunked, data, plain

TABLE = [
    pytest.param(provider, line, id=f"{provider}: {line.name}")
    for provider, lines in RECORDED.items()
    for line in lines
]
STRUCTURED = [
    param
    for param in TABLE
    if isinstance(line := param.values[1], Line) and isinstance(line.body, dict)
]


async def failure_of(provider: str, reply: Reply, *, stream: bool) -> tuple[ProviderFailure, str]:
    """The failure of one call, and the text that came before."""
    async with WireServer([reply]) as server:
        pool = HttpPool()
        own = adapter(provider, server.url, pool, lambda: START_WALL)
        call = chat_call(model=card(provider))
        try:
            if stream:
                chunks, failure = await until_failure(own.stream(call, PATIENT))
                assert failure is not None
                return failure, text_of(chunks)
            with pytest.raises(ProviderFailure) as caught:
                await own.complete(call, PATIENT)
            return caught.value, ""
        finally:
            await pool.close()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("provider", "line"), TABLE)
async def test_an_error_status(provider: str, line: Line, stream: bool) -> None:
    reply = plain(line.body, line.status, line.headers, line.content_type)
    failure, _ = await failure_of(provider, reply, stream=stream)
    assert type(failure) is line.expected
    assert failure.provider == provider
    assert failure.status == line.status
    assert failure.wait_s == (None if line.wait_s is None else pytest.approx(line.wait_s))
    assert failure.window == line.window
    assert failure.param == line.param


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("provider", "line"), STRUCTURED)
async def test_the_same_error_inside_a_200(provider: str, line: Line, stream: bool) -> None:
    failure, _ = await failure_of(provider, plain(line.body, 200, line.headers), stream=stream)
    assert type(failure) is (line.inside or line.expected)


@pytest.mark.parametrize("before", ["", "Hello"], ids=["first", "later"])
@pytest.mark.parametrize(("provider", "line"), STRUCTURED)
async def test_the_same_error_as_an_event(provider: str, line: Line, before: str) -> None:
    text = {"choices": [{"index": 0, "delta": {"content": before}}]}
    reply = chunked([data(text), data(line.body)], headers=line.headers)
    failure, came = await failure_of(provider, reply, stream=True)
    assert type(failure) is (line.inside or line.expected)
    assert came == before


@pytest.mark.parametrize(("provider", "line"), TABLE)
async def test_what_a_client_may_be_told_is_clean(provider: str, line: Line) -> None:
    reply = plain(line.body, line.status, line.headers, line.content_type)
    failure, _ = await failure_of(provider, reply, stream=False)
    assert len(failure.message) <= 400
    for secret in ("org_", "https://", "<html", "<body", "secret()", "\n"):
        assert secret not in failure.message


async def test_a_key_in_an_error_is_cut_out() -> None:
    body = openai(
        f"Bad key {KEY} (Authorization: Bearer {KEY}), see https://x.test/?key={KEY}; "
        "AIzaSyA123456",
        "invalid_request_error",
    )
    failure, _ = await failure_of("groq", plain(body, 400), stream=False)
    assert KEY not in failure.message
    assert "AIza" not in failure.message
    assert "x.test" not in failure.message
    assert failure.message.startswith("groq answered 400: Bad key")


async def test_a_long_error_is_shortened() -> None:
    failure, _ = await failure_of("groq", plain(openai("ä" * 9000, "x"), 400), stream=False)
    assert len(failure.message) < 400
