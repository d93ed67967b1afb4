"""Which suites can run here, and the list of those left out.

A test that needs Node carries ``needs_node``. Where Node is missing it is left out and listed at
the end, never skipped in silence; with ``CI=true`` nothing is left out, so a missing part fails.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: machines differ, and speed is the benchmark's business. In CI the same examples are
# tried each time, so that a red run means the change; elsewhere new ones are searched.
settings.register_profile("search", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI", "").lower() == "true" else "search")

_CLIENTS = Path(__file__).resolve().parent / "clients" / "node_modules"
_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    told = os.environ.get("CODEEX_LEFT_OUT", "")
    config.stash[_LEFT_OUT] = [line for line in told.splitlines() if line]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("CI", "").lower() == "true":
        return
    if shutil.which("node") is not None and _CLIENTS.is_dir():
        return
    dropped = [item for item in items if item.get_closest_marker("needs_node") is not None]
    if dropped:
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)
        config.stash[_LEFT_OUT].append(
            f"{len(dropped)} tests marked needs_node: Node.js or tests/clients/node_modules is "
            "missing (make test installs the clients where there is Node.js)"
        )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left_out = config.stash[_LEFT_OUT]
    if left_out:
        terminalreporter.section("left out")
        for line in left_out:
            terminalreporter.write_line(line)
