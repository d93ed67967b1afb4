"""Which suites can run here, and the list of those left out.

A test that needs Node and the packages of tests/clients carries ``needs_node``, with those of
tests/rules ``needs_node_rules``; one that needs Chromium ``needs_browser``, one that needs the
Firestore emulator ``needs_firestore``. Where that is missing it is left out and listed at the end,
never skipped in silence; with ``CI=true`` nothing is left out, so a missing part fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from local.testing import find_browser
from shared.storage.documents import DocumentStore
from tests.support import firestore_emulator as firestore_emulator_support
from tests.support.firestore_emulator import FirestoreEmulator
from tests.support.stores import firestore_store, sqlite_store

# No deadline: machines differ, and speed is the benchmark's business. In CI the same examples are
# tried each time, so that a red run means the change; elsewhere new ones are searched.
settings.register_profile("search", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI", "").lower() == "true" else "search")

_TESTS = Path(__file__).resolve().parent
# What a test with the marker imports in JavaScript; make test installs it where there is Node.js.
_PACKAGES = {"needs_node": "clients", "needs_node_rules": "rules"}
_DRIVER = _TESTS.parent / "public" / "node_modules" / "playwright-core"
_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    told = os.environ.get("CODEEX_LEFT_OUT", "")
    config.stash[_LEFT_OUT] = [line for line in told.splitlines() if line]


# Where coverage is not counted: what these run the others run too (97 % with unit and contract
# tests alone), and counting takes up to two thirds of their time.
_UNCOUNTED = ("properties", "faults", "e2e")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(_TESTS).parts[0] in _UNCOUNTED:
            item.add_marker("no_cover")
    if os.environ.get("CI", "").lower() == "true":
        return
    for marker, folder in _PACKAGES.items():
        if shutil.which("node") is None or not (_TESTS / folder / "node_modules").is_dir():
            missing = (
                f"Node.js or tests/{folder}/node_modules is missing (make test installs the "
                "packages where there is Node.js)"
            )
            _leave_out(config, items, marker, missing)
    if find_browser(os.environ) is None or not _DRIVER.is_dir():
        missing = "Chromium or public/node_modules is missing (make test builds the pages first)"
        _leave_out(config, items, "needs_browser", missing)
    if any(item.get_closest_marker("needs_firestore") for item in items):
        looked = firestore_emulator_support.find(os.environ)
        if isinstance(looked, str):
            _leave_out(config, items, "needs_firestore", looked)


def _leave_out(config: pytest.Config, items: list[pytest.Item], marker: str, missing: str) -> None:
    dropped = [item for item in items if item.get_closest_marker(marker) is not None]
    if dropped:
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)
        config.stash[_LEFT_OUT].append(f"{len(dropped)} tests marked {marker}: {missing}")


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of an emulator that runs for the whole session."""
    looked = firestore_emulator_support.find(os.environ)
    assert not isinstance(looked, str), looked
    emulator = FirestoreEmulator(looked, tmp_path_factory.mktemp("firestore") / "output.txt")
    emulator.wait_ready()
    yield emulator.host
    emulator.stop()


@pytest.fixture(params=["sqlite", pytest.param("firestore", marks=pytest.mark.needs_firestore)])
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DocumentStore]:
    """An empty document store, once on each database."""
    if request.param == "sqlite":
        store = sqlite_store(tmp_path)
    else:
        store = firestore_store(request.getfixturevalue("firestore_emulator"))
    yield store
    await store.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left_out = config.stash[_LEFT_OUT]
    if left_out:
        terminalreporter.section("left out")
        for line in left_out:
            terminalreporter.write_line(line)
