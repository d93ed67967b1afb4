"""Plays the chosen cases once for all tests, and prints the score table at the end."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.judge import Verdict
from tests.faults.play import play_all, play_processes
from tests.faults.scenario import Case
from tests.faults.table import lines

_VERDICTS = pytest.StashKey[dict[str, Verdict]]()


def _chosen(session: pytest.Session, test: str) -> list[Case]:
    """The cases of those tests that will run: playing them together is what makes them quick."""
    found: list[Case] = []
    for item in session.items:
        if isinstance(item, pytest.Function) and item.originalname == test:
            case = item.callspec.params["case"]
            assert isinstance(case, Case)
            found.append(case)
    return found


@pytest.fixture(scope="session")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Verdict]:
    """Verdicts by case id, on instances inside this process."""
    cases = _chosen(request.session, "test_fault")
    found = asyncio.run(play_all(cases, tmp_path_factory.mktemp("faults")))
    request.config.stash[_VERDICTS] = found
    return found


@pytest.fixture(scope="session")
def process_verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Verdict]:
    """Verdicts by case id, on functions-framework processes."""
    cases = _chosen(request.session, "test_fault_in_a_process")
    return asyncio.run(play_processes(cases, tmp_path_factory.mktemp("processes")))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    found = config.stash.get(_VERDICTS, None)
    if found:
        terminalreporter.section("faults")
        for line in lines(found):
            terminalreporter.write_line(line)
