"""LangChain's OpenAI integration (langchain-openai), pointed here by base address and key."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from tests.support.local_process import LocalProcess
from tests.support.router_client import RouterClient

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAE"
    "hQGAhKmMIQAAAABJRU5ErkJggg=="
)
Model = Callable[..., ChatOpenAI]


@tool
def get_weather(city: str) -> str:
    """The weather of a city today."""
    return f"17 degrees in {city}"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@pytest.fixture
def model(running: LocalProcess) -> Model:
    """Makes a chat model of user alice."""

    def make(name: str = "auto", key: str = "dev-alice", temperature: float = 0.5) -> ChatOpenAI:
        return ChatOpenAI(
            model=name,
            base_url=f"{running.url}/v1",
            api_key=SecretStr(key),
            temperature=temperature,
            max_retries=0,
        )

    return make


def test_invoke_has_text_and_usage(model: Model) -> None:
    answer = model().invoke([HumanMessage("Hello!")])
    assert isinstance(answer.content, str)
    assert answer.content
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def test_stream_joins_to_text_and_usage(model: Model) -> None:
    whole: AIMessageChunk | None = None
    pieces = 0
    for chunk in model().stream("Explain rain in three sentences.", stream_usage=True):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
        pieces += 1
    assert whole is not None
    assert pieces > 5
    assert len(str(whole.content)) > 20
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 0


async def test_the_asynchronous_interface(model: Model) -> None:
    answer = await model().ainvoke("Hello!")
    assert answer.content
    text = [str(chunk.content) async for chunk in model().astream("Explain rain.")]
    assert len("".join(text)) > 20


def test_tools_round_trip(model: Model) -> None:
    question = HumanMessage("What is the weather in Lima?")
    first = model().bind_tools([get_weather], tool_choice="any").invoke([question])
    assert isinstance(first, AIMessage)
    (call,) = first.tool_calls
    assert call["name"] == "get_weather"
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    second = model().bind_tools([get_weather]).invoke([question, first, result])
    assert "17 degrees" in str(second.content)


def test_streamed_tool_call_joins_to_its_arguments(model: Model) -> None:
    bound = model().bind_tools([get_weather], tool_choice="any")
    whole: AIMessageChunk | None = None
    for chunk in bound.stream("What is the weather in Lima?"):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    (call,) = whole.tool_calls
    assert call["name"] == "get_weather"
    assert set(call["args"]) == {"city"}


def test_structured_output(model: Model) -> None:
    person = model().with_structured_output(Person, method="json_schema").invoke("Invent a person.")
    assert isinstance(person, Person)


def test_an_image_goes_to_a_model_that_sees(model: Model, router: RouterClient) -> None:
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    question = HumanMessage([{"type": "text", "text": "What colour is this?"}, picture])
    answer = model().invoke([question])
    assert "image" in str(answer.content)
    name = answer.response_metadata["model_name"]
    assert "VISION" in str(router.get(f"/v1/models/{name}").json())


def test_errors_are_the_sdks_own_types(model: Model) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        model(temperature=9).invoke("hi")
    assert bad.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        model("no-such-model").invoke("hi")
    with pytest.raises(openai.AuthenticationError):
        model(key="nonsense").invoke("hi")


def test_a_stream_left_early_is_cancelled_at_the_provider(
    model: Model, router: RouterClient
) -> None:
    marker = "Tell a long story about the northern sea, please."
    router.fault("huggingface", "slow", delay_ms=1_500, times=1)
    stream = model("hf-gpt-oss-20b").stream(marker)
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    end = time.monotonic() + 1.5
    while not any(
        marker in str(call["body"]) and call["client_left"]
        for call in router.received("huggingface")
    ):
        assert time.monotonic() < end, "the provider still answers"
    router.heal()


def test_embeddings(running: LocalProcess) -> None:
    embedder = OpenAIEmbeddings(
        model="gemini-embedding-001",
        base_url=f"{running.url}/v1",
        api_key=SecretStr("dev-alice"),
        dimensions=768,
        check_embedding_ctx_length=False,  # sends texts, not the tokens of a foreign tokenizer
    )
    vectors = embedder.embed_documents(["one", "two"])
    assert [len(vector) for vector in vectors] == [768, 768]
