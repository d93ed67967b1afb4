"""One running system for all end-to-end tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.local_process import LocalProcess


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcess]:
    """``python -m local`` with every provider simulated."""
    process = LocalProcess(tmp_path_factory.mktemp("local"))
    try:
        process.wait_ready()
        yield process
    finally:
        process.stop()
