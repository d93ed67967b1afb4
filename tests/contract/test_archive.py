"""The archive as it is deployed: unpacked alone, started by plain ``functions-framework``.

Once in this environment, and once (``slow_install``, in CI) in one that holds nothing but what the
archive's own requirements.txt installs.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.package import build, functions
from shared import VERSION
from shared.messages import JsonObject
from tests.support.function_process import FunctionProcess
from tests.support.tokens import PROJECT, good_claims, unsigned
from tests.support.wire_server import WireServer, chunked, data, plain

MODEL = "openai/gpt-oss-120b"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
INSTALL_LIMIT_S = 600


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The chat archive's members in a folder of their own."""
    folder = tmp_path / "workspace"
    with zipfile.ZipFile(build("chat", tmp_path)) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
async def provider() -> AsyncIterator[WireServer]:
    """Groq's place: any server that speaks its wire."""
    async with WireServer() as server:
        yield server


def completion(text: str) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }


def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        "usage": USAGE if finish else None,
    }


def environment(provider: WireServer) -> dict[str, str]:
    """As deployed, with a provider at hand and the Auth emulator's tokens."""
    return {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:1",
        "GROQ_API_KEY": "a-key",
        "GROQ_BASE_URL": provider.url,
        "ENABLE_SAFETY_GUARD": "false",
    }


async def check_answers(function: FunctionProcess, provider: WireServer) -> None:
    """Health, a closed door, a chat and a streamed chat."""
    health = await asyncio.to_thread(function.call, "/health")
    assert health.json() == {"status": "ok", "function": "chat", "version": VERSION}

    body: JsonObject = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    refused = await asyncio.to_thread(function.call, "/v1/chat/completions", body)
    assert refused.status == 401
    assert '"unauthenticated"' in refused.text
    assert provider.requests == []

    token = unsigned(good_claims(now=time.time()))
    signed_in = {"Authorization": f"Bearer {token}"}
    provider.say(plain(completion("Hello there")))
    answer = await asyncio.to_thread(function.call, "/v1/chat/completions", body, signed_in)
    assert answer.status == 200, answer.text
    assert '"Hello there"' in answer.text
    assert answer.headers["x-codeex-provider"] == "groq"
    assert provider.requests[-1].headers["authorization"] == "Bearer a-key"

    provider.say(
        chunked([data(chunk({"content": "Hel"})), data(chunk({"content": "lo"}, "stop"), "[DONE]")])
    )
    asked: JsonObject = {**body, "stream": True}
    stream = await asyncio.to_thread(function.call, "/v1/chat/completions", asked, signed_in)
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = [line[6:] for line in stream.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"] for event in events[:-1]]
    assert "".join(c[0]["delta"].get("content") or "" for c in deltas if c) == "Hello"


async def test_archive_alone_answers(unpacked: Path, provider: WireServer, tmp_path: Path) -> None:
    function = FunctionProcess(unpacked, environment(provider), tmp_path / "output.txt")
    try:
        await asyncio.to_thread(function.wait_ready)
        await check_answers(function, provider)
    finally:
        await asyncio.to_thread(function.stop)


# A path of each function that nobody may have without a token, and how it is called.
DOORS: dict[str, tuple[str, JsonObject | None]] = {
    "chat": ("/v1/models", None),
    "jobs": ("/v1/jobs", None),
    "admin": ("/admin/api/config", None),
    "worker": ("/tasks/run", {}),
    "health_cron": ("/cron/health", {}),
}


def deployed_environment(function: str, data: Path) -> dict[str, str]:
    """All that Terraform tells a function, and an embedded store in the place of Firestore."""
    return {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "K_SERVICE": function.replace("_", "-"),
        "MEDIA_BUCKET": f"{PROJECT}-codeex-media",
        "TASKS_LOCATION": "us-central1",
        "TASKS_QUEUE": "codeex",
        "TASKS_SERVICE_ACCOUNT": f"codeex-tasks@{PROJECT}.iam.gserviceaccount.com",
        "WORKER_URL": "https://worker-1.us-central1.run.app",
        "CODEEX_DATA_DIR": str(data),
    }


@pytest.mark.parametrize("function", functions())
async def test_archive_of_each_function_answers_and_keeps_its_door_closed(
    function: str, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    with zipfile.ZipFile(build(function, tmp_path)) as archive:
        archive.extractall(folder)
    process = FunctionProcess(
        folder,
        deployed_environment(function, tmp_path / "data"),
        tmp_path / "output.txt",
        arguments=("--target", function),
    )
    name = function.replace("_", "-")
    path, body = DOORS[function]
    try:
        await asyncio.to_thread(process.wait_ready)
        health = await asyncio.to_thread(process.call, "/health")
        assert health.json() == {"status": "ok", "function": name, "version": VERSION}
        refused = await asyncio.to_thread(process.call, path, body)
        assert refused.status in (401, 403), refused.text
        other = await asyncio.to_thread(process.call, "/v1/nothing")
        assert other.status in (401, 404), other.text
    finally:
        await asyncio.to_thread(process.stop)


def make_environment(folder: Path, requirements: Path) -> tuple[Path, set[str]]:
    """A fresh environment with ``requirements``: its programs' folder and what it holds."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_LIMIT_S)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-input", "-r", str(requirements)]
    done = subprocess.run(
        install, check=False, capture_output=True, text=True, timeout=INSTALL_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    frozen = subprocess.run(
        [*pip, "freeze"], check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT_S
    )
    return folder / "bin", {line.lower().replace("_", "-") for line in frozen.stdout.split()}


@pytest.mark.slow_install
async def test_archive_answers_with_its_own_requirements_alone(
    unpacked: Path, provider: WireServer, tmp_path: Path
) -> None:
    requirements = unpacked / "requirements.txt"
    programs, installed = await asyncio.to_thread(make_environment, tmp_path / "venv", requirements)
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pinned = {line.strip().lower() for line in lines if line.strip() and not line.startswith("#")}
    assert installed == pinned
    function = FunctionProcess(
        unpacked, environment(provider), tmp_path / "output.txt", programs=programs
    )
    try:
        await asyncio.to_thread(function.wait_ready)
        await check_answers(function, provider)
    finally:
        await asyncio.to_thread(function.stop)
