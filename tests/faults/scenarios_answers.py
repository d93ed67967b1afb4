"""Scenarios before the first word: limits, errors, silence, bodies that are no answer."""

from __future__ import annotations

import time
from email.utils import formatdate

from tests.faults import behaviours as does
from tests.faults.answers import SENTENCES
from tests.faults.behaviours import Behaviour
from tests.faults.scenario import Expect, Mode, Scenario, only_error
from tests.faults.server import Ask, Play
from tests.faults.wires import Wire

NO_HTTP = b"220 mail.example ESMTP ready\r\n"
GIANT_HEADER = b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n"
WRONG_ENCODING = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 11\r\n\r\nnot gzipped"
)
ALL_MODES = (Mode.PLAIN, Mode.LONG, Mode.STREAM)


def everybody(*behaviours: Behaviour) -> dict[str, tuple[Behaviour, ...]]:
    """All three providers do the same."""
    return {"primary": behaviours, "second": behaviours, "third": behaviours}


def primary(*behaviours: Behaviour) -> dict[str, tuple[Behaviour, ...]]:
    """Only the primary fails."""
    return {"primary": behaviours}


def limited(retry_after: str) -> Behaviour:
    """429 with this Retry-After."""
    return does.fails("limit", headers={"Retry-After": retry_after})


def limited_until_date(seconds: float) -> Behaviour:
    """429 whose Retry-After is a moment, ``seconds`` from then."""

    def behave(wire: Wire, ask: Ask) -> Play:
        return limited(formatdate(time.time() + seconds, usegmt=True))(wire, ask)

    return behave


LIMITS = (
    Scenario(
        "429 with Retry-After",
        "limits",
        primary(limited("1"), does.healthy),
        quiet_s=1.0,
        sixteen=True,
    ),
    Scenario(
        "429 for good",
        "limits",
        primary(does.fails("limit")),
        asks=6,
        most=2,
        sixteen=True,
    ),
    Scenario(
        "Retry-After as a date", "limits", primary(limited_until_date(3)), quiet_s=1.5, asks=3
    ),
    Scenario("Retry-After negative", "limits", primary(limited("-30")), asks=3, most=2),
    Scenario("Retry-After of 31 years", "limits", primary(limited("1000000000")), asks=2, most=1),
    Scenario("Retry-After that is no number", "limits", primary(limited("soon")), asks=3, most=2),
    Scenario(
        "every provider says 31 years",
        "limits",
        everybody(limited("1000000000")),
        only_error("capacity_exhausted", "queued", retry_after=(1, 86_400)),
        healthy_after=False,
    ),
    Scenario(
        "429 with the wait in the body",
        "limits",
        everybody(does.fails("limit_hint")),
        only_error("capacity_exhausted", "queued", retry_after=(37, 40)),
        most=1,
        healthy_after=False,
    ),
    Scenario(
        "the day's quota is used up",
        "limits",
        primary(does.fails("limit_day")),
        asks=3,
        gap_s=0.6,
        most=1,
    ),
    Scenario(
        "every provider at its limit",
        "limits",
        everybody(limited("30")),
        only_error("capacity_exhausted", "queued", retry_after=(28, 31)),
        most=1,
        healthy_after=False,
    ),
    Scenario(
        "every provider at its limit for a second",
        "limits",
        everybody(limited("1"), does.healthy),
        quiet_s=1.0,
        most=2,
    ),
)

