"""What a cold start imports: counted in a process of its own, by name and by number.

Seconds and megabytes differ from machine to machine and are the benchmark's business; what is
imported is the same everywhere, and it is what decides both.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from infra.package import ROOT, functions

# Clients and libraries of weight (80-500 ms each): a start needs none, they come on first use.
HEAVY = (
    "firebase_admin",
    "google.api_core",
    "google.auth",
    "google.cloud.firestore",
    "google.cloud.storage",
    "google.cloud.tasks",
    "google.cloud.tasks_v2",
    "google.genai",
    "grpc",
    "httpx",
    "numpy",
    "openai",
    "opentelemetry.sdk",
    "PIL",
    "pydantic",
    "requests",
    "tiktoken",
)
# What the framework, starlette, msgspec, aiohttp and orjson are made of, with a little room.
THIRD_PARTY_BUDGET = 285
# With the standard library and our own modules, some 180 small ones: quotas, client limits, jobs
# and the configuration's follower are on every chat's path.
TOTAL_BUDGET = 750

# Loads the function as functions-framework does, then serves one request without a server.
PROBE = """
import asyncio, json, sys
from functions_framework.aio import create_asgi_app

target = sys.argv[1]
application = create_asgi_app(target, f"functions/{target}/main.py")
started = sorted(sys.modules)

async def serve():
    scope = {"type": "http", "method": "GET", "path": "/health", "raw_path": b"/health",
             "query_string": b"", "root_path": "", "headers": [], "http_version": "1.1",
             "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1)}
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    await application(scope, receive, send)
    return sent[0]["status"]

status = asyncio.run(serve())
print(json.dumps({"started": started, "status": status, "served": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module", params=functions())
def modules(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Module names: ``started`` before the first request, ``served`` after ``/health``."""
    function: str = request.param
    done = subprocess.run(
        [sys.executable, "-c", PROBE, function],
        cwd=ROOT,
        env={"PYTHONPATH": ".", "GOOGLE_CLOUD_PROJECT": "demo-cold", "GROQ_API_KEY": "a-key"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == 200
    return {"started": report["started"], "served": report["served"]}


def heavy(names: list[str]) -> list[str]:
    return [n for n in names if any(n == one or n.startswith(one + ".") for one in HEAVY)]


def third_party(names: list[str]) -> list[str]:
    ours = {"shared", "main", "__main__"}
    return [n for n in names if n.split(".")[0] not in sys.stdlib_module_names | ours]


def test_nothing_heavy_is_imported_before_the_first_request(modules: dict[str, list[str]]) -> None:
    assert heavy(modules["started"]) == []


def test_nothing_heavy_is_imported_by_a_request_that_needs_none(
    modules: dict[str, list[str]],
) -> None:
    assert heavy(modules["served"]) == []


def test_probe_sees_the_function_and_what_it_stands_on(modules: dict[str, list[str]]) -> None:
    """Guards the guard: a probe that loaded nothing would pass everything above."""
    loaded = {"shared.app", "shared.edge.app", "aiohttp", "msgspec", "starlette", "orjson"}
    assert loaded <= set(modules["started"])


def test_modules_before_the_first_request_keep_to_their_budget(
    modules: dict[str, list[str]],
) -> None:
    others = third_party(modules["started"])
    assert len(others) <= THIRD_PARTY_BUDGET, f"{len(others)}: {others}"
    assert len(modules["started"]) <= TOTAL_BUDGET, len(modules["started"])


def test_first_request_brings_no_further_package(modules: dict[str, list[str]]) -> None:
    """The start pays for imports; a request that waits for a package would be the slow one."""
    known = {name.split(".")[0] for name in modules["started"]}
    assert {name.split(".")[0] for name in third_party(modules["served"])} <= known
