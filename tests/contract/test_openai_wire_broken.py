"""Streamed answers over the OpenAI wire: what breaks, falls silent or is closed."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import (
    BadToolCall,
    ConnectionFailed,
    EmptyAnswer,
    FirstByteTimeout,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    StreamCut,
    StreamStalled,
)
from shared.providers.http import HttpPool
from shared.providers.openai_wire import END_GRACE_S
from tests.support.openai_events import (
    DONE,
    HELLO,
    ROLE,
    SHORT,
    STOP,
    USAGE_EVENT,
    WORLD,
    event,
    stream,
    whole,
)
from tests.support.provider_calls import (
    PATIENT,
    adapter,
    chat_call,
    read_all,
    text_of,
)
from tests.support.virtual_time import run_virtual
from tests.support.wire_server import (
    Cut,
    Hang,
    Pause,
    Reply,
    Reset,
    Step,
    WireServer,
    chunked,
    data,
    head,
    plain,
)

BROKEN: list[tuple[list[Step], type[ProviderFailure]]] = [
    ([ROLE], StreamCut),
    ([b""], StreamCut),
    ([ROLE, HELLO], StreamCut),
    ([ROLE, HELLO, Cut()], StreamCut),
    ([ROLE, HELLO, Reset()], StreamCut),
    ([ROLE, HELLO + WORLD[:30]], StreamCut),
    ([ROLE, HELLO + WORLD[:30], Cut()], StreamCut),
    ([DONE], EmptyAnswer),
    ([ROLE, STOP, USAGE_EVENT, DONE], EmptyAnswer),
    ([ROLE, event(finish_reason="length"), DONE], EmptyAnswer),
    ([event({"reasoning": "hm"}), STOP, DONE], EmptyAnswer),
    ([ROLE, event(finish_reason="content_filter"), DONE], Refused),
    ([HELLO, event(finish_reason="error")], Overloaded),
    ([HELLO, event(finish_reason="abort")], StreamCut),
    ([data('{"choices": [')], MalformedAnswer),
    ([HELLO, data("{truncated")], MalformedAnswer),
    ([HELLO, data("\udcff".encode("utf-8", "surrogateescape"))], MalformedAnswer),
    ([data([1])], MalformedAnswer),
    ([data({})], MalformedAnswer),
    ([data({"choices": 1})], MalformedAnswer),
    ([data({"choices": {"a": 1}})], MalformedAnswer),
    ([data({"choices": [1]})], MalformedAnswer),
    ([data({"choices": [{"delta": 1}]})], MalformedAnswer),
    ([data({"choices": [{"delta": "x"}]})], MalformedAnswer),
    ([event({"content": 1})], MalformedAnswer),
    ([event({"content": {"a": 1}})], MalformedAnswer),
    ([event({"reasoning": 1})], MalformedAnswer),
    ([event({"refusal": 1})], MalformedAnswer),
    ([event({"tool_calls": 1})], MalformedAnswer),
    ([event({"tool_calls": [1]})], MalformedAnswer),
    ([event({"tool_calls": [{"index": "0"}]})], MalformedAnswer),
    ([event({"tool_calls": [{"index": 10**6}]})], MalformedAnswer),
    ([event({"tool_calls": [{"index": 0, "function": 1}]})], MalformedAnswer),
    ([event({"tool_calls": [{"index": 0, "id": 1}]})], MalformedAnswer),
    ([event({"content": "a"}, 1)], MalformedAnswer),
    ([event({"content": "a"}, index="x")], MalformedAnswer),
    ([event({"content": "a"}, index=-1)], MalformedAnswer),
    ([event({"content": "a"}, index=True)], MalformedAnswer),
    ([event({"tool_calls": [{"index": 0, "id": "a"}]}), STOP], MalformedAnswer),
    (
        [
            event({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"a'}}]}),
            event(finish_reason="tool_calls"),
        ],
        BadToolCall,
    ),
    ([b"<html><title>Bad Gateway</title></html>"], MalformedAnswer),
    ([b"plain words, no event"], StreamCut),
]


@pytest.mark.parametrize(("steps", "expected"), BROKEN)
async def test_what_is_no_whole_answer_is_a_failure(
    steps: list[Step], expected: type[ProviderFailure]
) -> None:
    chunks, failure, _ = await stream(chunked(steps))
    assert type(failure) is expected
    assert "Hello wörld".startswith(text_of(chunks)) or text_of(chunks) in ("a", "b")


async def test_an_event_without_end_is_refused() -> None:
    flood: list[Step] = [b"data: " + b"x" * 3_000_000, b"y" * 3_000_000]
    assert isinstance((await stream(chunked(flood)))[1], MalformedAnswer)


ERRORS: list[tuple[bytes, type[ProviderFailure]]] = [
    (data({"error": {"message": "Rate limit", "code": "rate_limit_exceeded"}}), QuotaExceeded),
    (data({"error": {"message": "boom", "type": "server_error"}}), Overloaded),
    (data({"error": {"message": "x", "code": 429}}), QuotaExceeded),
    (data({"error": "Model overloaded", "error_type": "overloaded"}), Overloaded),
    (data({"message": "busy", "code": "queue_exceeded", "type": "x"}), QuotaExceeded),
    (data({"error": {"message": "no", "code": "content_filter"}}), Refused),
    (data({"id": "1", "choices": [], "x_groq": {"error": "over capacity"}}), Overloaded),
    (data({"choices": [{"index": 0, "error": {"message": "b", "code": 502}}]}), Overloaded),
    (b'event: error\ndata: {"message": "internal"}\n\n', Overloaded),
    (b"event: error\ndata: worker died\n\n", Overloaded),
    (
        data(
            {
                "error": {
                    "message": "Failed to call a function.",
                    "type": "invalid_request_error",
                    "code": "tool_use_failed",
                    "failed_generation": "<function=f>",
                    "status_code": 400,
                }
            }
        ),
        BadToolCall,
    ),
]


@pytest.mark.parametrize("before", [[], [ROLE], [ROLE, HELLO]])
@pytest.mark.parametrize(("error", "expected"), ERRORS)
async def test_an_error_event_is_the_failure_it_means_first_or_later(
    before: list[bytes], error: bytes, expected: type[ProviderFailure]
) -> None:
    chunks, failure, _ = await stream(chunked([*before, error]))
    assert type(failure) is expected
    assert text_of(chunks) == ("Hello" if HELLO in before else "")


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_an_error_body_in_a_200(content_type: str) -> None:
    body = {"error": {"message": "Rate limit reached", "type": "tokens", "code": 429}}
    assert isinstance((await stream(plain(body, content_type=content_type)))[1], QuotaExceeded)


@pytest.mark.parametrize(
    ("steps", "expected", "seconds"),
    [
        ([Hang()], FirstByteTimeout, 4.0),
        ([ROLE, Hang()], FirstByteTimeout, 4.0),
        ([b": waiting\n\n", Pause(2.0)] * 9, FirstByteTimeout, 4.0),
        ([Pause(3.9), HELLO, Hang()], StreamStalled, 9.9),
        ([HELLO, Pause(5.0), WORLD, Hang()], StreamStalled, 11.0),
        ([HELLO, WORLD[:9], Hang()], StreamStalled, 6.0),
        ([HELLO, *[Pause(5.0), WORLD] * 20], StreamStalled, 50.0),
    ],
)
def test_silence_ends_a_stream_on_time(
    steps: list[Step], expected: type[ProviderFailure], seconds: float
) -> None:
    _, failure, passed = run_virtual(stream(chunked(steps), timeouts=SHORT))
    assert type(failure) is expected
    assert passed == pytest.approx(seconds, abs=0.01)


def test_headers_that_never_come() -> None:
    _, failure, passed = run_virtual(stream(Reply((Hang(),)), timeouts=SHORT))
    assert type(failure) is FirstByteTimeout
    assert passed == pytest.approx(4.0, abs=0.01)


def test_an_answer_without_its_end_mark_is_not_waited_for() -> None:
    """Every choice has ended; a server that keeps the connection open costs no more than that."""
    parts: list[Step] = [HELLO, WORLD, STOP, Hang()]
    chunks, failure, passed = run_virtual(stream(chunked(parts), timeouts=SHORT))
    assert failure is None
    assert text_of(chunks) == "Hello wörld"
    assert passed == pytest.approx(END_GRACE_S, abs=0.01)


async def test_a_reset_after_the_finish_reason_loses_nothing() -> None:
    chunks = await whole(chunked([HELLO, WORLD, STOP, Reset()]))
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]


async def test_closing_the_generator_closes_the_connection_at_once() -> None:
    async with WireServer([chunked([ROLE, HELLO, Hang()])]) as server:
        pool = HttpPool()
        running = adapter("groq", server.url, pool).stream(chat_call(), PATIENT)
        assert text_of(await anext(running)) == "Hello"
        await running.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(server.left.wait(), 1.0)
        await pool.close()


@pytest.mark.parametrize("steps", [[Hang()], [ROLE, Hang()], [HELLO, Hang()]])
async def test_cancelling_the_task_closes_the_connection_at_once(steps: list[Step]) -> None:
    async with WireServer([chunked(steps)]) as server:
        pool = HttpPool()
        task = asyncio.create_task(
            read_all(adapter("groq", server.url, pool).stream(chat_call(), PATIENT))
        )
        await server.asked.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 1.0)
        await pool.close()


async def test_an_error_status_whose_body_breaks_off_or_never_comes() -> None:
    broken = Reply((head(503, {"Content-Length": "99"}) + b'{"error"', Cut()))
    _, failure, _ = await stream(broken)
    assert type(failure) is Overloaded
    assert failure.status == 503


def test_an_error_status_whose_body_never_comes_is_not_waited_for_longer_than_an_answer() -> None:
    silent = Reply((head(429, {"Content-Length": "99", "Retry-After": "7"}), Hang()))
    _, failure, passed = run_virtual(stream(silent, timeouts=SHORT))
    assert type(failure) is QuotaExceeded
    assert failure.wait_s == 7.0
    assert passed == pytest.approx(4.0, abs=0.01)


@pytest.mark.parametrize("step", [Cut(), Reset()])
async def test_a_connection_lost_before_the_headers(step: Step) -> None:
    _, failure, _ = await stream(Reply((step,)))
    assert type(failure) is ConnectionFailed
