"""Streamed answers over the OpenAI wire: what arrives, however it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from shared.errors import (
    StreamCut,
)
from shared.messages import Chunk, JsonValue, Usage
from shared.providers.collect import collect
from shared.providers.http import HttpPool
from tests.support.openai_events import (
    DONE,
    EXPECTED,
    HELLO,
    ROLE,
    STOP,
    USAGE,
    USAGE_EVENT,
    WHOLE,
    WORLD,
    event,
    stream,
    whole,
)
from tests.support.provider_calls import (
    PATIENT,
    adapter,
    batches,
    chat_call,
    message_of,
    read_all,
    text_of,
)
from tests.support.virtual_time import run_virtual
from tests.support.wire_server import (
    Cut,
    Reply,
    Step,
    WireServer,
    chunked,
    data,
    head,
    pieces,
    plain,
)


async def test_a_stream_as_openai_sends_it() -> None:
    assert await whole(chunked([ROLE, HELLO, WORLD, STOP, USAGE_EVENT, DONE])) == EXPECTED


async def test_batches_are_never_empty_and_begin_with_something_meaningful() -> None:
    parts: list[Step] = [b": connected\n\n", ROLE, HELLO[:20], HELLO[20:], WORLD, STOP, DONE]
    async with WireServer([chunked(parts)]) as server:
        pool = HttpPool()
        got = await batches(adapter("groq", server.url, pool).stream(chat_call(), PATIENT))
        await pool.close()
    assert all(got)
    assert any(chunk.meaningful for chunk in got[0])


@pytest.mark.parametrize("sizes", [[1], [2, 3], [7], [64], [1, 200], [100_000]])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
async def test_any_split_and_any_line_end_gives_the_same(sizes: list[int], ends: bytes) -> None:
    parts: list[Step] = [*pieces(WHOLE.replace(b"\n", ends), sizes)]
    assert await whole(chunked(parts)) == EXPECTED


@pytest.mark.parametrize(
    "body",
    [
        ROLE + HELLO + WORLD + STOP + USAGE_EVENT,  # no [DONE]
        ROLE + HELLO + WORLD + event(finish_reason="stop", usage=USAGE) + DONE,
        ROLE + HELLO + WORLD + event(finish_reason="stop", x_groq={"usage": USAGE}) + DONE,
        ROLE + HELLO + WORLD + USAGE_EVENT + DONE,  # no finish reason, but an explicit end
        WHOLE.removesuffix(b"\n\n"),
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE.replace(b"data: ", b"data:"),
        WHOLE.replace(b"data: ", b"id: 7\nretry: 10\ndata: "),
        WHOLE.replace(b"data: ", b"event: message\ndata: "),
        WHOLE.replace(b"\n\n", b"\n\n: ping\n\n\n"),
        WHOLE.replace(b'"choices"', b'"x":1,\ndata: "choices"'),
        WHOLE.replace(STOP, STOP + HELLO),  # what follows the end of a choice is not its text
        WHOLE.replace(USAGE_EVENT, USAGE_EVENT + b"event: ping\ndata: {}\n\n"),
        ROLE + HELLO + WORLD + STOP + USAGE_EVENT + b"data: {broken\n\n",
        ROLE + HELLO + WORLD + STOP + USAGE_EVENT + data({"error": {"message": "late"}}),
        WHOLE + data("garbage behind the end"),
    ],
)
async def test_the_same_answer_in_many_dialects(body: bytes) -> None:
    assert await whole(chunked([body])) == EXPECTED


async def test_a_body_that_ends_with_its_connection() -> None:
    unframed = Reply((head(200, {"Content-Type": "text/event-stream"}), WHOLE, Cut()))
    assert await whole(unframed) == EXPECTED


async def test_usage_that_is_not_told_is_estimated() -> None:
    chunks = await whole(chunked([HELLO, WORLD, STOP, DONE]))
    assert chunks[-1].usage == Usage(12, 4, estimated=True)


async def test_usage_that_grows_with_every_chunk_is_told_once() -> None:
    parts: list[Step] = [
        event({"content": "a"}, usage={"prompt_tokens": 9, "completion_tokens": 1}),
        event({"content": "b"}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 2}),
        DONE,
    ]
    chunks = await whole(chunked(parts))
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(9, 2)]


async def test_reasoning_and_logprobs() -> None:
    logprobs: JsonValue = {"content": [{"token": "4", "logprob": -0.1}]}
    choice = {"index": 0, "delta": {"content": "4"}, "logprobs": logprobs}
    parts: list[Step] = [
        event({"role": "assistant", "reasoning": "2"}),
        event({"reasoning_content": "+2", "content": None}),
        data({"choices": [choice]}),
        STOP,
        DONE,
    ]
    assert (await whole(chunked(parts), "cerebras"))[:3] == [
        Chunk(reasoning="2"),
        Chunk(reasoning="+2"),
        Chunk(text="4", logprobs=logprobs),
    ]


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_thoughts_in_the_text_of_a_local_model(size: int) -> None:
    said = "<think>\nTwo </thin and two.\n</think>\n\nFour <think>"
    parts: list[Step] = [
        event({"content": said[at : at + size]}) for at in range(0, len(said), size)
    ]
    chunks = await whole(chunked([*parts, STOP, DONE]), "local")
    assert text_of(chunks) == "Four <think>"
    assert "".join(chunk.reasoning for chunk in chunks).strip() == "Two </thin and two."


async def test_text_that_only_looks_like_thoughts_is_not_held_back() -> None:
    chunks = await whole(chunked([event({"content": "<th"}), STOP, DONE]), "local")
    assert text_of(chunks) == "<th"


async def test_parallel_tool_calls_in_pieces() -> None:
    def piece(index: int, arguments: str, **first: object) -> dict[str, object]:
        function = {"arguments": arguments, **({"name": first["name"]} if first else {})}
        call: dict[str, object] = {"index": index, "function": function}
        if first:
            call |= {"id": first["id"], "type": "function"}
        return call

    parts: list[Step] = [
        event({"role": "assistant", "content": None}),
        event({"tool_calls": [piece(0, "", id="a", name="f")]}),
        event({"tool_calls": [piece(0, '{"x"'), piece(1, '{"y', id="b", name="g")]}),
        event({"tool_calls": [piece(1, '":2}')]}),
        event({"tool_calls": [piece(0, ":1}")]}),
        event(finish_reason="tool_calls"),
        DONE,
    ]
    chunks = await whole(chunked(parts))
    assert [chunk.tool_calls for chunk in chunks[:2]] == [
        [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [
            {"index": 0, "function": {"arguments": '{"x"'}},
            {
                "index": 1,
                "id": "b",
                "type": "function",
                "function": {"name": "g", "arguments": '{"y'},
            },
        ],
    ]
    assert chunks[-2].finish_reason == "tool_calls"
    joined = await collect(_replay(chunks))
    assert message_of(joined)["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"y":2}'}},
    ]


async def _replay(chunks: list[Chunk]) -> AsyncIterator[list[Chunk]]:
    for chunk in chunks:
        yield [chunk]


async def test_tool_calls_of_tolerant_servers() -> None:
    """Whole calls without index, arguments as an object or missing, "stop" at the end."""
    first = {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}
    second = {"id": "b", "function": {"name": "g"}}
    chunks = await whole(
        chunked([event({"tool_calls": [first]}), event({"tool_calls": [second]}), STOP, DONE]),
        "local",
    )
    assert chunks[-2].finish_reason == "tool_calls"
    calls = message_of(await collect(_replay(chunks)))["tool_calls"]
    assert calls == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


async def test_two_choices_side_by_side() -> None:
    parts: list[Step] = [
        event({"content": "a"}, index=0),
        event({"content": "b"}, index=1),
        event(finish_reason="stop", index=0),
        event({"content": "c"}, "length", index=1),
    ]
    chunks = await whole(chunked(parts), n=2)
    assert [(chunk.index, chunk.text, chunk.finish_reason) for chunk in chunks[:-1]] == [
        (0, "a", None),
        (1, "b", None),
        (0, "", "stop"),
        (1, "c", None),
        (1, "", "length"),
    ]


async def test_a_second_choice_that_never_ends_is_cut() -> None:
    parts: list[Step] = [event({"content": "a"}, "stop", index=0), event({"content": "b"}, index=1)]
    assert isinstance((await stream(chunked(parts), n=2))[1], StreamCut)
    assert isinstance((await stream(chunked(parts[:1]), n=2))[1], StreamCut)


async def test_a_server_that_ignores_stream() -> None:
    body = {
        "choices": [{"message": {"content": "Hi", "reasoning": "hm"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    assert await whole(plain(body)) == [
        Chunk(reasoning="hm"),
        Chunk(text="Hi"),
        Chunk(finish_reason="stop"),
        Chunk(usage=Usage(9, 3)),
    ]


def test_a_stream_read_to_its_end_keeps_its_connection() -> None:
    async def scenario() -> int:
        async with WireServer([chunked([WHOLE])]) as server:
            pool = HttpPool()
            own = adapter("groq", server.url, pool)
            for _ in range(3):
                assert await read_all(own.stream(chat_call(), PATIENT)) == EXPECTED
                await asyncio.sleep(0.1)
            await pool.close()
            return server.connections

    assert run_virtual(scenario()) == 1


async def test_the_limits_of_the_headers_are_told() -> None:
    headers = {"x-ratelimit-remaining-tokens": "10", "x-ratelimit-reset-tokens": "7.66s"}
    async with WireServer([chunked([WHOLE], headers=headers)]) as server:
        pool = HttpPool()
        call = chat_call()
        await read_all(adapter("groq", server.url, pool).stream(call, PATIENT))
        await pool.close()
    assert [(s.dimension, s.window, s.remaining, s.reset_s) for s in call.signals] == [
        ("tokens", "minute", 10, 7.66)
    ]


async def test_a_long_event_comes_through() -> None:
    text = "ä" * 200_000
    parts: list[Step] = [*pieces(event({"content": text}), [8192]), STOP, DONE]
    assert text_of(await whole(chunked(parts))) == text


def test_the_events_of_this_file_are_json() -> None:
    """Guards the fixtures: ``test_the_same_answer_in_many_dialects`` edits them as bytes."""
    for block in WHOLE.split(b"\n\n")[:-2]:
        orjson.loads(block.removeprefix(b"data: "))


async def test_a_refusal_in_words_is_an_answer() -> None:
    chunks = await whole(chunked([event({"refusal": "I can't."}), STOP, DONE]))
    assert chunks[0] == Chunk(refusal="I can't.")


async def test_thoughts_told_apart_after_some_text_was_held_back() -> None:
    parts = [event({"content": "\n"}), event({"reasoning": "hm"}), HELLO, STOP, DONE]
    chunks = await whole(chunked(parts), "local")
    assert text_of(chunks) == "\nHello"


async def test_a_model_that_spent_its_tokens_on_thoughts_has_answered() -> None:
    parts = [event({"reasoning": "so much"}), event(finish_reason="length"), DONE]
    chunks = await whole(chunked(parts))
    assert [chunk.finish_reason for chunk in chunks] == [None, "length", None]


async def test_an_empty_choice_beside_a_full_one() -> None:
    parts = [event(finish_reason="stop", index=1), event({"content": "a"}, "stop", index=0), DONE]
    chunks = await whole(chunked(parts), n=2)
    assert [(chunk.index, chunk.text, chunk.finish_reason) for chunk in chunks[:-1]] == [
        (0, "a", None),
        (0, "", "stop"),
        (1, "", "stop"),
    ]
