"""The event stream decoder: the HTML standard's cases, and any split of any text (P71)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.sse import MAX_EVENT_BYTES, SseDecoder, SseEvent, SseOverflow
from tests.support.wire_server import pieces


def events(*reads: bytes) -> list[SseEvent]:
    decoder = SseDecoder()
    found = [event for read in reads for event in decoder.feed(read)]
    return found + decoder.end()


def plain(*texts: bytes) -> list[SseEvent]:
    return [SseEvent(b"", text) for text in texts]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", plain(b"a", b"b")),
        (b"data:a\n\n", plain(b"a")),
        (b"data:  a\n\n", plain(b" a")),
        (b"data\n\n", plain(b"")),
        (b"data: a\ndata: b\n\n", plain(b"a\nb")),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", plain(b"YHOO\n+2\n10")),
        (b": comment\n\ndata: a\n\n", plain(b"a")),
        (b": comment\ndata: a\nid: 1\nretry: 5\nfoo\nfoo: bar\n\n", plain(b"a")),
        (b"event: error\ndata: x\n\n", [SseEvent(b"error", b"x")]),
        (b"event: ping\n\ndata: x\n\n", plain(b"x")),
        (b"\n\n\ndata: a\n\n\n\n", plain(b"a")),
        (b"\xef\xbb\xbfdata: a\n\n", plain(b"a")),
        (b"data: a", plain(b"a")),
        (b"", []),
    ],
)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("sizes", [[1], [2], [3, 1], [1000]])
def test_the_standards_cases(
    body: bytes, expected: list[SseEvent], ends: bytes, sizes: list[int]
) -> None:
    assert events(*pieces(body.replace(b"\n", ends), sizes)) == expected


def test_a_carriage_return_ends_its_line_at_once() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\r") == plain(b"a")
    assert decoder.feed(b"\ndata: b\r\n\r") == plain(b"b")
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: c\n\n") == plain(b"c")


def test_an_event_without_end_overflows() -> None:
    decoder = SseDecoder()
    half = b"x" * (MAX_EVENT_BYTES // 2)
    assert decoder.feed(b"data: " + half) == []
    with pytest.raises(SseOverflow):
        decoder.feed(half)
    with pytest.raises(SseOverflow):
        SseDecoder().feed(half * 3)


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))),
    st.lists(st.integers(1, 9), min_size=1),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_p71_any_text_any_split(texts: list[str], sizes: list[int], ends: bytes) -> None:
    body = b"".join(b"data: " + text.encode() + ends + ends for text in texts)
    got = events(*pieces(body, sizes))
    assert [event.data.decode() for event in got] == texts


@given(st.binary(), st.lists(st.integers(1, 5), min_size=1))
def test_any_bytes_give_the_same_events_however_they_are_split(
    body: bytes, sizes: list[int]
) -> None:
    assert events(*pieces(body, sizes)) == events(body)
