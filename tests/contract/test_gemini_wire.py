"""The Google adapter over real sockets: what it asks, reads, times, and lets go of."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from shared.errors import (
    ConnectionFailed,
    FirstByteTimeout,
    KeyRejected,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    RequestRejected,
    StreamCut,
    StreamStalled,
)
from shared.messages import Chunk, JsonObject, JsonValue
from shared.providers.base import ProviderCall, Timeouts
from shared.providers.google import GoogleProvider
from shared.providers.http import HttpPool
from shared.providers.openai_profile import CannotStart
from shared.settings import ProviderSettings
from tests.support.virtual_time import START_WALL, run_virtual
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
    plain,
)
from tests.unit.test_gemini_decode import FUNCTION, USAGE, response
from tests.unit.test_gemini_encode import make_call

KEY = "AIzaSyTESTTESTTESTTESTTESTTESTTESTTEST0"
PATIENT = Timeouts(first_byte=5.0, stall=5.0, total=10.0)
WHOLE = response({"text": "Hello"}, usage=USAGE, modelVersion="gemini-3.8-flash")
QUOTA: JsonObject = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"violations": [{"quotaId": "RequestsPerMinute", "quotaValue": "5"}]}],
    }
}


def virtual(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Real sockets, virtual time: what waits for a clock does not wait."""

    @functools.wraps(test)
    def run(**given: object) -> None:
        run_virtual(test(**given))

    return run


@dataclass(slots=True)
class Bench:
    """An adapter, the pool under it, and the server it talks to."""

    google: GoogleProvider
    server: WireServer


@asynccontextmanager
async def bench(*replies: Reply, path: str = "", key: str = KEY) -> AsyncIterator[Bench]:
    pool = HttpPool()
    async with WireServer(list(replies)) as server:
        own = ProviderSettings("google", server.url + path, key, "live")
        try:
            yield Bench(GoogleProvider(own, pool, lambda: START_WALL), server)
        finally:
            await asyncio.sleep(1.0)  # finished streams may drain for a moment
            await pool.close()


def asked(**body: JsonValue) -> ProviderCall:
    return make_call([{"role": "user", "content": "hi"}], None, **body)


async def read(
    google: GoogleProvider, timeouts: Timeouts = PATIENT, call: ProviderCall | None = None
) -> list[Chunk]:
    chunks: list[Chunk] = []
    async for batch in google.stream(call or asked(), timeouts):
        assert batch
        chunks += batch
    return chunks


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


# ------------------------------------------------------------------------------------ plain calls


@virtual
async def test_a_plain_call() -> None:
    async with bench(plain(WHOLE)) as at:
        found = await at.google.complete(asked(max_tokens=9), PATIENT)
        seen = at.server.requests[0]
    assert found.choices[0]["finish_reason"] == "stop"
    assert found.upstream_model == "gemini-3.8-flash"
    assert (seen.method, seen.path) == ("POST", "/v1beta/models/gemini-3.8-flash:generateContent")
    assert seen.headers["x-goog-api-key"] == KEY
    assert seen.json() == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"maxOutputTokens": 9},
    }


@virtual
async def test_the_key_is_in_no_address_and_no_repr() -> None:
    pages = plain({"models": [{"name": "models/a"}], "nextPageToken": "t"}), plain({})
    async with bench(*pages) as at:
        await at.google.list_models(PATIENT)
        assert KEY not in repr(at.google)
        assert all(KEY not in seen.path for seen in at.server.requests)


@virtual
async def test_a_base_address_may_name_the_version() -> None:
    async with bench(plain(WHOLE), path="/v1beta") as at:
        await at.google.complete(asked(), PATIENT)
        assert at.server.requests[0].path == "/v1beta/models/gemini-3.8-flash:generateContent"


def test_without_a_key_it_cannot_start_unless_simulated() -> None:
    def build(own: ProviderSettings) -> GoogleProvider:
        return GoogleProvider(own, HttpPool(), lambda: 0.0)

    with pytest.raises(CannotStart, match="GOOGLE_API_KEY"):
        build(ProviderSettings("google", "http://127.0.0.1:1"))
    assert build(ProviderSettings("google", "http://127.0.0.1:1", state="simulated")).name


