"""Every scenario, in the order of the table."""

from __future__ import annotations

from tests.faults import scenarios_answers as answers
from tests.faults import scenarios_odd as odd
from tests.faults import scenarios_streams as streams
from tests.faults.scenario import Case, Mode, cases_of

SCENARIOS = (
    *answers.LIMITS,
    *answers.ERRORS,
    *answers.CONNECTIONS,
    *answers.BODIES,
    *streams.CUTS,
    *streams.RESCUES,
    *streams.EVENTS,
    *streams.TOOL_CALLS,
    *odd.ODD,
    *answers.USAGE,
    *streams.LEAVING,
)
CASES = cases_of(SCENARIOS)

# What is played against a real functions-framework process too: one of every kind, so that no
# verdict rests on the server or on the shared event loop of the other cases.
_IN_A_PROCESS = {
    "429 with Retry-After": ("openai", Mode.STREAM),
    "503 for good": ("gemini", Mode.PLAIN),
    "reset before headers": ("openai", Mode.STREAM),
    "silence": ("gemini", Mode.STREAM),
    "content filter before a word": ("gemini", Mode.PLAIN),
    "context too long everywhere": ("openai", Mode.PLAIN),
    "every provider down": ("openai", Mode.STREAM),
    "a page with 200": ("openai", Mode.PLAIN),
    "an error as the first event": ("gemini", Mode.STREAM),
    "stream cut": ("openai", Mode.STREAM),
    "stream stalled": ("gemini", Mode.STREAM),
    "cut with a fallback that rejects a prefix": ("gemini", Mode.STREAM),
    "cut inside a tool call": ("openai", Mode.STREAM),
    "letters split across packets": ("gemini", Mode.STREAM),
    "the client leaves in the middle": ("openai", Mode.STREAM),
    "the client leaves before the first byte": ("gemini", Mode.PLAIN),
}
PROCESS_CASES = [
    Case(scenario, *_IN_A_PROCESS[scenario.name])
    for scenario in SCENARIOS
    if scenario.name in _IN_A_PROCESS
]
