"""Scenarios that look odd and are right: nobody but the primary has to be asked."""

from __future__ import annotations

from collections.abc import Iterable

from tests.faults import behaviours as does
from tests.faults.answers import HUGE
from tests.faults.scenario import Expect, Scenario
from tests.faults.scenarios_answers import ALL_MODES, everybody, primary
from tests.faults.scenarios_streams import AS_STREAM, OPENAI
from tests.faults.wires import Events
from tests.support.wire_server import data


def without_done(events: Events) -> Iterable[bytes]:
    """Everything but the end mark."""
    return (event for event in events.all if b"[DONE]" not in event)


def finish_twice(events: Events) -> Iterable[bytes]:
    """The end of the choice comes two times."""
    return (*events.opening, *events.pieces, *events.finish, *events.finish, *events.tail)


def with_comments(events: Events) -> Iterable[bytes]:
    """Comments, names, ids and retry fields between and in the events."""
    for number, event in enumerate(events.all):
        yield b": keep-alive\n\n"
        yield b"id: %d\nretry: 3000\n" % number + event


def carriage_returns(events: Events) -> Iterable[bytes]:
    """Lines that end in CRLF."""
    return (event.replace(b"\n", b"\r\n") for event in events.all)


def garbage_after(events: Events) -> Iterable[bytes]:
    """Something that is no event after the end of the answer."""
    return (*events.all, b"\x00\xff garbage {{{\n\n", b'data: {"choices": 7}\n\n')


def no_last_blank_line(events: Events) -> Iterable[bytes]:
    """The last event lacks the line that ends it."""
    *others, last = events.all
    return (*others, last.rstrip(b"\n"))


def no_space_after_colon(events: Events) -> Iterable[bytes]:
    """``data:{...}`` is as good."""
    return (event.replace(b"data: ", b"data:", 1) for event in events.all)


def done_without_finish(events: Events) -> Iterable[bytes]:
    """The end mark, but no finish reason before it."""
    return (*events.opening, *events.pieces, *events.tail)


def usage_at_groq(events: Events) -> Iterable[bytes]:
    """Usage where Groq alone tells it."""
    told = {"prompt_tokens": 1101, "completion_tokens": 391, "total_tokens": 1492}
    yield from (*events.opening, *events.pieces, *events.finish)
    yield data(
        {"id": "x", "object": "chat.completion.chunk", "choices": [], "x_groq": {"usage": told}}
    )
    yield data("[DONE]")


ODD = (
    Scenario(
        "no [DONE]",
        "odd but right",
        primary(does.rewritten(without_done)),
        modes=AS_STREAM,
        most=1,
        sixteen=True,
    ),
    Scenario(
        "[DONE] without a finish reason",
        "odd but right",
        primary(does.rewritten(done_without_finish)),
        modes=AS_STREAM,
        wires=OPENAI,
    ),
    Scenario(
        "two finish reasons",
        "odd but right",
        primary(does.rewritten(finish_twice)),
        modes=AS_STREAM,
        most=1,
    ),
    Scenario(
        "comments and keep-alives",
        "odd but right",
        primary(does.rewritten(with_comments)),
        modes=AS_STREAM,
        most=1,
    ),
    Scenario(
        "CRLF", "odd but right", primary(does.rewritten(carriage_returns)), modes=AS_STREAM, most=1
    ),
    Scenario(
        "no blank after data:",
        "odd but right",
        primary(does.rewritten(no_space_after_colon)),
        modes=AS_STREAM,
        most=1,
    ),
    Scenario(
        "no blank line at the end",
        "odd but right",
        primary(does.rewritten(no_last_blank_line)),
        modes=AS_STREAM,
        most=1,
    ),
    Scenario(
        "garbage after the end",
        "odd but right",
        primary(does.rewritten(garbage_after)),
        modes=AS_STREAM,
        most=1,
    ),
    Scenario(
        "usage in x_groq",
        "odd but right",
        primary(does.rewritten(usage_at_groq)),
        modes=AS_STREAM,
        wires=OPENAI,
        most=1,
    ),
    Scenario(
        "letters split across packets",
        "odd but right",
        primary(does.letters_split),
        modes=ALL_MODES,
        most=1,
    ),
    Scenario(
        "one byte a packet", "odd but right", primary(does.packets(1)), modes=ALL_MODES, most=1
    ),
    Scenario(
        "packets of 7 and 1000 bytes",
        "odd but right",
        primary(does.packets(7, 1000)),
        modes=ALL_MODES,
        most=1,
    ),
    Scenario(
        "one event of a quarter of a megabyte",
        "odd but right",
        everybody(does.saying((HUGE,))),
        Expect((HUGE,)),
        modes=ALL_MODES,
        most=1,
    ),
)
