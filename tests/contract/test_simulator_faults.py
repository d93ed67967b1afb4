"""Faults of the simulator as a client meets them, and what the simulator notes of each call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from local.sim.errors import WireError, error_answer
from local.sim.latency import MEDIANS
from shared.messages import JsonObject, JsonValue
from shared.settings import PROVIDERS
from tests.support.simulation import Answer, SimClient, at, eventually, fields, items, simulation
from tests.support.virtual_time import ManualClock

GPT = "openai/gpt-oss-120b"


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[SimClient]:
    async with simulation() as client:
        yield client


async def ask(sim: SimClient, provider: str, *, stream: bool = False) -> Answer:
    """One call of a living model on the provider's own wire."""
    if provider == "google":
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents: JsonObject = {"contents": [{"role": "user", "parts": [{"text": "Explain rain"}]}]}
        return await sim.generate("gemini-3.8-flash", contents, method)
    if provider == "elevenlabs":
        path = "/v1/text-to-speech/JBFqnCBsd6RMkjVDRZzb" + ("/stream" if stream else "")
        return await sim.call(provider, path, {"text": "Explain rain"})
    model = "gpt-oss-120b" if provider == "cerebras" else GPT
    return await sim.chat(provider, model, "Explain rain", stream=stream)


def noted(sim: SimClient) -> list[JsonObject]:
    return [fields(call) for call in sim.sim.journal.listed()]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 500, 502, 503, 504, 529])
async def test_a_status_comes_in_the_providers_own_body(
    sim: SimClient, provider: str, status: int
) -> None:
    sim.sim.faults.add({"provider": provider, "kind": "status", "status": status})
    answer = await ask(sim, provider)
    assert answer.status == status
    body = answer.json()
    if provider == "google":
        assert at(body, "error", "code") == status
        assert at(body, "error", "status")
    elif provider == "elevenlabs":
        assert at(body, "detail", "message")
    elif provider == "huggingface":
        assert isinstance(body["error"], str)
    else:
        assert at(body, "error", "message")
        assert at(body, "error", "type")


async def test_a_wait_is_told_where_each_provider_tells_it(sim: SimClient) -> None:
    answers = {}
    for provider in PROVIDERS:
        described: JsonObject = {"provider": provider, "kind": "status", "status": 429}
        sim.sim.faults.add({**described, "retry_after": 20})
        answers[provider] = await ask(sim, provider)
    for provider in ("groq", "cerebras", "elevenlabs"):
        assert answers[provider].headers["retry-after"] == "20"
    assert answers["huggingface"].headers["ratelimit"] == '"api";r=0;t=20'
    details = items(at(answers["google"].json(), "error", "details"))
    assert "PerMinute" in str(at(details[0], "violations", 0, "quotaId"))
    assert at(details[1], "retryDelay") == "20s"


def test_an_hour_or_more_is_a_quota_of_the_day() -> None:
    for provider, told in (("google", b"PerDay"), ("groq", b"per day")):
        error = WireError(429, "", retry_after=7_200)
        assert told in error_answer(provider, error).body


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("after_bytes", [0, 150, 10**7])
async def test_a_cut_never_looks_complete(
    sim: SimClient, provider: str, stream: bool, after_bytes: int
) -> None:
    sim.sim.faults.add({"provider": provider, "kind": "cut", "after_bytes": after_bytes})
    with pytest.raises(aiohttp.ClientError):
        await ask(sim, provider, stream=stream)
    assert noted(sim)[-1]["fault"] == "cut"


@pytest.mark.parametrize("after_bytes", [0, 300])
async def test_a_hang_lasts_until_the_client_leaves(sim: SimClient, after_bytes: int) -> None:
    sim.sim.faults.add({"provider": "groq", "kind": "hang", "after_bytes": after_bytes})
    body: JsonValue = {
        "model": GPT,
        "stream": True,
        "messages": [{"role": "user", "content": "Explain rain"}],
    }
    url, headers = sim.urls["groq"] + "/chat/completions", sim.headers("groq")
    call = asyncio.create_task(sim.session.post(url, json=body, headers=headers).__aenter__())
    if after_bytes:
        response = await call
        assert len(await response.content.readexactly(after_bytes)) == after_bytes
        response.close()
    else:
        await eventually(lambda: bool(noted(sim)))
        call.cancel()
    await eventually(lambda: noted(sim)[-1]["finished_at"] is not None)
    assert noted(sim)[-1]["client_left"] is True


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("after_bytes", [0, 100])
async def test_garbage_is_a_200_that_is_not_the_wire_format(
    sim: SimClient, provider: str, after_bytes: int
) -> None:
    sim.sim.faults.add({"provider": provider, "kind": "garbage", "after_bytes": after_bytes})
    answer = await ask(sim, provider)
    assert answer.status == 200
    with pytest.raises(ValueError, match=r"Expecting|Invalid|Extra"):
        answer.json()


async def test_slow_waits_before_the_first_byte_and_then_answers() -> None:
    clock = ManualClock()
    async with simulation(clock=clock) as sim:
        sim.sim.faults.add({"provider": "groq", "kind": "slow", "delay_ms": 3_000})
        answer = await ask(sim, "groq")
        assert answer.status == 200
        assert clock.monotonic() == pytest.approx(3.0)
        await ask(sim, "groq", stream=True)  # as long again over the rest of a stream
        assert clock.monotonic() == pytest.approx(9.0)


async def test_typical_latency_is_spread_about_its_median() -> None:
    clock = ManualClock()
    async with simulation(clock=clock, typical_latency=True) as sim:
        times: list[float] = []
        for _ in range(60):
            before = clock.monotonic()
            await ask(sim, "groq", stream=len(times) % 2 == 0)
            times.append(clock.monotonic() - before)
        times.sort()
        assert times[30] == pytest.approx(MEDIANS["text"], rel=0.2)
        assert times[0] < times[30] * 0.8
        assert times[-1] > times[30] * 1.2


async def test_what_was_received_is_listed_with_times(sim: SimClient) -> None:
    sim.sim.faults.add({"provider": "google", "kind": "status", "status": 503, "times": 1})
    await ask(sim, "groq")
    await ask(sim, "google", stream=True)
    first, second = noted(sim)
    assert (first["provider"], first["model"], first["status"]) == ("groq", GPT, 200)
    assert at(first, "body", "messages", 0, "content") == "Explain rain"
    assert (second["provider"], second["status"], second["fault"]) == ("google", 503, "status")
    assert second["stream"] is True
    assert float(str(first["received_at"])) <= float(str(first["finished_at"]))
    assert sim.sim.journal.listed("google") == [second]


async def test_large_bodies_are_noted_by_size_only(sim: SimClient) -> None:
    await sim.chat("groq", GPT, "word " * 10_000)
    assert noted(sim)[-1]["body"] is None
    assert int(str(noted(sim)[-1]["body_bytes"])) > 50_000
