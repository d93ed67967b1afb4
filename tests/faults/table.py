"""The score table: printed after the tests, written to docs/faults.md by
``python -m tests.faults.table``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.judge import Score, Verdict, worst
from tests.faults.play import ROOT, play_all
from tests.faults.scenario import Scenario
from tests.faults.scenarios import CASES

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- table: python -m tests.faults.table -->\n", "<!-- end of the table -->\n"


def scored(verdicts: Mapping[str, Verdict]) -> list[tuple[Scenario, list[Verdict]]]:
    """Every scenario that was played, with the verdicts on its cases."""
    found: dict[str, tuple[Scenario, list[Verdict]]] = {}
    for case in CASES:
        if case.id in verdicts:
            row = found.setdefault(case.scenario.name, (case.scenario, []))
            row[1].append(verdicts[case.id])
    return list(found.values())


def total(rows: Sequence[tuple[Scenario, list[Verdict]]]) -> str:
    """``N of M pass, P partial, F fail``; a scenario is as good as its worst case."""
    scores = [worst(verdicts) for _, verdicts in rows]
    cases = sum(len(verdicts) for _, verdicts in rows)
    return (
        f"{scores.count(Score.PASS)} of {len(scores)} pass, {scores.count(Score.PARTIAL)} partial, "
        f"{scores.count(Score.FAIL)} fail ({cases} cases: wire and mode)"
    )


def lines(verdicts: Mapping[str, Verdict]) -> list[str]:
    """The table for a terminal: one line a group, one for each scenario that does not pass."""
    rows = scored(verdicts)
    found: list[str] = []
    for group in dict.fromkeys(scenario.group for scenario, _ in rows):
        own = [row for row in rows if row[0].group == group]
        found.append(f"{group:14} {total(own)}")
    for scenario, given in rows:
        score = worst(given)
        if score is not Score.PASS:
            why = next(verdict.why for verdict in given if verdict.score is score)
            found.append(f"{score.value:7} {scenario.name}: {why}")
    sixteen = [row for row in rows if row[0].sixteen]
    if sixteen:
        found.append(f"{'the sixteen':14} {total(sixteen)}")
    found.append(f"{'all':14} {total(rows)}")
    return found


def markdown(verdicts: Mapping[str, Verdict]) -> str:
    """The table for docs/faults.md."""
    rows = scored(verdicts)
    sixteen = [row for row in rows if row[0].sixteen]
    found = [
        f"**{total(rows)}.** The sixteen: {total(sixteen)}.\n",
        "| group | scenario | cases | score |",
        "| --- | --- | ---: | --- |",
    ]
    for scenario, given in rows:
        mark = " (16)" if scenario.sixteen else ""
        score = worst(given).value
        found.append(f"| {scenario.group} | {scenario.name}{mark} | {len(given)} | {score} |")
    return "\n".join(found) + "\n"


def with_table(page: str, table: str) -> str:
    """The page with the table between its marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{PAGE.name} lacks the marks of the table"
    return f"{before}{BEGIN}{table}{END}{after}"


def main() -> int:
    """Play everything, print the table, write it down. 1 where anything fails."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        verdicts = asyncio.run(play_all(CASES, Path(folder)))
    sys.stdout.write("\n".join(lines(verdicts)) + "\n")
    PAGE.write_text(
        with_table(PAGE.read_text(encoding="utf-8"), markdown(verdicts)), encoding="utf-8"
    )
    return int(any(verdict.score is Score.FAIL for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
