"""The simulator's OpenAI wire over real sockets, as Groq, Cerebras and Hugging Face speak it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.messages import JsonObject, JsonValue
from tests.support.simulation import SimClient, at, fields, items, simulation

MODELS = {
    "groq": "openai/gpt-oss-120b",
    "cerebras": "gpt-oss-120b",
    "huggingface": "openai/gpt-oss-120b",
}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGA"
    "hKmMIQAAAABJRU5ErkJggg=="
)
WEATHER: JsonObject = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[SimClient]:
    async with simulation() as client:
        yield client


def message(body: JsonObject) -> JsonObject:
    return fields(at(body, "choices", 0, "message"))


def choices(chunks: list[JsonObject]) -> list[JsonObject]:
    return [fields(choice) for chunk in chunks for choice in items(chunk["choices"])]


def joined_calls(chunks: list[JsonObject]) -> list[JsonValue]:
    """The tool calls of a stream, their arguments put together."""
    opened: dict[str, JsonObject] = {}
    arguments: dict[str, str] = {}
    for choice in choices(chunks):
        for part in items(fields(choice["delta"]).get("tool_calls") or []):
            index = str(at(part, "index"))
            if "id" in fields(part):
                opened[index] = fields(part)
            arguments[index] = arguments.get(index, "") + str(at(part, "function", "arguments"))
    return [
        {
            "id": part["id"],
            "type": "function",
            "function": {"name": at(part, "function", "name"), "arguments": arguments[index]},
        }
        for index, part in sorted(opened.items())
    ]


@pytest.mark.parametrize("provider", MODELS)
async def test_a_plain_answer(sim: SimClient, provider: str) -> None:
    answer = await sim.chat(provider, MODELS[provider], "What is 6 * 7?")
    body = answer.json()
    assert answer.status == 200
    assert body["object"] == "chat.completion"
    assert message(body)["content"] == f"[simulated {MODELS[provider]}] 6 * 7 = 42"
    spent = [at(body, "usage", f"{kind}_tokens") for kind in ("prompt", "completion", "total")]
    assert int(str(spent[0])) + int(str(spent[1])) == spent[2]


@pytest.mark.parametrize("provider", MODELS)
async def test_a_stream_is_the_plain_answer_word_by_word(sim: SimClient, provider: str) -> None:
    plain = message((await sim.chat(provider, MODELS[provider], "Explain rain")).json())
    streamed = await sim.chat(
        provider,
        MODELS[provider],
        "Explain rain",
        stream=True,
        stream_options={"include_usage": True},
    )
    assert streamed.headers["content-type"].startswith("text/event-stream")
    chunks = streamed.chunks()
    pieces = [str(fields(c["delta"]).get("content") or "") for c in choices(chunks)]
    assert "".join(pieces) == plain["content"]
    assert len([piece for piece in pieces if piece]) > 20
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]
    finishes = [choice["finish_reason"] for choice in choices(chunks)]
    assert [finish for finish in finishes if finish] == ["stop"]


async def test_reasoning_stands_where_each_provider_puts_it(sim: SimClient) -> None:
    for provider, field in (
        ("groq", "reasoning"),
        ("cerebras", "reasoning"),
        ("huggingface", "reasoning_content"),
    ):
        said = message((await sim.chat(provider, MODELS[provider], "Hello")).json())
        assert str(said[field]).startswith("[simulated reasoning]")


@pytest.mark.parametrize("provider", ["groq", "cerebras"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tools_round_trip(sim: SimClient, provider: str, stream: bool) -> None:
    question: JsonObject = {"role": "user", "content": "What is the weather in Paris and Rome?"}
    body: JsonObject = {"model": MODELS[provider], "tools": [WEATHER]}
    asked = await sim.call(
        provider, "/chat/completions", {**body, "messages": [question], "stream": stream}
    )
    calls = joined_calls(asked.chunks()) if stream else items(message(asked.json())["tool_calls"])
    arguments = [json.loads(str(at(call, "function", "arguments"))) for call in calls]
    assert arguments == [{"city": "Paris"}, {"city": "Rome"}]
    results: list[JsonValue] = [
        {"role": "tool", "tool_call_id": at(call, "id"), "content": "18 degrees"} for call in calls
    ]
    called: JsonObject = {"role": "assistant", "content": None, "tool_calls": calls}
    after = await sim.call(
        provider, "/chat/completions", {**body, "messages": [question, called, *results]}
    )
    assert "`get_weather` says: 18 degrees" in str(message(after.json())["content"])


async def test_a_schema_is_satisfied(sim: SimClient) -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "sunny": {"type": "boolean"}},
        "required": ["city", "sunny"],
        "additionalProperties": False,
    }
    wanted: JsonObject = {"type": "json_schema", "json_schema": {"name": "w", "schema": schema}}
    answer = await sim.chat("groq", MODELS["groq"], "Is it sunny in Oslo?", response_format=wanted)
    made = json.loads(str(message(answer.json())["content"]))
    assert made == {"city": "Oslo", "sunny": False}


async def test_the_token_limit_ends_in_length(sim: SimClient) -> None:
    answer = await sim.chat("groq", MODELS["groq"], "Explain rain", max_completion_tokens=8)
    assert at(answer.json(), "choices", 0, "finish_reason") == "length"


async def test_an_image_is_acknowledged(sim: SimClient) -> None:
    parts: list[JsonValue] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    answer = await sim.chat("groq", "qwen/qwen3.8-27b", parts)
    assert "image/png, 70 bytes" in str(message(answer.json())["content"])
    refused = await sim.chat("groq", MODELS["groq"], parts)
    assert refused.status == 400


@pytest.mark.parametrize(
    ("provider", "status", "code"),
    [
        ("groq", 404, "model_not_found"),
        ("cerebras", 404, "model_not_found"),
        ("huggingface", 400, "model_not_supported"),
    ],
)
async def test_a_dead_model_is_refused_in_the_providers_form(
    sim: SimClient, provider: str, status: int, code: str
) -> None:
    answer = await sim.chat(provider, "llama-3.3-70b", "Hello")
    assert answer.status == status
    assert at(answer.json(), "error", "code") == code


@pytest.mark.parametrize(
    ("provider", "options", "param"),
    [
        ("groq", {"n": 2}, "n"),
        ("groq", {"logprobs": True}, "logprobs"),
        ("groq", {"presence_penalty": 0.5}, "presence_penalty"),
        ("groq", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("groq", {"max_completion_tokens": 0.5}, "max_tokens"),
        ("groq", {"max_completion_tokens": 10**9}, "max_completion_tokens"),
        ("groq", {"tools": "x"}, "tools"),
        ("groq", {"tools": [WEATHER], "tool_choice": {"function": {"name": "x"}}}, "tool_choice"),
        ("groq", {"response_format": {"type": "xml"}}, "response_format"),
        ("groq", {"response_format": {"type": "json_object"}}, "messages"),
        ("cerebras", {"messages": []}, "messages"),
        ("cerebras", {"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
        ("cerebras", {"messages": [{"role": "user", "content": 5}]}, "messages"),
        ("cerebras", {"model": 5}, "model"),
    ],
)
async def test_what_a_provider_refuses(
    sim: SimClient, provider: str, options: JsonObject, param: str
) -> None:
    answer = await sim.call(
        provider,
        "/chat/completions",
        {
            "model": MODELS[provider],
            "messages": [{"role": "user", "content": "Hello"}],
            **options,
        },
    )
    assert answer.status == 400
    assert at(answer.json(), "error", "param") == param


async def test_a_prompt_over_the_window_is_too_long(sim: SimClient) -> None:
    answer = await sim.chat("groq", MODELS["groq"], "word " * 200_000)
    assert answer.status == 400
    assert at(answer.json(), "error", "code") == "context_length_exceeded"


@pytest.mark.parametrize("provider", MODELS)
async def test_a_wrong_key_is_401_and_never_noted(sim: SimClient, provider: str) -> None:
    answer = await sim.call(provider, "/models", key="gsk_wrong")
    assert answer.status == 401
    assert "gsk_wrong" not in json.dumps(sim.sim.journal.listed())
    assert sim.sim.key not in json.dumps(sim.sim.journal.listed())


@pytest.mark.parametrize("provider", MODELS)
async def test_the_model_list_is_the_living_ones(sim: SimClient, provider: str) -> None:
    listed = items((await sim.call(provider, "/models")).json()["data"])
    ids = [at(entry, "id") for entry in listed]
    assert MODELS[provider] in ids
    assert "llama-3.3-70b" not in ids
    one = await sim.call(provider, f"/models/{MODELS[provider]}")
    assert one.json()["id"] == MODELS[provider]


async def test_limit_headers_have_each_providers_names(sim: SimClient) -> None:
    groq = (await sim.chat("groq", MODELS["groq"], "Hello")).headers
    assert int(groq["x-ratelimit-limit-requests"]) - 1 == int(
        groq["x-ratelimit-remaining-requests"]
    )
    assert groq["x-ratelimit-reset-tokens"].endswith("s")
    cerebras = (await sim.chat("cerebras", MODELS["cerebras"], "Hello")).headers
    assert "x-ratelimit-remaining-tokens-minute" in cerebras
    assert "x-ratelimit-limit-requests-day" in cerebras


async def test_a_body_that_is_no_json_is_400(sim: SimClient) -> None:
    url = sim.urls["groq"] + "/chat/completions"
    async with sim.session.post(url, data=b"{", headers=sim.headers("groq")) as response:
        assert response.status == 400
    assert (await sim.call("groq", "/nothing/here", {})).status == 404
