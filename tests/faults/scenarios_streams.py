"""Scenarios inside an answer: cuts, stalls, broken events, tool calls, clients that leave."""

from __future__ import annotations

from tests.faults import behaviours as does
from tests.faults.answers import OTHER, SENTENCES
from tests.faults.client import Leave
from tests.faults.scenario import Expect, Mode, Scenario
from tests.faults.scenarios_answers import ALL_MODES, everybody, limited, primary
from tests.support.wire_server import Cut, Hang, Reset

STREAM = (Mode.STREAM,)
AS_STREAM = (Mode.LONG, Mode.STREAM)
OPENAI = ("openai",)
FILTERED = "".join(SENTENCES[:3])
BROKEN_EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "bro\n\n'
NOT_AN_OBJECT = b"data: 42\n\n"
# What a client may be told where nobody can go on from what it has already read.
BROKEN_OFF = Expect(errors=frozenset({"provider_error"}))

CUTS = (
    Scenario("stream cut", "cuts", primary(does.breaks(6, Cut())), modes=ALL_MODES, sixteen=True),
    Scenario("stream reset", "cuts", primary(does.breaks(6, Reset())), modes=ALL_MODES),
    Scenario("cut after the first token", "cuts", primary(does.breaks(1, Cut())), modes=AS_STREAM),
    Scenario("cut before the finish", "cuts", primary(does.breaks(12, Cut())), modes=AS_STREAM),
    Scenario(
        "cut inside a letter", "cuts", primary(does.breaks(6, Cut(), inside=True)), modes=AS_STREAM
    ),
    Scenario(
        "a clean end without the answer's", "cuts", primary(does.breaks(6, None)), modes=AS_STREAM
    ),
    Scenario(
        "a clean end after all text, without finish",
        "cuts",
        primary(does.breaks(12, None)),
        modes=AS_STREAM,
    ),
    Scenario(
        "stream stalled", "cuts", primary(does.breaks(6, Hang())), modes=ALL_MODES, sixteen=True
    ),
    Scenario(
        "stalled inside an event",
        "cuts",
        primary(does.breaks(6, Hang(), inside=True)),
        modes=AS_STREAM,
    ),
    Scenario(
        "slow drip just under the stall",
        "cuts",
        primary(does.drips(0.35, 4)),
        modes=ALL_MODES,
        most=1,
    ),
)

RESCUES = (
    Scenario(
        "cut with a fallback that rejects a prefix",
        "rescue",
        {
            "primary": (does.breaks(6, Cut()),),
            "second": (does.no_prefix,),
            "third": (does.no_prefix,),
        },
        modes=AS_STREAM,
        sixteen=True,
    ),
    Scenario(
        "stall with a fallback that rejects a prefix",
        "rescue",
        {
            "primary": (does.breaks(6, Hang()),),
            "second": (does.no_prefix,),
            "third": (does.no_prefix,),
        },
        modes=AS_STREAM,
    ),
    Scenario(
        "cut, and the others say something else",
        "rescue",
        {
            "primary": (does.breaks(6, Cut()),),
            "second": (does.saying((OTHER,)),),
            "third": (does.saying((OTHER,)),),
        },
        BROKEN_OFF,
        modes=STREAM,
    ),
    Scenario(
        "cut, and the next is down",
        "rescue",
        {"primary": (does.breaks(6, Cut()),), "second": (does.fails("unavailable"),)},
        modes=STREAM,
    ),
    Scenario(
        "cut, and the next is silent",
        "rescue",
        {"primary": (does.breaks(6, Cut()),), "second": (does.silent,)},
        modes=STREAM,
    ),
    Scenario(
        "cut, and cut again elsewhere",
        "rescue",
        {"primary": (does.breaks(4, Cut()),), "second": (does.breaks(8, Cut()),)},
        BROKEN_OFF,
        modes=STREAM,
    ),
    Scenario(
        "every stream is cut",
        "rescue",
        everybody(does.breaks(5, Cut())),
        Expect((), errors=frozenset({"provider_error", "all_models_failed"})),
        modes=AS_STREAM,
    ),
    Scenario(
        "every stream stalls",
        "rescue",
        everybody(does.breaks(5, Hang())),
        Expect((), errors=frozenset({"provider_error", "all_models_failed", "deadline_exceeded"})),
        modes=AS_STREAM,
        deadline_s=4.0,
    ),
)

