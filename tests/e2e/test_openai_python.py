"""The official OpenAI Python SDK against the running system: base address and key changed, only.

Everything a client of OpenAI's API does daily, as its own types see it.
"""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib
from collections.abc import Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import ModerationMultiModalInputParam
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.support.local_process import LocalProcess
from tests.support.router_client import RouterClient

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city today",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
def client(running: LocalProcess) -> Iterator[OpenAI]:
    """An OpenAI client of user alice."""
    with OpenAI(base_url=running.url + "/v1", api_key="dev-alice", max_retries=0) as made:
        yield made


def test_an_api_key_is_all_a_tool_needs(running: LocalProcess) -> None:
    signed_in = RouterClient(running.url, "dev-tool-owner")
    made = signed_in.post("/v1/me/keys", {"name": "a tool"})
    assert made.status == 200
    key = str(made.json()["key"])
    with OpenAI(base_url=running.url + "/v1", api_key=key, max_retries=0) as tool:
        asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]
        answer = tool.chat.completions.create(model="auto", messages=asked)
        assert answer.choices[0].message.content
        with tool.chat.completions.create(model="auto", messages=asked, stream=True) as stream:
            assert list(stream)
        assert key not in running.output.read_text(encoding="utf-8")
        with pytest.raises(openai.PermissionDeniedError, match="API key"):
            tool.get("/me/keys", cast_to=object)


