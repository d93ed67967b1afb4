"""Whole answers over the OpenAI wire, on bodies as the providers send them."""

from __future__ import annotations

import orjson
import pytest

from shared.errors import (
    BadToolCall,
    EmptyAnswer,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    Refused,
    StreamCut,
)
from shared.messages import ChatResult, JsonObject, Usage
from shared.model import ModelCard
from shared.providers.http import HttpPool
from tests.support.provider_calls import PATIENT, adapter, card, chat_call, message_of
from tests.support.wire_server import Reply, WireServer, data, plain

GROQ: JsonObject = {
    "id": "chatcmpl-9f2",
    "object": "chat.completion",
    "created": 1795435200,
    "model": "openai/gpt-oss-120b",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello.", "reasoning": "A greeting."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "queue_time": 0.04,
        "prompt_tokens": 72,
        "completion_tokens": 20,
        "total_tokens": 92,
        "completion_tokens_details": {"reasoning_tokens": 9},
        "prompt_tokens_details": {"cached_tokens": 64},
    },
    "system_fingerprint": "fp_1",
    "x_groq": {"id": "req_01"},
}


def answer(message: object, finish_reason: object = "stop", **extra: object) -> dict[str, object]:
    """A body with one choice."""
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"id": "cmpl-1", "model": "m", "choices": [choice], **extra}


async def ask(reply: Reply, provider: str = "groq", model: ModelCard | None = None) -> ChatResult:
    async with WireServer([reply]) as server:
        pool = HttpPool()
        try:
            call = chat_call(model=model or card(provider))
            return await adapter(provider, server.url, pool).complete(call, PATIENT)
        finally:
            await pool.close()


async def failure_of(reply: Reply, provider: str = "groq") -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        await ask(reply, provider)
    return caught.value


