"""A primary that dies under load: all are answered, few go on asking it, healed it is used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.clock import SystemClock
from tests.faults import behaviours as does
from tests.faults import client
from tests.faults.answers import ANSWER
from tests.faults.behaviours import Behaviour
from tests.faults.client import Outcome
from tests.faults.house import House
from tests.faults.play import Part, question, stage
from tests.faults.scenario import CASTS, WIRES, Mode

AT_ONCE = 50
NEXT = 25
MOST_OF_NEXT = 3
DEADLINE_S = 20.0
# Longer than the breaker stays open at its first opening and at the one after a failed trial.
HEALED_AFTER_S = 60.0
DEATHS = {"503": does.fails("unavailable"), "silence": does.silent, "reset": does.resets}


class _AheadClock(SystemClock):
    """The machine's clock, which a test can put ahead between two requests."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def wall(self) -> float:
        return super().wall() + self.ahead_s


@pytest.mark.parametrize("mode", [Mode.PLAIN, Mode.STREAM])
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("wire", WIRES)
async def test_fifty_at_once_on_a_dead_primary(
    wire: str, death: str, mode: Mode, tmp_path: Path
) -> None:
    clock = _AheadClock()
    behaviour: Behaviour = DEATHS[death]
    primary = CASTS[wire][0]
    async with House(tmp_path) as house, stage(wire, {"primary": (behaviour,)}) as (servers, parts):
        address = house.open(wire, servers, clock)
        journal = servers[primary.provider].journal

        async def ask() -> Outcome:
            return await client.ask(address, question(mode, DEADLINE_S), DEADLINE_S + 2, None)

        burst = await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        assert _wrong(burst) == []

        seen = len(journal)
        following = await asyncio.gather(*(ask() for _ in range(NEXT)))
        assert _wrong(following) == []
        assert len(journal) - seen <= MOST_OF_NEXT

        _heal(parts)
        clock.ahead_s += HEALED_AFTER_S
        seen = len(journal)
        healed = [await ask() for _ in range(3)]
        assert _wrong(healed) == []
        assert {outcome.model for outcome in healed} == {primary.model}
        assert len(journal) - seen == len(healed)


def _heal(parts: list[Part]) -> None:
    for part in parts:
        part.healed = True


def _wrong(outcomes: list[Outcome]) -> list[str]:
    """What is said instead of the right answer."""
    return [
        f"{outcome.status} {outcome.code or outcome.text[:40]}{outcome.broken}"
        for outcome in outcomes
        if outcome.text != ANSWER or not outcome.done
    ]