ERRORS = (
    Scenario("500 once", "errors", primary(does.fails("internal"), does.healthy), sixteen=True),
    Scenario(
        "503 for good",
        "errors",
        primary(does.fails("unavailable")),
        asks=8,
        most=5,
        sixteen=True,
    ),
    Scenario(
        "flapping",
        "errors",
        primary(*(does.fails("unavailable"), does.healthy) * 6),
        asks=8,
        most=8,
        sixteen=True,
    ),
    Scenario("401", "errors", primary(does.fails("key")), asks=3, most=1),
    Scenario("403", "errors", primary(does.fails("forbidden")), asks=3, most=1),
    Scenario("402", "errors", primary(does.fails("payment")), asks=3, most=1),
    Scenario("404, a retired model", "errors", primary(does.fails("gone")), asks=3, most=1),
    Scenario("413", "errors", primary(does.fails("too_large"))),
    Scenario(
        "context too long for the primary",
        "errors",
        primary(does.fails("context")),
        expect_on={"gemini": only_error("invalid_request")},
        sixteen=True,
    ),
    Scenario(
        "context too long everywhere",
        "errors",
        everybody(does.fails("context")),
        only_error("invalid_request"),
    ),
    Scenario(
        "a request that is wrong everywhere",
        "errors",
        primary(does.fails("invalid")),
        only_error("invalid_request", alone=True),
        most=1,
    ),
    Scenario(
        "content filter before a word",
        "errors",
        primary(does.refuses),
        only_error("content_filter", alone=True),
        most=1,
        sixteen=True,
    ),
    Scenario(
        "content filter as an empty answer",
        "errors",
        primary(does.saying(("",), finish="content_filter")),
        only_error("content_filter", alone=True),
        most=1,
    ),
    Scenario(
        "two of three providers down",
        "errors",
        {"primary": (does.fails("unavailable"),), "second": (does.resets,)},
        asks=4,
        most=4,
    ),
    Scenario(
        "every provider down",
        "errors",
        everybody(does.fails("unavailable")),
        only_error("all_models_failed"),
    ),
    Scenario(
        "every provider hangs up",
        "errors",
        everybody(does.hangs_up),
        only_error("all_models_failed"),
    ),
)

CONNECTIONS = (
    Scenario("reset before headers", "connections", primary(does.resets), sixteen=True),
    Scenario("closed before headers", "connections", primary(does.hangs_up)),
    Scenario(
        "cut right after headers", "connections", primary(does.cut_after_headers), modes=ALL_MODES
    ),
    Scenario("silence", "connections", primary(does.silent), modes=ALL_MODES, sixteen=True),
    Scenario("silence after headers", "connections", primary(does.silent_after_headers)),
    Scenario("comments for ever, no answer", "connections", primary(does.comments_only)),
    Scenario(
        "every provider silent",
        "connections",
        everybody(does.silent),
        only_error("all_models_failed", "deadline_exceeded"),
        deadline_s=3.0,
    ),
    Scenario(
        "slow first token, in time",
        "connections",
        primary(does.slowly(0.3)),
        modes=ALL_MODES,
        most=1,
        sixteen=True,
    ),
    Scenario("slow first token, too late", "connections", primary(does.slowly(2.0))),
    Scenario("no HTTP at all", "connections", primary(does.sends(NO_HTTP))),
    Scenario("a giant header", "connections", primary(does.sends(GIANT_HEADER))),
    Scenario("a redirect", "connections", primary(does.redirects("/stolen"))),
)

BODIES = (
    Scenario(
        "an error inside a 200",
        "bodies",
        primary(does.error_after(0, "unavailable")),
        modes=ALL_MODES,
    ),
    Scenario("a limit inside a 200", "bodies", primary(does.error_after(0, "limit"))),
    Scenario("an empty 200", "bodies", primary(does.nothing), modes=ALL_MODES),
    Scenario("an answer that says nothing", "bodies", primary(does.blank), modes=ALL_MODES),
    Scenario("a 502 page", "bodies", primary(does.page(502))),
    Scenario("a 404 page", "bodies", primary(does.page(404))),
    Scenario("a page with 200", "bodies", primary(does.page(200)), modes=ALL_MODES),
    Scenario("a body shorter than announced", "bodies", primary(does.truncated), modes=ALL_MODES),
    Scenario(
        "JSON that stops in its middle", "bodies", primary(does.breaks(0, None)), modes=ALL_MODES
    ),
    Scenario(
        "bytes that are no UTF-8",
        "bodies",
        primary(does.says_then(0, b'data: {"x": "\xff\xfe"}\n\n')),
    ),
    Scenario("gzip that is none", "bodies", primary(does.sends(WRONG_ENCODING))),
)

USAGE = (
    Scenario(
        "usage of the model that answered",
        "usage",
        primary(does.fails("internal")),
        modes=ALL_MODES,
        sixteen=True,
    ),
    Scenario("usage with thoughts", "usage", primary(does.with_thoughts), most=1),
    Scenario(
        "usage missing",
        "usage",
        primary(does.saying(SENTENCES, usage=False)),
        Expect(estimated_usage=True),
        modes=ALL_MODES,
        most=1,
    ),
)
