"""Redaction of streams: whatever the chunks, the same text comes out (P71, R18.9)."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from bench.personal_values import sentences
from shared.safety.personal_screen import Mode, PersonalScreen
from shared.safety.redaction import StreamRedactor, redact

_KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 12
    + "-----END PRIVATE KEY-----"
)
_DATA = [value for _, value, _ in sentences(seed=3, each=2)]
_BETWEEN = [
    " ",
    ", ",
    "\n",
    " and ",
    " 12 ",
    "-",
    ": ",
    "。",
    " SSN ",
    " Phone ",
    "passport no. ",
    "A",
    ".",
]
_PIECES = st.one_of(
    st.sampled_from([*_DATA, _KEY, "-----BEGIN ", "1 2 3 4 5 6 7 8 9 " * 20, "x" * 300]),
    st.sampled_from(_BETWEEN),
    st.text(max_size=12),
    st.text(alphabet="0123456789 -./()+@:AZaz", max_size=24),
)
_TEXTS = st.lists(_PIECES, max_size=14).map("".join)


def _chunks(text: str, cuts: list[int]) -> list[str]:
    out, here = [], 0
    for cut in cuts:
        out.append(text[here : here + cut])
        here += cut
    return [*out, text[here:]]


@given(_TEXTS, st.lists(st.integers(0, 40), max_size=60))
@example("call +49 30 901820", [6, 3, 3, 3])
@example("a" * 4090 + " -----BEGIN PRIVATE KEY-----", [4096])
def test_p71_any_chunking_redacts_the_same(text: str, cuts: list[int]) -> None:
    stream = StreamRedactor()
    out = "".join(map(stream.push, _chunks(text, cuts))) + stream.finish()
    assert out == redact(text)
    assert stream.held == 0


@given(_TEXTS)
def test_p71_letter_by_letter_redacts_the_same(text: str) -> None:
    stream = StreamRedactor()
    assert "".join(map(stream.push, text)) + stream.finish() == redact(text)


@given(st.text(alphabet="abcdefgh ,'!\n", max_size=400), st.integers(1, 9))
def test_prose_is_held_back_by_a_word_at_most(text: str, size: int) -> None:
    stream = StreamRedactor()
    for here in range(0, len(text), size):
        stream.push(text[here : here + size])
        so_far = text[: here + size]
        word = max(map(len, so_far.replace("\n", " ").split(" ")), default=0)
        assert stream.held <= word + 2


@given(_TEXTS, st.lists(st.integers(1, 40), max_size=30))
def test_a_screen_that_flags_changes_nothing_and_one_that_blocks_lets_no_datum_out(
    text: str, cuts: list[int]
) -> None:
    outs: dict[Mode, str] = {}
    counts: dict[Mode, int] = {}
    modes: tuple[Mode, ...] = ("off", "flag", "redact", "block")
    for mode in modes:
        screen = PersonalScreen(mode)
        stream = screen.stream()
        outs[mode] = "".join(map(stream.push, _chunks(text, cuts))) + stream.finish()
        counts[mode] = screen.counts.total()
        assert screen.blocked is (mode == "block" and counts[mode] > 0)
    assert outs["off"] == outs["flag"] == text
    assert counts["off"] == 0
    assert counts["flag"] == counts["redact"]
    assert outs["redact"] == redact(text)
    assert text.startswith(outs["block"])
    assert redact(outs["block"]) == outs["block"] or counts["block"] == 0