def png(width: int = 2, height: int = 2) -> bytes:
    """A small picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\x00" + b"\xff\x00\x00" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(rows)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def test_plain_answer_has_text_model_usage_and_receipt(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "Hello, how are you?"}]
    )
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens > 0
    listed = {model.id for model in client.models.list()}
    assert answer.model in listed
    extra = answer.model_extra or {}
    receipt = extra["codeex"]
    assert receipt["classification"]["category"] == "SIMPLE"
    assert receipt["routing"]["reason"]
    assert receipt["routing"]["attempts"][-1]["outcome"] == "ok"
    assert receipt["guard"] == "checked"


def test_stream_joins_to_text_and_ends_with_usage(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Explain photosynthesis in a few sentences."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    ends = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert len(text) > 20
    assert ends == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert len({c.id for c in chunks}) == 1
    assert (chunks[-1].model_extra or {})["codeex"]["routing"]["attempts"]


def test_without_include_usage_every_chunk_has_a_choice(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    chunks = list(stream)
    assert all(len(c.choices) == 1 for c in chunks)
    assert (chunks[-1].model_extra or {})["codeex"]["request_id"]


def test_tools_round_trip(client: OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "What is the weather in Paris? Use the tool."}
    ]
    first = client.chat.completions.create(
        model="auto", messages=messages, tools=[WEATHER], tool_choice="required"
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    call = message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    messages.append(
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.function.name,
                        "arguments": call.function.arguments,
                    },
                }
            ],
        }
    )
    messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 17}'})
    second = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content


def test_streamed_tool_call_joins_to_valid_arguments(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "What is the weather in Oslo?"}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        stream=True,
    )
    name, arguments, end = "", "", None
    for chunk in stream:
        choice = chunk.choices[0]
        end = choice.finish_reason or end
        for delta in choice.delta.tool_calls or []:
            assert delta.index == 0
            if delta.function is not None:
                name += delta.function.name or ""
                arguments += delta.function.arguments or ""
    assert (name, end) == ("get_weather", "tool_calls")
    assert set(json.loads(arguments)) == {"city"}


def test_json_schema_is_honoured(client: OpenAI) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Invent a person."}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": schema, "strict": True},
        },
    )
    person = json.loads(answer.choices[0].message.content or "")
    assert isinstance(person["name"], str)
    assert isinstance(person["age"], int)


def test_image_goes_to_a_model_that_sees(client: OpenAI) -> None:
    address = "data:image/png;base64," + base64.b64encode(png()).decode()
    answer = client.chat.completions.create(
        model="auto",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in this picture?"},
                    {"type": "image_url", "image_url": {"url": address}},
                ],
            }
        ],
    )
    receipt = (answer.model_extra or {})["codeex"]
    assert receipt["classification"]["category"] == "VISION_IN"
    model = client.models.retrieve(answer.model)
    assert "VISION" in (model.model_extra or {})["codeex"]["capabilities"]


def test_model_list_has_lifecycle(client: OpenAI) -> None:
    models = {model.id: (model.model_extra or {})["codeex"] for model in client.models.list()}
    assert len(models) >= 60
    assert models["cerebras-llama-3.3-70b"]["status"] == "DEAD"
    assert models["groq-gpt-oss-120b"]["status"] == "ACTIVE"


def test_errors_arrive_as_the_sdk_types(client: OpenAI, running: LocalProcess) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hi"}], temperature=9
        )
    assert bad.value.param == "temperature"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(
            model="no-such-model", messages=[{"role": "user", "content": "hi"}]
        )
    assert missing.value.code == "model_not_found"
    with (
        OpenAI(base_url=running.url + "/v1", api_key="nonsense", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()


def test_cancelled_stream_reaches_the_provider_within_a_second(
    client: OpenAI, router: RouterClient
) -> None:
    marker = "Tell a long story about the southern sea, please."
    router.fault("cerebras", "slow", delay_ms=1_500, times=1)
    stream = client.chat.completions.create(
        model="cerebras-gpt-oss-120b",
        messages=[{"role": "user", "content": marker}],
        stream=True,
    )
    next(iter(stream))
    stream.close()
    left = time.monotonic()
    while not any(
        marker in str(call["body"]) and call["client_left"] for call in router.received("cerebras")
    ):
        assert time.monotonic() - left < 1.0, "the provider still answers"
    router.heal()


def test_embeddings_have_the_asked_size(client: OpenAI) -> None:
    answer = client.embeddings.create(
        model="gemini-embedding-001", input=["one", "two"], dimensions=768
    )
    assert [len(item.embedding) for item in answer.data] == [768, 768]
    assert abs(sum(x * x for x in answer.data[0].embedding) - 1) < 1e-3


def test_vectors_come_as_the_sdk_asks_for_them_by_itself(client: OpenAI) -> None:
    by_default = client.embeddings.create(model="auto", input="a red fox").data[0].embedding
    as_floats = client.embeddings.create(
        model="auto", input="a red fox", encoding_format="float"
    ).data[0]
    assert by_default == pytest.approx(as_floats.embedding, abs=1e-6)


def test_moderations_name_what_they_flag(client: OpenAI) -> None:
    answer = client.moderations.create(
        model="omni-moderation-latest",
        input=["How do I build a pipe bomb?", "What is the capital of Norway?"],
    )
    unsafe, safe = answer.results
    assert unsafe.flagged
    assert unsafe.categories.illicit_violent
    assert unsafe.category_scores.illicit_violent > 0.5
    assert not safe.flagged
    assert not any(safe.categories.model_dump().values())
    parts: list[ModerationMultiModalInputParam] = [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="},
        },
    ]
    seen = client.moderations.create(input=parts)
    assert seen.results[0].category_applied_input_types.sexual == ["text", "image"]


async def test_the_asynchronous_client(running: LocalProcess) -> None:
    async with AsyncOpenAI(base_url=running.url + "/v1", api_key="dev-alice") as made:
        stream = await made.chat.completions.create(
            model="auto:coding",
            messages=[{"role": "user", "content": "Write a function that adds two numbers."}],
            stream=True,
            extra_body={"codeex": {"preferred_providers": ["groq"]}},
        )
        chunks = [chunk async for chunk in stream]
    receipt = (chunks[-1].model_extra or {})["codeex"]
    assert receipt["classification"]["category"] == "CODING"
    assert receipt["routing"]["attempts"][-1]["provider"] == "groq"
    assert len("".join(c.choices[0].delta.content or "" for c in chunks)) > 20


def test_the_sdks_own_parsing_into_a_class(client: OpenAI) -> None:
    class Person(BaseModel):
        name: str
        age: int

    answer = client.chat.completions.parse(
        model="auto",
        messages=[{"role": "user", "content": "Invent a person."}],
        response_format=Person,
    )
    assert isinstance(answer.choices[0].message.parsed, Person)
