"""Embeddings, model lists, limit headers, and the providers that only some of it applies to."""

from __future__ import annotations

import pytest

from shared.errors import (
    KeyRejected,
    MalformedAnswer,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    ProviderFailure,
    QuotaExceeded,
    RequestTooLarge,
)
from shared.providers.base import EmbeddingResult, LimitSignal
from shared.providers.elevenlabs import ElevenLabsProfile
from shared.providers.http import HttpPool
from tests.support.provider_calls import KEY, PATIENT, adapter, card, chat_call, read_all, settings
from tests.support.wire_server import Reply, Seen, WireServer, plain

OK = {"choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]}


async def embed(
    reply: Reply, inputs: list[str], dimensions: int | None = None
) -> tuple[EmbeddingResult, Seen]:
    async with WireServer([reply]) as server:
        pool = HttpPool()
        own = adapter("local", server.url, pool)
        try:
            result = await own.embed(card("local", "embedder"), inputs, dimensions, PATIENT)
        finally:
            await pool.close()
        return result, server.requests[0]


async def models(reply: Reply, provider: str = "groq") -> list[str]:
    async with WireServer([reply]) as server:
        pool = HttpPool()
        try:
            return await adapter(provider, server.url, pool).list_models(PATIENT)
        finally:
            await pool.close()


async def signals(provider: str, headers: dict[str, str]) -> list[LimitSignal]:
    async with WireServer([plain(OK, headers=headers)]) as server:
        pool = HttpPool()
        call = chat_call(model=card(provider))
        await adapter(provider, server.url, pool).complete(call, PATIENT)
        await pool.close()
        return call.signals


async def test_embeddings_in_the_order_of_the_inputs() -> None:
    body = {
        "data": [
            {"index": 1, "embedding": [3, 4.5]},
            {"index": 0, "embedding": [1, 2]},
        ],
        "usage": {"prompt_tokens": 6, "total_tokens": 6},
    }
    result, seen = await embed(plain(body), ["a", "b"], 2)
    assert result == EmbeddingResult([[1.0, 2.0], [3.0, 4.5]], 6)
    assert seen.path == "/embeddings"
    assert seen.json() == {
        "model": "embedder",
        "input": ["a", "b"],
        "encoding_format": "float",
        "dimensions": 2,
    }


async def test_embeddings_without_usage_are_estimated() -> None:
    result, seen = await embed(plain({"data": [{"embedding": [0.5]}]}), ["abcdefgh"])
    assert result == EmbeddingResult([[0.5]], 2)
    assert "dimensions" not in seen.json()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"no JSON", MalformedAnswer),
        ([], MalformedAnswer),
        ({"data": []}, MalformedAnswer),
        ({"data": {"0": 1}}, MalformedAnswer),
        ({"data": ["x"]}, MalformedAnswer),
        ({"data": [{"embedding": []}]}, MalformedAnswer),
        ({"data": [{"embedding": ["1"]}]}, MalformedAnswer),
        ({"data": [{"embedding": [1], "index": 3}]}, MalformedAnswer),
        ({"data": [{"embedding": [1], "index": "0"}]}, MalformedAnswer),
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, QuotaExceeded),
    ],
)
async def test_what_is_no_embedding(body: object, expected: type[ProviderFailure]) -> None:
    with pytest.raises(ProviderFailure) as caught:
        await embed(plain(body), ["a"])
    assert type(caught.value) is expected


async def test_the_model_list() -> None:
    listed = {"object": "list", "data": [{"id": "a"}, {"id": "b/c"}, {"no": 1}, None, {"id": ""}]}
    assert await models(plain(listed)) == ["a", "b/c"]
    assert await models(plain([{"id": "a"}]), "local") == ["a"]


async def test_hugging_face_lists_models_whose_backends_are_gone() -> None:
    listed = {
        "data": [
            {"id": "live", "providers": [{"provider": "x", "status": "live"}]},
            {"id": "staging", "providers": [{"provider": "x", "status": "staging"}]},
            {"id": "nobody", "providers": []},
            {"id": "untold"},
        ]
    }
    assert await models(plain(listed), "huggingface") == ["live", "untold"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (plain(b"<html>", 502), Overloaded),
        (
            plain({"error": {"message": "Invalid API Key", "code": "invalid_api_key"}}, 401),
            KeyRejected,
        ),
        (plain(b"<html>"), MalformedAnswer),
        (plain({"data": 1}), MalformedAnswer),
        (plain({"error": "Service busy"}), Overloaded),
    ],
)
async def test_what_is_no_model_list(reply: Reply, expected: type[ProviderFailure]) -> None:
    with pytest.raises(ProviderFailure) as caught:
        await models(reply)
    assert type(caught.value) is expected


async def test_groq_tells_requests_of_the_day_and_tokens_of_the_minute() -> None:
    headers = {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-limit-tokens": "18000",
        "x-ratelimit-remaining-tokens": "17997",
        "x-ratelimit-reset-tokens": "7.66s",
    }
    assert await signals("groq", headers) == [
        LimitSignal("requests", "day", 14370, 14400, 179.56),
        LimitSignal("tokens", "minute", 17997, 18000, 7.66),
    ]


