"""Every fault, judged from outside: the client gets the whole right answer, or the right error.

What counts as right, partial and failed is written in docs/faults.md and in ``judge``.
"""

from __future__ import annotations

import pytest

from tests.faults.judge import Score, Verdict
from tests.faults.scenario import Case
from tests.faults.scenarios import CASES, PROCESS_CASES, SCENARIOS
from tests.faults.table import PAGE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fault(case: Case, verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts[case.id]
    assert verdict.score is Score.PASS, verdict.why


@pytest.mark.parametrize("case", PROCESS_CASES, ids=lambda case: case.id)
def test_fault_in_a_process(case: Case, process_verdicts: dict[str, Verdict]) -> None:
    """The same against the function as it is deployed."""
    verdict = process_verdicts[case.id]
    assert verdict.score is Score.PASS, verdict.why


def test_the_sixteen_are_all_there() -> None:
    assert len([scenario for scenario in SCENARIOS if scenario.sixteen]) == 16


def test_scenarios_have_names_of_their_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_the_page_lists_every_scenario() -> None:
    page = PAGE.read_text(encoding="utf-8")
    mark = {True: " (16)", False: ""}
    missing = [
        scenario.name
        for scenario in SCENARIOS
        if f"| {scenario.group} | {scenario.name}{mark[scenario.sixteen]} |" not in page
    ]
    assert missing == []
