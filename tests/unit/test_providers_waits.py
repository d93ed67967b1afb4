"""Every form of "wait" that a provider uses, as seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.waits import (
    MAX_WAIT_S,
    parse_count,
    parse_duration,
    parse_retry_after,
    until_next_month,
    wait_hint,
    wait_in_message,
)
from tests.support.virtual_time import START_WALL


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("120ms", 0.12),
        ("1h2m3s", 3723.0),
        ("1d", 86_400.0),
        ("33011.38", 33011.38),
        ("0", 0.0),
        (" 5s ", 5.0),
        ("-3", 0.0),
        ("1e99", MAX_WAIT_S),
        ("inf", MAX_WAIT_S),
        ("9999999d", MAX_WAIT_S),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("5 apples", None),
        ("٣s", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("0.35", 0.35),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Monday, 23-Nov-26 12:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 11:59:59 GMT", 0.0),
        ("Mon, 23 Nov 2037 12:00:00 GMT", MAX_WAIT_S),
        ("Mon, 99 Foo 2026 12:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, START_WALL) == seconds


@given(st.text())
def test_no_text_breaks_a_parser_or_makes_a_negative_wait(text: str) -> None:
    for seconds in (
        parse_retry_after(text, START_WALL),
        parse_duration(text),
        wait_in_message(text),
    ):
        assert seconds is None or 0 <= seconds <= MAX_WAIT_S


def test_milliseconds_come_first() -> None:
    assert wait_hint({"retry-after-ms": "1500", "retry-after": "9"}, 0.0) == 1.5
    assert wait_hint({"retry-after-ms": "x", "retry-after": "9"}, 0.0) == 9.0
    assert wait_hint({}, 0.0) is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 7.66s. Visit", 7.66),
        ("Please try again in 1m26.4s.", 86.4),
        ("try again in 350ms", 0.35),
        ("Please retry after 3 seconds", 3.0),
        ("Please wait 2 minutes before", 120.0),
        ("Try again in about 1 hour", 3600.0),
        ("Please try again soon", None),
        ("You sent 5s of audio", None),
    ],
)
def test_a_wait_in_words(message: str, seconds: float | None) -> None:
    assert wait_in_message(message) == (None if seconds is None else pytest.approx(seconds))


def test_the_first_of_the_next_month() -> None:
    assert until_next_month(START_WALL) == 7.5 * 86_400
    assert until_next_month(START_WALL + 30 * 86_400) == pytest.approx(8.5 * 86_400)


@pytest.mark.parametrize(
    ("text", "count"),
    [("12", 12), ("0", 0), (None, None), ("", None), ("1.5", None), ("-1", None), ("²", None)],
)
def test_counts(text: str | None, count: int | None) -> None:
    assert parse_count(text) == count