async def test_cerebras_tells_the_window_in_the_name() -> None:
    headers = {
        "x-ratelimit-limit-requests-day": "14400",
        "x-ratelimit-remaining-requests-day": "14000",
        "x-ratelimit-reset-requests-day": "33011.382867",
        "x-ratelimit-limit-tokens-minute": "60000",
        "x-ratelimit-remaining-tokens-minute": "59000",
        "x-ratelimit-reset-tokens-minute": "11.38",
    }
    assert await signals("cerebras", headers) == [
        LimitSignal("requests", "day", 14000, 14400, 33011.382867),
        LimitSignal("tokens", "minute", 59000, 60000, 11.38),
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('"fixed window";"api";q=500;w=300', LimitSignal("requests", "hour", 12, None, 55.0)),
        ('"x";q=500;w=60', LimitSignal("requests", "minute", 12, 500, 55.0)),
        ('"x";q=500;w=86400', LimitSignal("requests", "day", 12, 500, 55.0)),
        ('"x";q=9;w=999999', LimitSignal("requests", "month", 12, None, 55.0)),
        ("", LimitSignal("requests", "minute", 12, None, 55.0)),
    ],
)
async def test_hugging_face_follows_the_ietf_draft(policy: str, expected: LimitSignal) -> None:
    headers = {"ratelimit": '"api";r=12;t=55', "ratelimit-policy": policy}
    assert await signals("huggingface", headers) == [expected]


@pytest.mark.parametrize("provider", ["groq", "cerebras", "huggingface", "local"])
async def test_nonsense_in_limit_headers_is_no_signal(provider: str) -> None:
    headers = {
        "x-ratelimit-remaining-requests": "many",
        "x-ratelimit-remaining-tokens": "-1",
        "x-ratelimit-remaining-requests-day": "",
        "x-ratelimit-remaining-tokens-minute": "9" * 40,
        "ratelimit": "limit=100",
    }
    assert await signals(provider, headers) == []


async def test_elevenlabs_lists_its_models_with_a_header_of_its_own() -> None:
    listed = [{"model_id": "eleven_v4", "name": "v4"}, {"name": "?"}, "x"]
    async with WireServer([plain(listed)]) as server:
        pool = HttpPool()
        assert await adapter("elevenlabs", server.url, pool).list_models(PATIENT) == ["eleven_v4"]
        await pool.close()
        seen = server.requests[0]
    assert (seen.method, seen.path) == ("GET", "/v1/models")
    assert seen.headers["xi-api-key"] == KEY
    assert "authorization" not in seen.headers


@pytest.mark.parametrize(
    ("status", "detail", "expected", "window"),
    [
        (401, {"status": "invalid_api_key", "message": "Invalid API key"}, KeyRejected, None),
        (401, {"status": "quota_exceeded", "message": "0 credits"}, QuotaExceeded, "month"),
        (401, {"status": "detected_unusual_activity", "message": "VPN"}, KeyRejected, None),
        (402, {"type": "p", "code": "paid_plan_required", "message": "x"}, NotOnThisKey, None),
        (402, {"status": "payment_required"}, PaymentRequired, "month"),
        (403, {"status": "only_for_creator+", "message": "x"}, NotOnThisKey, None),
        (429, {"status": "too_many_concurrent_requests", "message": "x"}, QuotaExceeded, "minute"),
        (429, {"status": "system_busy", "message": "x"}, Overloaded, None),
        (400, {"status": "max_character_limit_exceeded", "message": "x"}, RequestTooLarge, None),
    ],
)
async def test_elevenlabs_errors(
    status: int, detail: dict[str, str], expected: type[ProviderFailure], window: str | None
) -> None:
    with pytest.raises(ProviderFailure) as caught:
        await models(plain({"detail": detail}, status), "elevenlabs")
    assert type(caught.value) is expected
    assert caught.value.window == window


async def test_elevenlabs_tells_when_no_more_requests_may_run() -> None:
    profile = ElevenLabsProfile(settings("elevenlabs", "https://host"), lambda: 0.0)
    full = {"current-concurrent-requests": "2", "maximum-concurrent-requests": "2"}
    assert profile.limit_signals(full) == [LimitSignal("requests", "minute", 0, None, 1.0)]
    assert profile.limit_signals({**full, "current-concurrent-requests": "1"}) == []
    assert profile.limit_signals({}) == []
    assert profile.model_ids({"data": []}) is None


async def test_elevenlabs_says_that_it_has_no_chat() -> None:
    pool = HttpPool()
    own = adapter("elevenlabs", "http://127.0.0.1:9", pool)
    call = chat_call(model=card("elevenlabs", "eleven_v4"))
    with pytest.raises(NotOnThisKey, match="speech only"):
        await own.complete(call, PATIENT)
    with pytest.raises(NotOnThisKey, match="speech only"):
        await read_all(own.stream(call, PATIENT))
    with pytest.raises(NotOnThisKey, match="speech only"):
        await own.embed(call.card, ["a"], None, PATIENT)
    await pool.close()