async def test_a_groq_answer() -> None:
    result = await ask(plain(GROQ))
    assert result == ChatResult(
        [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello.",
                    "reasoning_content": "A greeting.",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        Usage(72, 20, 9, 64),
        "openai/gpt-oss-120b",
    )


async def test_several_choices_keep_their_order_and_their_logprobs() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.1}]}
    body = {
        "choices": [
            {
                "index": 0,
                "message": {"content": "a"},
                "logprobs": logprobs,
                "finish_reason": "stop",
            },
            {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    result = await ask(plain(body), "cerebras")
    assert [choice["index"] for choice in result.choices] == [0, 1]
    assert result.choices[0]["logprobs"] == logprobs
    assert [choice["finish_reason"] for choice in result.choices] == ["stop", "length"]


async def test_parallel_tool_calls() -> None:
    calls = [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    result = await ask(plain(answer({"content": None, "tool_calls": calls}, "tool_calls")))
    message = message_of(result)
    assert message["content"] is None
    assert message["tool_calls"] == calls
    assert result.choices[0]["finish_reason"] == "tool_calls"


async def test_tool_calls_of_tolerant_servers_are_completed() -> None:
    """No id, arguments as an object or none, "stop" for a reason (seen at local servers)."""
    calls = [
        {"function": {"name": "f", "arguments": {"x": "é"}}},
        {"function": {"name": "g"}},
    ]
    result = await ask(plain(answer({"content": "", "tool_calls": calls}, "stop")), "local")
    read = message_of(result)["tool_calls"]
    assert isinstance(read, list)
    assert read == [
        {
            "id": "call_cmpl-1_0",
            "type": "function",
            "function": {"name": "f", "arguments": '{"x":"é"}'},
        },
        {"id": "call_cmpl-1_1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert result.choices[0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("provider", "message", "reasoning", "text"),
    [
        ("cerebras", {"content": "4", "reasoning": "2+2"}, "2+2", "4"),
        ("local", {"content": "4", "reasoning_content": "2+2"}, "2+2", "4"),
        ("local", {"content": "<think>\n2+2\n</think>\n\n4"}, "2+2", "4"),
        ("huggingface", {"content": " \n<think>2+2</think>4"}, "2+2", "4"),
        ("huggingface", {"content": "Write <think> first."}, None, "Write <think> first."),
        ("groq", {"content": "<think> is a tag"}, None, "<think> is a tag"),
        (
            "local",
            {"content": "<think> stays", "reasoning_content": "apart already"},
            "apart already",
            "<think> stays",
        ),
    ],
)
async def test_reasoning_is_kept_apart_from_the_text(
    provider: str, message: dict[str, object], reasoning: str | None, text: str
) -> None:
    read = message_of(await ask(plain(answer(message)), provider))
    assert read.get("reasoning_content") == reasoning
    assert read["content"] == text


async def test_a_reasoning_model_on_groq_may_think_in_its_text() -> None:
    qwen = card("groq", "qwen/qwen3.8-27b", reasoning_efforts=("none", "default"))
    read = message_of(await ask(plain(answer({"content": "<think>a</think>b"})), "groq", qwen))
    assert (read["reasoning_content"], read["content"]) == ("a", "b")


@pytest.mark.parametrize(
    ("sent", "read"),
    [("eos", "stop"), ("max_tokens", "length"), (None, "stop"), ("", "stop"), ("new_word", "stop")],
)
async def test_finish_reasons_are_openais(sent: object, read: str) -> None:
    result = await ask(plain(answer({"content": "x"}, sent)), "local")
    assert result.choices[0]["finish_reason"] == read


async def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert message_of(await ask(plain(answer({"content": parts}))))["content"] == "ab"


@pytest.mark.parametrize(
    "usage",
    [
        {"usage": {"prompt_tokens": 5, "completion_tokens": 7}},
        {"x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 7}}},
        {"usage": None, "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 7}}},
    ],
)
async def test_usage_is_found_where_providers_put_it(usage: dict[str, object]) -> None:
    result = await ask(plain({**answer({"content": "x"}), **usage}))
    assert result.usage == Usage(5, 7)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many"}, [1], {"prompt_tokens": -1}])
async def test_usage_that_is_not_told_is_estimated(usage: object) -> None:
    body = {**answer({"content": "x" * 40}), "usage": usage}
    result = await ask(plain(body))
    assert result.usage == Usage(12, 10, estimated=True)


async def test_a_refusal_in_words_is_an_answer() -> None:
    read = message_of(await ask(plain(answer({"content": None, "refusal": "I can't."}))))
    assert (read["content"], read["refusal"]) == (None, "I can't.")


async def test_a_model_that_spent_its_tokens_on_thoughts_has_answered() -> None:
    body = answer({"content": "", "reasoning": "so much to think"}, "length")
    result = await ask(plain(body))
    assert message_of(result)["content"] == ""
    assert result.choices[0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (answer({"content": ""}), EmptyAnswer),
        (answer({"content": None}, "length"), EmptyAnswer),
        (answer({"content": "", "reasoning": "hm"}), EmptyAnswer),
        (answer({"content": "", "tool_calls": []}, "tool_calls"), EmptyAnswer),
        (answer({"content": ""}, "content_filter"), Refused),
        (answer({"content": None, "reasoning": "no"}, "content_filter"), Refused),
        (answer({"content": "a"}, "error"), Overloaded),
        (answer({"content": "a"}, "abort"), StreamCut),
        (b"", MalformedAnswer),
        (b"<html><title>Welcome</title></html>", MalformedAnswer),
        (b'{"choices": [', MalformedAnswer),
        (b"\xff\xfe", MalformedAnswer),
        ([], MalformedAnswer),
        ("12", MalformedAnswer),
        ({}, MalformedAnswer),
        ({"choices": []}, MalformedAnswer),
        ({"choices": {}}, MalformedAnswer),
        ({"choices": [None]}, MalformedAnswer),
        ({"choices": [{"text": "a completion"}]}, MalformedAnswer),
        ({"candidates": [{"content": {}}]}, MalformedAnswer),
        (answer("text"), MalformedAnswer),
        (answer({"content": 7}), MalformedAnswer),
        (answer({"content": [7]}), MalformedAnswer),
        (answer({"content": "a", "reasoning": 7}), MalformedAnswer),
        (answer({"content": "a"}, 7), MalformedAnswer),
        (answer({"content": "a", "tool_calls": {}}), MalformedAnswer),
        (answer({"content": "a", "tool_calls": [7]}), MalformedAnswer),
        (answer({"tool_calls": [{"function": "f"}]}), MalformedAnswer),
        (answer({"tool_calls": [{"function": {"name": ""}}]}), MalformedAnswer),
        (answer({"tool_calls": [{"function": {"name": 1}}]}), MalformedAnswer),
        (answer({"tool_calls": [{"function": {"name": "f", "arguments": 1}}]}), MalformedAnswer),
        (answer({"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}), BadToolCall),
        (answer({"tool_calls": [{"function": {"name": "f", "arguments": "[]"}}]}), BadToolCall),
    ],
)
async def test_what_is_no_answer(body: object, expected: type[ProviderFailure]) -> None:
    assert type(await failure_of(plain(body))) is expected


async def test_a_choice_with_an_absurd_index() -> None:
    body = {"choices": [{"index": -1, "message": {"content": "a"}, "finish_reason": "stop"}]}
    assert type(await failure_of(plain(body))) is MalformedAnswer


async def test_a_tool_call_cut_at_the_token_limit_is_passed_on() -> None:
    body = answer({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a'}}]})
    choices = body["choices"]
    assert isinstance(choices, list)
    choices[0]["finish_reason"] = "length"
    assert (await ask(plain(body))).choices[0]["finish_reason"] == "length"


async def test_a_filtered_answer_with_text_keeps_its_reason() -> None:
    result = await ask(plain(answer({"content": "Half of"}, "content_filter")))
    assert result.choices[0]["finish_reason"] == "content_filter"


async def test_a_server_that_always_streams() -> None:
    stream = data(
        {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hé"}}]},
        {"id": "1", "choices": [{"index": 0, "delta": {"content": "llo"}}]},
        {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        "[DONE]",
    )
    result = await ask(plain(stream, content_type="text/event-stream"), "local")
    assert message_of(result)["content"] == "Héllo"
    cut = stream.partition(b"data: [DONE]")[0][:-60]
    assert type(await failure_of(plain(cut), "local")) is StreamCut


async def test_unicode_comes_through() -> None:
    text = "naïve 漢字 🎉 \u2028 \x00"
    read = message_of(await ask(plain(orjson.dumps(answer({"content": text})))))
    assert read["content"] == text
