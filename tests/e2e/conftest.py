"""One running system for all end-to-end tests that only talk to it, and fresh ones for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.messages import JsonObject
from tests.support.local_process import LocalProcess
from tests.support.open_limits import open_config
from tests.support.router_client import RouterClient


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcess]:
    """``python -m local`` with every provider simulated and no limits. Whoever sets faults that
    outlast a request takes a fresh one instead: providers that fail are given a rest."""
    folder = tmp_path_factory.mktemp("local")
    process = LocalProcess(folder, {"CODEEX_CONFIG": open_config(folder)})
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()


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