ERROR_503: JsonObject = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
PLAIN_FAULTS: list[tuple[Reply, type[ProviderFailure]]] = [
    (plain(QUOTA, 429), QuotaExceeded),
    (plain([QUOTA], 429), QuotaExceeded),
    (
        plain({"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}}, 401),
        KeyRejected,
    ),
    (plain("<html>Bad Gateway</html>", 502, content_type="text/html"), Overloaded),
    (plain(ERROR_503), Overloaded),
    (plain([ERROR_503]), Overloaded),
    (plain("<html>welcome</html>"), MalformedAnswer),
    (plain("[1, 2]"), MalformedAnswer),
    (plain('{"candidates": 5}'), MalformedAnswer),
    (plain({"promptFeedback": {"blockReason": "SAFETY"}}), Refused),
    (plain("", 302, {"Location": "https://example.com/"}), Overloaded),
    (
        plain({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}, 400),
        RequestRejected,
    ),
    (Reply((Reset(),)), ConnectionFailed),
    (chunked([b'{"candid', Cut()], content_type="application/json", end=False), StreamCut),
]


@pytest.mark.parametrize(("reply", "failure"), PLAIN_FAULTS)
@virtual
async def test_plain_faults(reply: Reply, failure: type[ProviderFailure]) -> None:
    async with bench(reply) as at:
        with pytest.raises(ProviderFailure) as caught:
            await at.google.complete(asked(), PATIENT)
    assert type(caught.value) is failure


@virtual
async def test_a_quota_tells_its_limit() -> None:
    call = asked()
    async with bench(plain(QUOTA, 429)) as at:
        with pytest.raises(QuotaExceeded):
            await at.google.complete(call, PATIENT)
    assert [(one.window, one.limit, one.remaining) for one in call.signals] == [("minute", 5, 0)]


@virtual
async def test_a_request_too_deep_for_json_is_rejected_before_anything_is_sent() -> None:
    deep: JsonValue = "x"
    for _ in range(400):
        deep = [deep]
    async with bench(plain(WHOLE)) as at:
        with pytest.raises(RequestRejected):
            await at.google.complete(asked(seed=deep), PATIENT)
        assert at.server.requests == []


# ---------------------------------------------------------------------------------------- streams


@virtual
async def test_a_stream() -> None:
    events = [
        data(response({"text": "Thinking", "thought": True}, finish=None)),
        data(response({"text": "Hel"}, finish=None)),
        data(response({"text": "lo"}, FUNCTION, usage=USAGE)),
    ]
    async with bench(chunked(events)) as at:
        chunks = await read(at.google)
        await asyncio.sleep(0.1)  # the end mark of the body arrives
        again = await read(at.google)
        seen = at.server.requests[0]
        assert at.server.connections == 1
    assert seen.path == "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    assert text(chunks) == text(again) == "Hello"
    assert chunks[0].reasoning == "Thinking"
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.completion_tokens, usage.estimated) == (25, False)


@virtual
async def test_a_server_that_ignores_alt_sse() -> None:
    whole = [response({"text": "Hel"}, finish=None), response({"text": "lo"}, usage=USAGE)]
    async with bench(plain(whole)) as at:
        assert text(await read(at.google)) == "Hello"


@virtual
async def test_an_end_without_usage_is_estimated_and_waits_only_a_moment() -> None:
    steps: list[Step] = [data(response({"text": "Hello there"})), Hang()]
    async with bench(chunked(steps, end=False)) as at:
        began = asyncio.get_running_loop().time()
        chunks = await read(at.google)
        assert asyncio.get_running_loop().time() - began < 3.0
    assert text(chunks) == "Hello there"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.estimated


@virtual
async def test_a_server_that_keeps_the_connection_open_after_the_end() -> None:
    steps: list[Step] = [data(response({"text": "Hello"}, usage=USAGE)), Hang()]
    async with bench(chunked(steps, end=False)) as at:
        began = asyncio.get_running_loop().time()
        assert text(await read(at.google)) == "Hello"
        assert asyncio.get_running_loop().time() - began < 0.5


@virtual
async def test_a_last_event_without_its_blank_line_counts() -> None:
    last = data(response({"text": "lo"}, usage=USAGE)).rstrip(b"\n")
    async with bench(chunked([data(response({"text": "Hel"}, finish=None)), last])) as at:
        assert text(await read(at.google)) == "Hello"


@pytest.mark.parametrize("keeps_unknown_fields", [True, False])
@virtual
async def test_a_signature_survives_a_streamed_tool_round_trip(keeps_unknown_fields: bool) -> None:
    signed = {**FUNCTION, "thoughtSignature": "Q2lRQmU1+/k="}
    replies = chunked([data(response(signed, FUNCTION, usage=USAGE))]), plain(WHOLE)
    async with bench(*replies) as at:
        chunks = await read(at.google)
        calls = [call for chunk in chunks for call in chunk.tool_calls or []]
        known = ("id", "type", "function") + (("extra_content",) if keeps_unknown_fields else ())
        back: list[JsonValue] = [{key: call[key] for key in known if key in call} for call in calls]
        messages: list[JsonObject] = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": back},
            *({"role": "tool", "tool_call_id": call["id"], "content": "{}"} for call in calls),
        ]
        await at.google.complete(make_call(messages), PATIENT)
        contents = at.server.requests[1].json()["contents"]
    assert isinstance(contents, list)
    assert contents[1] == {"role": "model", "parts": [signed, FUNCTION]}


