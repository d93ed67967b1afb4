"""What goes out over the OpenAI wire, seen at the other end of the socket."""

from __future__ import annotations

import pytest

from shared.errors import RequestRejected
from shared.messages import JsonObject, JsonValue
from shared.model import Feature, ModelCard
from shared.providers.base import ProviderCall
from shared.providers.http import HttpPool
from shared.providers.registry import build_providers
from shared.settings import ProviderSettings
from tests.support.provider_calls import (
    KEY,
    PATIENT,
    adapter,
    card,
    chat_call,
    read_all,
)
from tests.support.wire_server import Seen, WireServer, data, plain

ANSWER = plain({"choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]})
STREAM = plain(
    data({"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}, "[DONE]")
)

TOOLS: JsonValue = [{"type": "function", "function": {"name": "f", "strict": True}}]
SCHEMA: JsonValue = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
FULL: JsonObject = {
    "model": "auto:coding",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 100,
    "stop": ["\n"],
    "seed": 7,
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": SCHEMA,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "logprobs": True,
    "top_logprobs": 3,
    "user": "someone",
    "reasoning_effort": "low",
    "stream": True,
    "stream_options": {"include_usage": False},
    "codeex": {"conversation_id": "c"},
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "flex",
    "made_up": 1,
}


async def sent(call: ProviderCall, provider: str = "groq", *, stream: bool = False) -> Seen:
    """The request that the server saw."""
    async with WireServer([STREAM if stream else ANSWER]) as server:
        pool = HttpPool()
        own = adapter(provider, server.url, pool)
        if stream:
            await read_all(own.stream(call, PATIENT))
        else:
            await own.complete(call, PATIENT)
        await pool.close()
        return server.requests[0]


def model(max_output_tokens: int | None = None) -> ModelCard:
    return card(reasoning_efforts=("low", "high"), max_output_tokens=max_output_tokens)


async def test_every_field_that_openai_defines_and_the_card_supports() -> None:
    seen = await sent(chat_call(FULL, model(), n=2))
    assert (seen.method, seen.path) == ("POST", "/chat/completions")
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.json() == {
        "model": "openai/gpt-oss-120b",
        "messages": [{"role": "user", "content": "Say something."}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 100,
        "stop": ["\n"],
        "seed": 7,
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "response_format": SCHEMA,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "top_logprobs": 3,
        "user": "someone",
        "reasoning_effort": "low",
        "n": 2,
    }


async def test_a_card_without_features_gets_none_of_their_fields() -> None:
    bare = card(features=frozenset())
    body = (await sent(chat_call(FULL, bare, n=2))).json()
    assert set(body) == {
        "model",
        "messages",
        "temperature",
        "top_p",
        "user",
        "max_completion_tokens",
    }


async def test_a_stream_always_asks_for_usage() -> None:
    body = (await sent(chat_call({"stream_options": None}), stream=True)).json()
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("provider", "field"),
    [
        ("groq", "max_completion_tokens"),
        ("cerebras", "max_completion_tokens"),
        ("huggingface", "max_tokens"),
        ("local", "max_tokens"),
    ],
)
async def test_the_name_of_the_token_limit(provider: str, field: str) -> None:
    for body in ({"max_tokens": 50}, {"max_completion_tokens": 50}):
        call = chat_call(dict(body), card(provider))
        sent_body = (await sent(call, provider)).json()
        assert sent_body[field] == 50
        assert len({"max_tokens", "max_completion_tokens"} & set(sent_body)) == 1


async def test_the_token_limit_of_the_attempt_wins_and_the_cards_caps() -> None:
    call = chat_call({"max_tokens": 50}, model(max_output_tokens=40))
    assert (await sent(call)).json()["max_completion_tokens"] == 40
    call.max_tokens = 30
    assert (await sent(call)).json()["max_completion_tokens"] == 30


async def test_hugging_face_is_not_told_the_user() -> None:
    body = (await sent(chat_call({"user": "someone"}, card("huggingface")), "huggingface")).json()
    assert "user" not in body


async def test_an_effort_that_the_model_does_not_know_is_left_out() -> None:
    body = (await sent(chat_call({"reasoning_effort": "minimal"}, model()))).json()
    assert "reasoning_effort" not in body


async def test_a_format_beside_tools_only_where_it_may_stand() -> None:
    strict = card(features=frozenset({Feature.TOOLS, Feature.JSON_SCHEMA}))
    assert "response_format" not in (await sent(chat_call(FULL, strict))).json()
    alone = {"response_format": SCHEMA}
    assert (await sent(chat_call(dict(alone), strict))).json()["response_format"] == SCHEMA
    text: JsonObject = {"response_format": {"type": "text"}}
    assert "response_format" not in (await sent(chat_call(text, strict))).json()


async def test_the_fitted_messages_are_sent() -> None:
    call = chat_call({"messages": [{"role": "user", "content": "long"}]})
    call.messages = [{"role": "user", "content": "short"}]
    assert (await sent(call)).json()["messages"] == call.messages


async def test_messages_pass_as_they_came_where_nothing_has_to_change() -> None:
    messages: list[JsonValue] = [
        {"role": "system", "content": "Be brief. ü", "name": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]
    assert (await sent(chat_call({"messages": messages}))).json()["messages"] == messages


async def test_an_answer_sent_back_loses_what_strict_providers_refuse() -> None:
    call_with_signature: JsonValue = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "index": 0,
        "extra_content": {"google": {"thought_signature": "x"}},
    }
    messages: list[JsonValue] = [
        {"role": "developer", "content": "Rules."},
        {
            "role": "assistant",
            "content": "Hi",
            "reasoning_content": "hm",
            "refusal": None,
            "annotations": [],
            "audio": None,
            "tool_calls": None,
        },
        {"role": "assistant", "content": "", "tool_calls": [call_with_signature]},
        {"role": "assistant", "refusal": "No."},
    ]
    assert (await sent(chat_call({"messages": messages}))).json()["messages"] == [
        {"role": "system", "content": "Rules."},
        {"role": "assistant", "content": "Hi"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "assistant", "content": "No."},
    ]


async def test_the_clients_body_is_not_touched() -> None:
    body: JsonObject = {"messages": [{"role": "developer", "content": "Rules."}], "seed": 1}
    call = chat_call(body)
    await sent(call)
    assert call.request.messages == [{"role": "developer", "content": "Rules."}]
    assert call.request.body == body


async def test_nesting_that_json_cannot_hold_is_the_requests_fault() -> None:
    deep: JsonValue = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(RequestRejected):
        await sent(chat_call({"tools": [{"type": "function", "function": {"parameters": deep}}]}))


async def test_a_local_server_without_a_key_is_sent_none() -> None:
    async with WireServer([ANSWER]) as server:
        pool = HttpPool()
        built = build_providers(
            {"local": ProviderSettings("local", server.url + "/v1", "", "live")}, pool, lambda: 0.0
        )
        own = built.get("local")
        assert own is not None
        await own.complete(chat_call(model=card("local", "llama3:8b")), PATIENT)
        await pool.close()
        seen = server.requests[0]
    assert "authorization" not in seen.headers
    assert seen.path == "/v1/chat/completions"
    assert seen.json()["model"] == "llama3:8b"
