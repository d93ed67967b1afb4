"""What a scenario is: who plays what, what is asked, what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.answers import ANSWER
from tests.faults.behaviours import Behaviour
from tests.faults.client import Leave
from tests.faults.wires import GeminiWire, OpenAiWire, Wire

# Seconds. Short, so that the suite is; far enough apart that a busy machine does not blur them.
FIRST_BYTE_S = 0.6
STALL_S = 0.6
PLAIN_MAX_S = 1.2
CONNECT_S = 0.5
MINIMUM_S = 0.1
DEADLINE_S = 6.0
# P73 allows 250 ms; the rest is for a machine that runs many scenarios at once.
DEADLINE_SLACK_S = 0.25 + 0.5


class Mode(StrEnum):
    """How the client asks, and with it how the provider is asked."""

    PLAIN = "plain"
    LONG = "plain, fetched as a stream"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Actor:
    """A provider and the model of it that is asked."""

    provider: str
    model: str  # the catalog's id
    own_id: str  # the provider's id


GROQ = Actor("groq", "groq-gpt-oss-120b", "openai/gpt-oss-120b")
CEREBRAS = Actor("cerebras", "cerebras-gpt-oss-120b", "gpt-oss-120b")
GOOGLE = Actor("google", "google-gemini-3.5-flash-lite", "gemini-3.5-flash-lite")
ROLES = ("primary", "second", "third")
# Each wire stands first once; the fallback then crosses from the one wire to the other.
CASTS = {"openai": (GROQ, CEREBRAS, GOOGLE), "gemini": (GOOGLE, GROQ, CEREBRAS)}
WIRES = tuple(CASTS)


def wire_of(actor: Actor) -> Wire:
    """The wire that a provider speaks."""
    if actor is GOOGLE:
        return GeminiWire(actor.provider, actor.own_id)
    return OpenAiWire(actor.provider, actor.own_id)


@dataclass(frozen=True, slots=True)
class Expect:
    """What is right. ``answers``: whole texts that pass; empty: no answer is possible.

    ``errors``: codes of typed errors that pass (in a stream, after a prefix of the right text).
    ``retry_after``: bounds in seconds of the header of such an error. ``alone``: nobody but the
    primary may be asked.
    """

    answers: tuple[str, ...] = (ANSWER,)
    finish: str = "stop"
    errors: frozenset[str] = frozenset()
    retry_after: tuple[float, float] | None = None
    alone: bool = False
    estimated_usage: bool = False


def only_error(*codes: str, **more: object) -> Expect:
    """No answer is possible: one of these typed errors is right."""
    retry_after = more.get("retry_after")
    assert retry_after is None or isinstance(retry_after, tuple)
    return Expect(
        (), errors=frozenset(codes), retry_after=retry_after, alone=bool(more.get("alone"))
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault. ``plays`` names roles that are not healthy: what each does at its first, second
    ... attempt, the last again and again.

    ``asks``: how many requests the client makes, ``gap_s`` apart. ``most``: the primary may be
    asked at most so often in all of them. ``quiet_s``: after its first answer the primary may not
    be asked for so long. ``healthy_after``: whether a request right afterwards, all being well
    again, must be answered (False where providers said to stay away for longer).
    """

    name: str
    group: str
    plays: Mapping[str, tuple[Behaviour, ...]]
    expect: Expect = Expect()
    expect_on: Mapping[str, Expect] = field(default_factory=dict)
    modes: tuple[Mode, ...] = (Mode.PLAIN, Mode.STREAM)
    wires: tuple[str, ...] = WIRES
    tools: bool = False
    asks: int = 1
    gap_s: float = 0.0
    most: int = 3
    quiet_s: float = 0.0
    leave: Leave | None = None
    healthy_after: bool = True
    sixteen: bool = False
    deadline_s: float = DEADLINE_S

    def expected(self, wire: str) -> Expect:
        """What is right where that wire stands first."""
        return self.expect_on.get(wire, self.expect)


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario on one wire in one mode."""

    scenario: Scenario
    wire: str
    mode: Mode

    @property
    def id(self) -> str:
        """Its name in tests and tables."""
        return f"{self.scenario.name} [{self.wire}, {self.mode.value}]"


def cases_of(scenarios: tuple[Scenario, ...]) -> list[Case]:
    """Every case of these scenarios."""
    return [
        Case(scenario, wire, mode)
        for scenario in scenarios
        for wire in scenario.wires
        for mode in scenario.modes
    ]