HALF = data(response({"text": "Hel"}, finish=None))
SHORT = Timeouts(first_byte=0.15, stall=0.15, total=5.0)
STREAM_FAULTS: list[tuple[Reply, str, type[ProviderFailure]]] = [
    (chunked([HALF]), "Hel", StreamCut),
    (chunked([HALF, b'data: {"cand']), "Hel", StreamCut),
    (chunked([HALF, Cut()], end=False), "Hel", StreamCut),
    (chunked([HALF, Reset()], end=False), "Hel", StreamCut),
    (chunked([HALF, Hang()], end=False), "Hel", StreamStalled),
    (chunked([Hang()], end=False), "", FirstByteTimeout),
    (chunked([b": keep-alive\n\n", Hang()], end=False), "", FirstByteTimeout),
    (
        chunked([b"data: {}\n\n", Pause(0.05), b"data: {}\n\n", Hang()], end=False),
        "",
        FirstByteTimeout,
    ),
    (Reply((Hang(),)), "", FirstByteTimeout),
    (chunked([b""]), "", StreamCut),
    (chunked([b"<html>welcome</html>"]), "", StreamCut),
    (chunked([HALF, b"data: {broken\n\n"]), "Hel", MalformedAnswer),
    (chunked([HALF, data(ERROR_503)]), "Hel", Overloaded),
    (chunked([data(ERROR_503)]), "", Overloaded),
    (chunked([data([ERROR_503])]), "", Overloaded),
    (plain([ERROR_503]), "", Overloaded),
    (plain([QUOTA], 429), "", QuotaExceeded),
    (plain("<html>x</html>", 500), "", Overloaded),
    (chunked([data({"promptFeedback": {"blockReason": "OTHER"}})]), "", Refused),
    (chunked([data(response(finish="SAFETY"))]), "", Refused),
    (chunked([HALF, data(response(finish="OTHER"))]), "Hel", Overloaded),
    (chunked([b"data: " + b"x" * 5_000_000]), "", MalformedAnswer),
]


@pytest.mark.parametrize(("reply", "said", "failure"), STREAM_FAULTS)
@virtual
async def test_stream_faults(reply: Reply, said: str, failure: type[ProviderFailure]) -> None:
    chunks: list[Chunk] = []
    caught: ProviderFailure | None = None
    async with bench(reply) as at:
        try:
            async for batch in at.google.stream(asked(), SHORT):
                chunks += batch
        except ProviderFailure as found:
            caught = found
    assert type(caught) is failure
    assert text(chunks) == said
    assert not any(chunk.finish_reason for chunk in chunks)


@virtual
async def test_thoughts_end_the_wait_for_a_first_sign() -> None:
    steps: list[Step] = [
        data(response({"text": "Hm", "thought": True}, finish=None)),
        Pause(0.25),
        data(response({"text": "Hello"}, usage=USAGE)),
    ]
    times = Timeouts(first_byte=0.15, stall=2.0, total=5.0)
    async with bench(chunked(steps)) as at:
        assert text(await read(at.google, times)) == "Hello"


@virtual
async def test_text_after_a_safety_stop_is_kept_and_filtered() -> None:
    async with bench(chunked([HALF, data(response(finish="SAFETY", usage=USAGE))])) as at:
        chunks = await read(at.google)
    assert text(chunks) == "Hel"
    assert chunks[-2].finish_reason == "content_filter"


async def leave_by_closing(google: GoogleProvider) -> None:
    stream = google.stream(asked(), PATIENT)
    assert isinstance(stream, AsyncGenerator)
    assert await anext(stream)
    await stream.aclose()


async def leave_by_cancelling(google: GoogleProvider) -> None:
    task = asyncio.create_task(read(google))
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def leave_a_plain_call(google: GoogleProvider) -> None:
    task = asyncio.create_task(google.complete(asked(), PATIENT))
    await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("leave", [leave_by_closing, leave_by_cancelling, leave_a_plain_call])
@virtual
async def test_leaving_closes_the_connection_at_once(
    leave: Callable[[GoogleProvider], Coroutine[None, None, None]],
) -> None:
    async with bench(chunked([HALF, Hang()], end=False)) as at:
        await leave(at.google)
        await asyncio.wait_for(at.server.left.wait(), 1.0)
