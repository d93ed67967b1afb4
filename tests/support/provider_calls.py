"""Calls, cards and settings for tests that speak to a provider adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from shared.errors import ProviderFailure
from shared.messages import ChatRequest, ChatResult, Chunk, JsonObject
from shared.model import Capability, Feature, ModelCard
from shared.providers.base import ChatProvider, ProviderCall, Timeouts
from shared.providers.http import HttpPool
from shared.providers.registry import BUILDERS
from shared.settings import ProviderSettings
from tests.support.virtual_time import START_WALL

KEY = "gsk_s3cretS3cretS3cret"
PATIENT = Timeouts(first_byte=5.0, stall=5.0, total=20.0, connect=2.0)
EVERYTHING = frozenset(Feature)


def card(
    provider: str = "groq",
    model: str = "openai/gpt-oss-120b",
    *,
    features: frozenset[Feature] = EVERYTHING,
    reasoning_efforts: tuple[str, ...] = (),
    max_output_tokens: int | None = None,
) -> ModelCard:
    """A chat model's card."""
    return ModelCard(
        id=f"{provider}-test",
        name="Test",
        provider=provider,
        provider_model_id=model,
        capabilities=frozenset({Capability.TEXT}),
        source="a test",
        free_tier="quota",
        features=features,
        reasoning_efforts=reasoning_efforts,
        max_output_tokens=max_output_tokens,
    )


def chat_call(
    body: JsonObject | None = None, model: ModelCard | None = None, *, n: int = 1
) -> ProviderCall:
    """A call as the pipeline makes it: the parsed body beside the fields taken out of it."""
    body = dict(body or {})
    messages: list[JsonObject] = [{"role": "user", "content": "Say something."}]
    given = body.get("messages")
    if isinstance(given, list):
        messages = [message for message in given if isinstance(message, dict)]
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    effort = body.get("reasoning_effort")
    return ProviderCall(
        model or card(),
        ChatRequest(
            body=body,
            model="auto",
            messages=messages,
            input_tokens=12,
            max_tokens=limit if isinstance(limit, int) else None,
            reasoning_effort=effort if isinstance(effort, str) else None,
            n=n,
        ),
    )


def settings(name: str, url: str, key: str = KEY) -> ProviderSettings:
    """A live provider at ``url``."""
    return ProviderSettings(name, url, key, "live")


def adapter(
    name: str, url: str, pool: HttpPool, wall: Callable[[], float] = lambda: START_WALL
) -> ChatProvider:
    """The adapter that the registry would build."""
    return BUILDERS[name](settings(name, url), pool, wall)


async def batches(stream: AsyncIterator[list[Chunk]]) -> list[list[Chunk]]:
    """Everything a stream gives, batch by batch."""
    return [batch async for batch in stream]


async def read_all(stream: AsyncIterator[list[Chunk]]) -> list[Chunk]:
    """Everything a stream gives."""
    return [chunk async for batch in stream for chunk in batch]


async def until_failure(
    stream: AsyncIterator[list[Chunk]],
) -> tuple[list[Chunk], ProviderFailure | None]:
    """What came before the failure, and the failure."""
    chunks: list[Chunk] = []
    try:
        async for batch in stream:
            chunks += batch
    except ProviderFailure as failure:
        return chunks, failure
    return chunks, None


def text_of(chunks: list[Chunk]) -> str:
    """The text of the first choice."""
    return "".join(chunk.text for chunk in chunks if chunk.index == 0)


def message_of(result: ChatResult, place: int = 0) -> JsonObject:
    """A choice's message."""
    message = result.choices[place]["message"]
    assert isinstance(message, dict)
    return message
