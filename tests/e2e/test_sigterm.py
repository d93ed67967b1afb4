"""A deployed instance is told to stop: what it holds and owes is in the store when it has gone."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from pathlib import Path

from shared.limits.quota_state import NOTHING, QuotaState
from shared.limits.quota_text import read_state
from shared.messages import JsonObject
from shared.storage.documents import DocumentStore
from shared.storage.queries import Query
from tests.support.function_process import FunctionProcess
from tests.support.local_process import ROOT
from tests.support.simulation import eventually
from tests.support.stores import sqlite_store
from tests.support.tokens import good_claims, unsigned
from tests.support.wire_server import Hang, WireServer, chunked, plain
from tests.support.wire_server import data as events

PROJECT = "demo-sigterm"
CHAT = "/v1/chat/completions"
MODEL = "groq-gpt-oss-120b"
ANSWER: JsonObject = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "openai/gpt-oss-120b",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello to you."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
}


def asked(*, stream: bool = False) -> JsonObject:
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 16,
        "stream": stream,
    }


def started(url: str, folder: Path) -> FunctionProcess:
    process = FunctionProcess(
        ROOT,
        {
            "PYTHONPATH": ".",
            "GROQ_API_KEY": "a-key",
            "ENABLE_SAFETY_GUARD": "false",
            "GROQ_BASE_URL": url,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:1",
            "CODEEX_DATA_DIR": str(folder / "data"),
        },
        folder / "output.txt",
        arguments=("--source", "functions/chat/main.py"),
    )
    process.wait_ready()
    return process


def bearer() -> dict[str, str]:
    token = unsigned(good_claims("captain", project=PROJECT, now=time.time()))
    return {"Authorization": f"Bearer {token}"}


async def quota_of(store: DocumentStore) -> QuotaState:
    document = await store.get("quotas/groq")
    assert document is not None
    return read_state(str(document.data["state"]), document.version // 1000)


def holds(state: QuotaState) -> bool:
    """Whether anybody holds permits; who gave theirs back is remembered with none."""
    return any(grant.whole != NOTHING or grant.models for grant in state.held.values())


async def test_uses_are_settled_leases_given_back_and_figures_stored(tmp_path: Path) -> None:
    async with WireServer([plain(ANSWER)] * 3) as server:
        process = await asyncio.to_thread(started, server.url, tmp_path)
        for _ in range(3):
            answer = await asyncio.to_thread(process.call, CHAT, asked(), bearer())
            assert answer.status == 200, answer.text
        store = sqlite_store(tmp_path / "data")
        assert holds(await quota_of(store)), "a lease is held while the instance serves"
        # 128 + SIGTERM, or 0 where the arbiter ends by itself.
        assert await asyncio.to_thread(process.stop) in (0, -15, 143), process.output
    state = await quota_of(store)
    assert not holds(state)
    requests, tokens = state.scopes[MODEL].minute_used(int(time.time() * 1000))
    assert (requests, tokens) == (3, 39)
    hours = await store.query(Query("stats"))
    assert len(hours) == 1
    await store.close()


async def test_a_stream_under_way_ends_in_a_typed_error(tmp_path: Path) -> None:
    first = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "openai/gpt-oss-120b",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Once"}}],
    }
    hanging = chunked([events(first), Hang()])
    async with WireServer([hanging]) as server:
        process = await asyncio.to_thread(started, server.url, tmp_path)
        reading = asyncio.create_task(asyncio.to_thread(stream, process))
        await eventually(lambda: bool(server.requests))
        code = await asyncio.to_thread(process.stop)
        assert code in (0, -15, 143), process.output
        text = await reading
    *_, last = [frame for frame in text.split("\n\n") if frame.startswith("data: ")]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["code"] in ("all_models_failed", "provider_error")
    store = sqlite_store(tmp_path / "data")
    assert not holds(await quota_of(store))
    await store.close()


def stream(process: FunctionProcess) -> str:
    """The whole text of a stream, to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=30)
    body = json.dumps(asked(stream=True))
    connection.request("POST", CHAT, body, {**bearer(), "Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    text = response.read().decode()
    connection.close()
    return text
