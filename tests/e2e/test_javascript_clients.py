"""The JavaScript clients (tests/clients) against the running system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.conftest import FirebaseSystem
from tests.support.local_process import LocalProcess

CLIENTS = Path(__file__).resolve().parent.parent / "clients"


@pytest.mark.needs_node
@pytest.mark.parametrize("suite", ["openai", "langchain", "vercel-ai"])
def test_javascript_client(running: LocalProcess, suite: str) -> None:
    run_suite(suite, {"BASE_URL": running.url})


@pytest.mark.needs_node
def test_firebase(firebase: FirebaseSystem) -> None:
    run_suite("firebase", firebase.environment())


@pytest.mark.needs_node
@pytest.mark.needs_browser
def test_in_a_browser(firebase: FirebaseSystem) -> None:
    run_suite("browser", firebase.environment())


def run_suite(suite: str, environment: Mapping[str, str]) -> None:
    """A suite that fails fails here, with what it said."""
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "--test", f"{suite}.test.mjs"],
        cwd=CLIENTS,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