EVENTS = (
    Scenario(
        "malformed chunk",
        "events",
        primary(does.says_then(6, BROKEN_EVENT)),
        modes=ALL_MODES,
        sixteen=True,
    ),
    Scenario(
        "malformed first chunk", "events", primary(does.says_then(0, BROKEN_EVENT)), modes=AS_STREAM
    ),
    Scenario(
        "an event that is no object",
        "events",
        primary(does.says_then(6, NOT_AN_OBJECT)),
        modes=AS_STREAM,
    ),
    Scenario(
        "an error as the first event",
        "events",
        primary(does.error_after(0, "internal")),
        modes=AS_STREAM,
    ),
    Scenario(
        "an error in the middle",
        "events",
        primary(does.error_after(6, "unavailable")),
        modes=AS_STREAM,
    ),
    Scenario(
        "a limit in the middle", "events", primary(does.error_after(6, "limit")), modes=AS_STREAM
    ),
    Scenario(
        "a page in the middle",
        "events",
        primary(does.says_then(6, b"data: <html><h1>502</h1></html>\n\n")),
        modes=AS_STREAM,
    ),
    Scenario(
        "content filter after text",
        "events",
        primary(does.saying(SENTENCES[:3], finish="content_filter")),
        Expect((FILTERED,), finish="content_filter", alone=True),
        modes=ALL_MODES,
        most=1,
    ),
    Scenario(
        "the token limit after text",
        "events",
        primary(does.saying(SENTENCES[:3], finish="length")),
        Expect((FILTERED,), finish="length", alone=True),
        modes=ALL_MODES,
        most=1,
    ),
)


TOOL_CALLS = (
    Scenario("a whole tool call", "tool calls", {}, tools=True, modes=ALL_MODES, most=1),
    Scenario(
        "cut inside a tool call",
        "tool calls",
        primary(does.breaks(3, Cut())),
        tools=True,
        modes=ALL_MODES,
    ),
    Scenario(
        "cut inside a tool call's event",
        "tool calls",
        primary(does.breaks(0, Cut(), inside=True)),
        tools=True,
        modes=AS_STREAM,
    ),
    Scenario(
        "stall inside a tool call",
        "tool calls",
        primary(does.breaks(3, Hang())),
        tools=True,
        modes=AS_STREAM,
    ),
    Scenario(
        "malformed tool arguments",
        "tool calls",
        primary(does.bad_arguments),
        tools=True,
        modes=ALL_MODES,
    ),
    Scenario(
        "a tool call its provider could not read",
        "tool calls",
        primary(does.fails("tool_use")),
        tools=True,
        wires=OPENAI,
    ),
)

LEAVING = (
    Scenario(
        "the client leaves before the first byte",
        "leaving",
        primary(does.silent),
        modes=ALL_MODES,
        leave=Leave(seconds=0.45),
    ),
    Scenario(
        "the client leaves in the middle",
        "leaving",
        primary(does.drips(0.3, 6)),
        modes=STREAM,
        leave=Leave(on_first_bytes=True),
    ),
    Scenario(
        "the client leaves while a plain answer comes",
        "leaving",
        primary(does.drips(0.3, 6)),
        modes=(Mode.PLAIN, Mode.LONG),
        leave=Leave(seconds=0.45),
    ),
    Scenario(
        "the client leaves while limits are waited for",
        "leaving",
        everybody(limited("1"), does.healthy),
        leave=Leave(seconds=0.7),
        most=1,
    ),
    Scenario(
        "the client leaves while the fallback is silent",
        "leaving",
        {"primary": (does.fails("internal"),), "second": (does.silent,)},
        leave=Leave(seconds=0.45),
    ),
    Scenario(
        "the client leaves while a cut stream is rescued",
        "leaving",
        {"primary": (does.breaks(6, Cut()),), "second": (does.silent,), "third": (does.silent,)},
        modes=STREAM,
        leave=Leave(seconds=0.45),
    ),
)
