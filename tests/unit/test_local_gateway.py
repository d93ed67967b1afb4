"""One address: which request goes where, and ``/sim``."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send

from local.blob_links import BlobLinks
from local.gateway import Gateway, load_functions
from local.hosting import Hosting, HostingError, glob, read_hosting
from local.hosting import Rewrite as HostingRewrite
from local.sim.faults import Faults
from local.sim.journal import Journal
from local.sim_api import SimApi
from local.static_pages import StaticPages
from shared.app import SERVICES_KEY, Services, build_services
from shared.edge.asgi import send_json
from shared.settings import load_settings
from shared.storage.blobs import BlobStore
from shared.storage.blobs_folder import FolderBlobs
from tests.support.asgi_client import call
from tests.support.stores import memory_store

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "a-secret-of-this-process"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """A function that tells what it saw."""
    seen = {
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode(),
        "services": isinstance(scope.get(SERVICES_KEY), Services),
    }
    await send_json(send, 200, [], dict(seen))


@pytest_asyncio.fixture
async def services() -> AsyncIterator[Services]:
    made = build_services(load_settings({}), rng=random.Random(1), documents=memory_store())
    yield made
    await made.close()


def sim_api(providers: tuple[str, ...] = ("groq", "google")) -> SimApi:
    faults = Faults(providers, lambda _, model: model == "known", random.Random(1))
    return SimApi(faults, Journal(), providers)


@pytest.fixture
def gateway(services: Services, tmp_path: Path) -> Gateway:
    hosting = read_hosting(ROOT)
    here = Hosting(tmp_path, hosting.rewrites, hosting.headers)
    (tmp_path / "index.html").write_text("home")
    pages = StaticPages(here, lambda: "")
    blobs = BlobLinks(FolderBlobs(tmp_path))
    functions = {"chat": echo, "worker": echo}
    return Gateway(here, functions, services, sim_api(), pages, blobs, SECRET)


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/health", "/health"),
        ("/v1/models/a", "/v1/models/a"),
        ("/project-1/us-central1/chat", "/"),
        ("/project-1/us-central1/chat/", "/"),
        ("/project-1/europe-west1/chat/v1/models", "/v1/models"),
        ("/callable/chat", "/"),
        ("/callable/chat/v1/x", "/v1/x"),
    ],
)
async def test_functions_see_their_own_paths(gateway: Gateway, path: str, seen: str) -> None:
    answer = (await call(gateway, path)).json()
    assert answer == {"path": seen, "raw_path": seen, "services": True}


@pytest.mark.parametrize(
    "path", ["/callable/other", "/project/us-central1/other/v1", "/project/nowhere/chat", "/v2/x"]
)
async def test_nobody_elses_paths_are_pages(gateway: Gateway, path: str) -> None:
    assert (await call(gateway, path)).status == 404
    assert (await call(gateway, "/")).text == "home"


async def test_links_to_blobs_lead_to_them(gateway: Gateway, tmp_path: Path) -> None:
    store = BlobStore(FolderBlobs(tmp_path))
    await store.put("a/b", b"content", "text/plain")
    path, _, query = (await store.signed_url("a/b", 60)).partition("?")
    assert (await call(gateway, path, query=query)).text == "content"
    assert (await call(gateway, path)).status == 403


async def test_the_deployed_entry_point_is_what_is_served(services: Services) -> None:
    functions = load_functions(read_hosting(ROOT), ROOT)
    answer = await call(functions["chat"], "/health")
    assert answer.json()["function"] == "chat"


def test_a_function_without_a_folder_is_told(tmp_path: Path) -> None:
    hosting = Hosting(tmp_path, (HostingRewrite(glob("/x"), "health-cron", "us-central1"),), ())
    with pytest.raises(HostingError, match="health_cron"):
        load_functions(hosting, tmp_path)


# ------------------------------------------------------------------------------ private functions


async def test_who_knows_the_secret_reaches_a_private_function(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {SECRET}"}
    answer = await call(gateway, "/_private/worker/tasks/run", "POST", headers=headers)
    assert answer.status == 200
    assert answer.json() == {"path": "/tasks/run", "raw_path": "/tasks/run", "services": True}


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/_private/worker/tasks/run", ""),
        ("/_private/worker/tasks/run", "Bearer dev-admin"),
        ("/_private/worker", f"bearer {SECRET}"),
        ("/callable/worker/tasks/run", f"Bearer {SECRET}"),
        ("/project-1/us-central1/worker/tasks/run", f"Bearer {SECRET}"),
        ("/tasks/run", f"Bearer {SECRET}"),
        ("/_private/chat/v1/models", f"Bearer {SECRET}"),
    ],
)
async def test_to_everybody_else_it_does_not_exist(gateway: Gateway, path: str, token: str) -> None:
    answer = await call(gateway, path, headers={"authorization": token})
    assert answer.status == 404


# ------------------------------------------------------------------------------------------ /sim


async def test_faults_are_set_listed_and_cleared() -> None:
    api = sim_api()
    set_ = await call(api, "/sim/faults", "POST", body=b'{"provider": "groq", "kind": "hang"}')
    assert (set_.status, set_.json()["id"]) == (201, "fault-1")
    listed = (await call(api, "/sim/faults")).json()
    assert listed == {"faults": [set_.json()], "providers": ["groq", "google"]}
    assert (await call(api, "/sim/faults", "DELETE", query="provider=google")).json() == {
        "cleared": 0
    }
    assert (await call(api, "/sim/faults", "DELETE")).json() == {"cleared": 1}
    assert (await call(api, "/sim/requests")).json() == {"requests": []}
    assert (await call(api, "/sim/requests", "DELETE")).json() == {"cleared": 0}


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status"),
    [
        ("POST", "/sim/faults", "", b"{", 400),
        ("POST", "/sim/faults", "", b"", 400),
        ("POST", "/sim/faults", "", b"\xff", 400),
        ("POST", "/sim/faults", "", b"[1]", 400),
        ("POST", "/sim/faults", "", b'{"provider": "cerebras", "kind": "hang"}', 400),
        ("POST", "/sim/faults", "", b" " * 70_000, 413),
        ("DELETE", "/sim/faults", "provider=nobody", b"", 400),
        ("GET", "/sim/requests", "provider=nobody", b"", 400),
        ("PUT", "/sim/faults", "", b"", 405),
        ("POST", "/sim/requests", "", b"", 405),
        ("GET", "/sim/other", "", b"", 404),
        ("GET", "/sim", "", b"", 404),
    ],
)
async def test_what_sim_refuses(
    method: str, path: str, query: str, body: bytes, status: int
) -> None:
    answer = await call(sim_api(), path, method, query=query, body=body)
    assert answer.status == status
    assert orjson.loads(answer.body)["error"]["message"]


async def test_without_simulated_providers_there_is_no_sim() -> None:
    answer = await call(sim_api(()), "/sim/faults")
    assert answer.status == 404
    assert "SIMULATE=all" in answer.text
