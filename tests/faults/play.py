"""Plays cases: puts up the providers, asks as a client would, heals everybody, asks once more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from shared.messages import JsonObject
from tests.faults import client
from tests.faults.answers import TOOLS
from tests.faults.behaviours import Behaviour, healthy
from tests.faults.client import Address, Leave, Outcome
from tests.faults.house import House, environment
from tests.faults.judge import LEFT_ALONE_S, Evidence, Verdict, judge
from tests.faults.scenario import CASTS, ROLES, Actor, Case, Mode, Scenario, wire_of
from tests.faults.server import Ask, FaultServer, Play
from tests.support.function_process import FunctionProcess
from tests.support.tokens import PROJECT, good_claims, unsigned

# Cases played at once: most of their time is waiting, but the machine has few cores.
AT_ONCE = 8
PROCESSES_AT_ONCE = 3
ROOT = Path(__file__).parents[2]
# A client waits this much longer than the deadline before it says that it was forgotten.
PATIENCE_S = 2.0
# Small enough that a plain call is made as one (contract, Chat: time to a provider's first byte).
SMALL_ANSWER = 4


class Part:
    """What one provider does, attempt by attempt, until it is healed."""

    def __init__(self, actor: Actor, behaviours: Sequence[Behaviour]) -> None:
        self._wire = wire_of(actor)
        self._behaviours = tuple(behaviours)
        self.healed = not behaviours

    def __call__(self, ask: Ask) -> Play:
        if self.healed:
            return healthy(self._wire, ask)
        return self._behaviours[min(ask.number, len(self._behaviours)) - 1](self._wire, ask)


@asynccontextmanager
async def stage(
    wire: str, plays: Mapping[str, tuple[Behaviour, ...]]
) -> AsyncIterator[tuple[dict[str, FaultServer], list[Part]]]:
    """The providers of a case, listening; names to servers, and their parts to heal."""
    servers: dict[str, FaultServer] = {}
    parts: list[Part] = []
    async with AsyncExitStack() as stack:
        for role, actor in zip(ROLES, CASTS[wire], strict=True):
            part = Part(actor, plays.get(role, ()))
            parts.append(part)
            servers[actor.provider] = await stack.enter_async_context(
                FaultServer(actor.provider, part)
            )
        yield servers, parts


def question(mode: Mode, deadline_s: float, *, tools: bool = False) -> JsonObject:
    """What the client asks. No model is asked for its opinion of it: calls are counted."""
    body: JsonObject = {
        "model": "auto",
        "messages": [{"role": "user", "content": "Tell me of the harbour master's ledgers."}],
        "codeex": {"deadline_seconds": deadline_s, "classifier": "local"},
    }
    if mode is Mode.PLAIN:
        body["max_tokens"] = SMALL_ANSWER
    if mode is Mode.STREAM:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if tools:
        body["tools"] = TOOLS
    return body


async def play(
    case: Case, address: Address, servers: Mapping[str, FaultServer], parts: list[Part]
) -> Evidence:
    """All of one case, against a router at ``address``."""
    scenario = case.scenario
    outcomes: list[Outcome] = []
    for number in range(scenario.asks):
        if number and scenario.gap_s:
            await asyncio.sleep(scenario.gap_s)
        outcomes.append(await _ask(case, address, scenario, scenario.leave))
    if scenario.leave is not None:
        # As long as a call may outlive its client; nor may a new one begin.
        await asyncio.sleep(LEFT_ALONE_S + 0.1)
    for part in parts:
        part.healed = True
    after = None
    if scenario.healthy_after:
        after = await _ask(case, address, Scenario("afterwards", "", {}), None)
    journal = sorted(
        (entry for server in servers.values() for entry in server.journal),
        key=lambda entry: entry.at,
    )
    strays = [path for server in servers.values() for path in server.strays]
    return Evidence(outcomes, after, journal, strays)


async def _ask(case: Case, address: Address, scenario: Scenario, leave: Leave | None) -> Outcome:
    body = question(case.mode, scenario.deadline_s, tools=scenario.tools)
    return await client.ask(address, body, scenario.deadline_s + PATIENCE_S, leave)


async def play_in_house(case: Case, house: House) -> Verdict:
    """One case against a fresh instance."""
    async with stage(case.wire, case.scenario.plays) as (servers, parts):
        address = house.open(case.wire, servers)
        try:
            return judge(case, await play(case, address, servers, parts))
        finally:
            await house.close(address)


async def play_all(cases: Sequence[Case], folder: Path) -> dict[str, Verdict]:
    """Verdicts by case id."""
    gate = asyncio.Semaphore(AT_ONCE)
    verdicts: dict[str, Verdict] = {}

    async def one(case: Case, house: House) -> None:
        async with gate:
            verdicts[case.id] = await play_in_house(case, house)

    async with House(folder) as house, asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(one(case, house))
    return verdicts


async def play_in_process(case: Case, folder: Path) -> Verdict:
    """One case against a functions-framework process of its own."""
    async with stage(case.wire, case.scenario.plays) as (servers, parts):
        await asyncio.to_thread(folder.mkdir)
        process = FunctionProcess(
            ROOT,
            {
                **environment(case.wire, servers, folder),
                "PYTHONPATH": ".",
                "GOOGLE_CLOUD_PROJECT": PROJECT,
                # Its unsigned tokens are taken outside the cloud; nothing is asked of it.
                "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:1",
            },
            folder / "output.txt",
            arguments=("--source", "functions/chat/main.py"),
        )
        try:
            await asyncio.to_thread(process.wait_ready)
            token = unsigned(good_claims("captain", now=time.time()))
            return judge(case, await play(case, Address(process.port, token), servers, parts))
        finally:
            await asyncio.to_thread(process.stop)


async def play_processes(cases: Sequence[Case], folder: Path) -> dict[str, Verdict]:
    """Verdicts by case id, each from a process of its own."""
    gate = asyncio.Semaphore(PROCESSES_AT_ONCE)

    async def one(number: int, case: Case) -> tuple[str, Verdict]:
        async with gate:
            return case.id, await play_in_process(case, folder / str(number))

    return dict(await asyncio.gather(*(one(*numbered) for numbered in enumerate(cases))))
