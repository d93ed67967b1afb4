"""One running system for all end-to-end tests that only talk to it, and fresh ones for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.messages import JsonObject
from tests.support.auth_emulator import PROJECT, AuthEmulator
from tests.support.local_process import LocalProcess
from tests.support.open_limits import open_config
from tests.support.router_client import RouterClient

AUTH_EMULATOR = "FIREBASE_AUTH_EMULATOR_HOST"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcess]:
    """``python -m local`` with every provider simulated and no limits. Whoever sets faults that
    outlast a request takes a fresh one instead: providers that fail are given a rest."""
    folder = tmp_path_factory.mktemp("local")
    process = LocalProcess(
        folder, {"CODEEX_CONFIG": open_config(folder), "ENABLE_SAFETY_GUARD": "true"}
    )
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


@dataclass(frozen=True)
class FirebaseSystem:
    """A running system, and the Auth emulator whose tokens it takes."""

    local: LocalProcess
    auth: AuthEmulator

    def environment(self) -> dict[str, str]:
        """What a client's process is told."""
        return {"BASE_URL": self.local.url, AUTH_EMULATOR: self.auth.host}


@pytest.fixture(scope="session")
def firebase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirebaseSystem]:
    """The same for apps that sign in with Firebase. One model has no capacity after one call a
    minute."""
    folder = tmp_path_factory.mktemp("firebase")
    config = open_config(folder, {"limits": {"groq-gpt-oss-20b": {"rpm": 1}}})
    auth = AuthEmulator()
    extra = {"CODEEX_CONFIG": config, AUTH_EMULATOR: auth.host}
    process = LocalProcess(folder, {**extra, "GOOGLE_CLOUD_PROJECT": PROJECT})
    try:
        process.wait_ready()
        yield FirebaseSystem(process, auth)
    finally:
        process.stop()
        auth.stop()


@pytest.fixture
def router(running: LocalProcess) -> RouterClient:
    """User alice at the running system."""
    return RouterClient(running.url)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[JsonObject], RouterClient]]:
    """Starts a system of one's own with this configuration and no other limits; user alice
    there."""
    started: list[LocalProcess] = []

    def start(config: JsonObject) -> RouterClient:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        process = LocalProcess(folder, {"CODEEX_CONFIG": open_config(folder, config)})
        started.append(process)
        process.wait_ready()
        return RouterClient(process.url)

    yield start
    for process in started:
        process.stop()
