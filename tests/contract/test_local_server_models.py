"""The user's own OpenAI-compatible server: its models are found, used last, and by name."""

from __future__ import annotations

import random

import orjson
import pytest
from starlette.types import Message

from shared.app import Services, build_services
from shared.clock import SystemClock
from shared.errors import ModelNotFound
from shared.messages import ChatRequest, JsonObject
from shared.pipeline.routing_state import LocalModels
from shared.settings import load_settings
from tests.support.edge_driver import TOKEN, Lines, OneUser
from tests.support.open_limits import opened
from tests.support.stores import memory_store
from tests.support.wire_server import Hang, Reply, WireServer, plain

LISTED = plain({"object": "list", "data": [{"id": "llama3.2:3b"}, {"id": "qwen3"}]})


def _services(url: str) -> Services:
    return build_services(
        opened(load_settings({"LOCAL_BASE_URL": url, "ENABLE_SAFETY_GUARD": "false"})),
        documents=memory_store(),
        authenticator=OneUser(),
        clock=SystemClock(),
        rng=random.Random(1),
        log_stream=Lines(),
    )


def _request(model: str) -> ChatRequest:
    body: JsonObject = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    return ChatRequest(body, model, [{"role": "user", "content": "Hello"}], 5)


def _models(services: Services) -> LocalModels:
    found = services.local_models
    assert found is not None
    return found


async def _get(services: Services, path: str) -> bytes:
    """The body of ``GET path`` at the function."""
    body = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        body.extend(message.get("body", b""))

    headers = [(name.encode(), value.encode()) for name, value in TOKEN.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    await services.app("chat")(scope, receive, send)
    return bytes(body)


async def test_models_are_found_on_first_use_and_serve_every_chain() -> None:
    async with WireServer([LISTED]) as server:
        services = _services(server.url)
        await _models(services).ensure("auto")
        ids = [card.id for card in services.state.catalog.by_provider("local")]
        assert ids == ["local-llama3.2:3b", "local-qwen3"]
        await _models(services).ensure("auto")
        assert len(server.requests) == 1
        await services.close()


async def test_a_server_that_is_down_costs_one_short_try() -> None:
    async with WireServer([plain({"error": "starting"}, status=503)]) as server:
        services = _services(server.url)
        await _models(services).ensure("local-qwen3")
        await _models(services).ensure("local-qwen3")
        assert len(server.requests) == 1
        assert services.state.catalog.by_provider("local") == ()
        await services.close()


async def test_a_chat_goes_to_the_local_model_by_name() -> None:
    answer = plain(
        {
            "id": "x",
            "object": "chat.completion",
            "model": "qwen3",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hi from here"},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
        }
    )
    async with WireServer([LISTED, answer]) as server:
        services = _services(server.url)
        request = _request("local-qwen3")
        chat = services.chat
        context = await chat.begin(request, "req_1", SystemClock().monotonic(), "free")
        result = await chat.complete(request, context)
        assert result.choices[0]["message"] == {"role": "assistant", "content": "Hi from here"}
        sent = orjson.loads(server.requests[1].body)
        assert sent["model"] == "qwen3"
        assert "authorization" not in server.requests[1].headers
        await services.close()


async def test_an_unknown_local_model_is_a_404() -> None:
    async with WireServer([LISTED]) as server:
        services = _services(server.url)
        request = _request("local-nobody")
        context = await services.chat.begin(request, "req_1", SystemClock().monotonic(), "free")
        with pytest.raises(ModelNotFound) as refused:
            services.chat.plan(request, context)
        assert refused.value.param == "model"
        await services.close()


async def test_the_list_of_models_has_them_before_any_chat() -> None:
    async with WireServer([LISTED]) as server:
        services = _services(server.url)
        assert b'"id":"local-qwen3"' in await _get(services, "/v1/models")
        one = await _get(services, "/v1/models/local-llama3.2:3b")
        assert orjson.loads(one)["owned_by"] == "local"
        assert len(server.requests) == 1
        await services.close()


async def test_a_list_that_hangs_leaves_the_request_its_time() -> None:
    async with WireServer([Reply((Hang(),))]) as server:
        services = _services(server.url)
        began = SystemClock().monotonic()
        await _models(services).ensure("auto", 0.4)
        assert SystemClock().monotonic() - began < 0.3
        await services.close()
