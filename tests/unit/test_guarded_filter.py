"""What is taken out of text after its verdict, in streams and in whole answers."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import Deadline
from shared.errors import DeadlineExceeded, SafetyUnavailable, SafetyViolation, StreamCut
from shared.messages import ChatResult, Chunk, JsonObject, Usage
from shared.pipeline.guarded_filter import Filters, filtered_calls
from shared.pipeline.guarded_personal import personal_filters
from shared.pipeline.guarded_result import judge_result
from shared.pipeline.guarded_work import GuardWork
from shared.safety.personal_screen import PersonalScreen
from shared.safety.redaction import redact
from shared.safety.stream_calls import rewritten
from tests.support.fake_provider import Act, says
from tests.support.guarded_world import GuardedClient, PhraseGuard, tokens_of
from tests.support.routing_world import card
from tests.support.virtual_time import ManualClock, run_virtual

A, B = card("alpha-one"), card("beta-one")
NUMBER = re.compile(r"\d{4,}")


class Numbers:
    """Takes out numbers of four digits and more; holds back digits that may go on."""

    def __init__(self) -> None:
        self.tail = ""

    def push(self, text: str) -> str:
        whole = self.tail + text
        end = len(whole.rstrip("0123456789"))
        self.tail = whole[end:]
        return NUMBER.sub("[NUMBER]", whole[:end])

    def finish(self) -> str:
        return NUMBER.sub("[NUMBER]", self.tail)


class Blocks(Numbers):
    """Ends the answer instead."""

    def push(self, text: str) -> str:
        out = super().push(text)
        if "[NUMBER]" in out:
            raise SafetyViolation("personal data", details={"category": "PERSONAL_DATA"})
        return out


def probable(text: str) -> Chunk:
    return Chunk(text=text, logprobs={"content": [{"token": text}]})


def tokens_told(chunks: list[Chunk]) -> list[str]:
    return [
        str(one["token"])
        for chunk in chunks
        if isinstance(chunk.logprobs, dict)
        for one in chunk.logprobs["content"]  # type: ignore[union-attr]
        if isinstance(one, dict)
    ]


@given(st.text("ab 12", max_size=60), st.lists(st.integers(1, 5), min_size=1, max_size=9))
def test_p71_a_filtered_stream_is_the_filtered_text(text: str, cuts: list[int]) -> None:
    filters, out, at = Filters(Numbers), [], 0
    for turn in range(len(text)):
        piece = text[at : at + cuts[turn % len(cuts)]]
        at += len(piece)
        out += filters.batch([probable(piece)] if piece else [], last=False)
    out += filters.batch([Chunk(finish_reason="stop")], last=True)
    assert "".join(chunk.text for chunk in out) == NUMBER.sub("[NUMBER]", text)
    assert out[-1].finish_reason == "stop"
    told = "".join(tokens_told(out))
    assert text.startswith(told)
    first = NUMBER.search(text)
    assert first is None or len(told) <= first.start()


def test_channels_and_choices_have_filters_of_their_own() -> None:
    filters = Filters(Numbers)
    out = filters.batch(
        [
            Chunk(reasoning="see 12"),
            Chunk(text="34 or 5"),
            Chunk(1, text="678"),
            Chunk(refusal="9999"),
            Chunk(finish_reason="stop"),
        ],
        last=False,
    )
    out += filters.batch([Chunk(1, finish_reason="stop"), Chunk(usage=Usage(1, 1))], last=True)
    assert "".join(chunk.reasoning for chunk in out) == "see 12"
    assert "".join(chunk.text for chunk in out if chunk.index == 0) == "34 or 5"
    assert "".join(chunk.text for chunk in out if chunk.index == 1) == "678"
    assert "".join(chunk.refusal for chunk in out) == "[NUMBER]"
    order = [bool(chunk.reasoning) for chunk in out if chunk.reasoning or chunk.text]
    assert order == sorted(order, reverse=True)
    assert out[-1].usage == Usage(1, 1)


def test_a_stream_without_an_end_keeps_no_text_back() -> None:
    filters = Filters(Numbers)
    out = filters.batch([Chunk(text="at 12")], last=False)
    out += filters.batch([], last=True)
    assert "".join(chunk.text for chunk in out) == "at 12"


def test_arguments_stay_json() -> None:
    call: JsonObject = {
        "index": 0,
        "id": "x",
        "function": {"name": "f", "arguments": '{"a": "call 5555", "n": 55555, "ok": true}'},
    }
    (new,) = filtered_calls([call], Numbers)
    assert new["function"] == {
        "name": "f",
        "arguments": '{"a":"call [NUMBER]","n":"[NUMBER]","ok":true}',
    }
    same: JsonObject = {"index": 0, "function": {"name": "f", "arguments": '{ "a":  1 }'}}
    assert filtered_calls([same], Numbers) == [same]
    assert rewritten("no json 5555", lambda text: text.upper()) == "NO JSON 5555"
    deep = "[" * 1000 + "]" * 1000
    assert rewritten(deep, str.upper) == deep


def test_the_filter_stands_behind_the_verdict_and_before_the_client() -> None:
    async def main() -> None:
        text = "the code is 123456 and " * 200
        act = Act(chunks=says(*tokens_of(text, 5)), gap=0.01)
        client = GuardedClient([A], {"alpha-one": act}, make_filter=Numbers)
        await client.listen()
        assert client.text == NUMBER.sub("[NUMBER]", text)
        assert "".join(client.guard.texts).count("123456") >= 200
        assert client.ends == ["stop"]
        blocked = GuardedClient([A, B], {"alpha-one": act}, make_filter=Blocks)
        with pytest.raises(SafetyViolation) as told:
            await blocked.listen()
        assert told.value.details["category"] == "PERSONAL_DATA"
        assert blocked.text == ""
        assert blocked.world.providers["alpha"].asked[0].cancelled

    run_virtual(main())


def result_of(*choices: JsonObject) -> ChatResult:
    return ChatResult(
        [
            {"index": place, "message": message, "logprobs": {"content": []}, "finish_reason": "x"}
            for place, message in enumerate(choices)
        ],
        Usage(1, 2),
    )


FIRST: JsonObject = {"role": "assistant", "content": "See 4444.", "reasoning_content": "hm"}
CALL: JsonObject = {
    "id": "c",
    "type": "function",
    "function": {"name": "f", "arguments": '{"to":"5555"}'},
}
SECOND: JsonObject = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_p8_a_whole_answer_is_judged_in_one_text_before_it_is_returned() -> None:
    async def main() -> None:
        clock = ManualClock()
        guard, work, deadline = PhraseGuard(clock), GuardWork(), Deadline.after(clock, 50)
        result = result_of(FIRST, SECOND)
        assert await judge_result(result, guard, deadline, work) is result
        assert guard.texts == ['hm\n\nSee 4444.\n\nf({"to":"5555"})']
        assert work.calls == 1
        new = await judge_result(result, guard, deadline, work, Numbers)
        messages = [choice["message"] for choice in new.choices]
        assert messages[0] == {**FIRST, "content": "See [NUMBER]."}
        assert messages[1] == {
            **SECOND,
            "tool_calls": [{**CALL, "function": {"name": "f", "arguments": '{"to":"[NUMBER]"}'}}],
        }
        assert [choice["logprobs"] for choice in new.choices] == [None, None]
        assert result.choices[0]["message"] == FIRST
        clean = result_of({"role": "assistant", "content": "fine"})
        same = await judge_result(clean, guard, deadline, work, Numbers)
        assert same.choices == clean.choices
        for phrase in ("hm", "4444", "f({", '"5555"'):
            guard.phrase = phrase
            with pytest.raises(SafetyViolation):
                await judge_result(result, guard, deadline, work)

    run_virtual(main())


def test_p8_a_whole_answer_that_nobody_judges_is_not_returned() -> None:
    async def main() -> None:
        client = GuardedClient([A], {})
        guard, work = client.guard, client.work
        guard.down_after = 0
        with pytest.raises(SafetyUnavailable):
            await judge_result(result_of(FIRST), guard, client.world.deadline(50), work)
        guard.blind = True
        await judge_result(result_of(FIRST), guard, client.world.deadline(50), work)
        assert work.not_scanned == 1
        guard.seconds = 9.0
        with pytest.raises(DeadlineExceeded):
            await judge_result(result_of(FIRST), guard, client.world.deadline(2), work)
        assert client.clock.monotonic() == pytest.approx(2.3)
        empty = result_of({"role": "assistant", "content": None})
        assert await judge_result(empty, guard, client.world.deadline(2), work) is empty

    run_virtual(main())


MAIL = "write to jane.roe@example.org today, "


@pytest.mark.parametrize("mode", ["flag", "redact", "block"])
def test_personal_data_is_screened_in_a_guarded_stream(
    mode: Literal["flag", "redact", "block"],
) -> None:
    async def main() -> None:
        screen = PersonalScreen(mode)
        text = "nothing to see here and " * 60 + MAIL + "and nothing more to see " * 60
        act = Act(chunks=says(*tokens_of(text, 5)), gap=0.01)
        client = GuardedClient([A], {"alpha-one": act}, make_filter=personal_filters(screen))
        if mode == "block":
            with pytest.raises(SafetyViolation) as told:
                await client.listen()
            assert told.value.details["category"] == "PERSONAL_DATA"
            assert text[: text.index("jane")].startswith(client.text)
            assert client.text
        else:
            await client.listen()
            assert client.text == (redact(text) if mode == "redact" else text)
            assert ("jane" in client.text) is (mode == "flag")
        assert sum(screen.counts.values()) == 1

    run_virtual(main())


def call_piece(arguments: str, index: int = 0) -> Chunk:
    return Chunk(
        index,
        tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": arguments}}],
    )


def test_without_a_guard_the_screen_stands_alone() -> None:
    async def main() -> None:
        text = "the code is 123456 and "
        pieces = [Chunk(text=piece) for piece in tokens_of(text, 5)]
        calls = (call_piece('{"a": "12'), call_piece('3456"}'))
        act = Act(chunks=(*pieces, *calls, *says("so on ", "9")), gap=0.5)
        client = GuardedClient([A], {"alpha-one": act}, make_filter=Numbers)
        await client.listen(guarded=False)
        assert client.text == "the code is [NUMBER] and so on 9"
        assert client.said_at[0] == pytest.approx(0.0)
        assert client.guard.texts == []
        told = [delta for chunk in client.chunks for delta in chunk.tool_calls or ()]
        assert [one["function"] for one in told] == [{"name": "f", "arguments": '{"a":"[NUMBER]"}'}]
        assert client.ends == ["stop"]
        assert client.usages == [Usage(7, 3)]
        assert client.trace.usage == Usage(7, 3)

    run_virtual(main())


def test_a_screened_stream_that_breaks_is_mended() -> None:
    async def main() -> None:
        broken = Act(
            chunks=(
                Chunk(text="at 1234"),
                Chunk(text="5 o'clock"),
                call_piece("{"),
                Chunk(text=""),
            ),
            gap=0.1,
            break_after=3,
            broken=lambda: StreamCut("cut", provider="alpha"),
        )
        again = Act(chunks=(Chunk(text="at 12345 o'clock"), call_piece("{}"), *says(".")))
        client = GuardedClient(
            [A, B], {"alpha-one": broken, "beta-one": again}, make_filter=Numbers
        )
        await client.listen(guarded=False)
        assert client.text == "at [NUMBER] o'clock."
        told = [delta for chunk in client.chunks for delta in chunk.tool_calls or ()]
        assert [one["function"] for one in told] == [{"name": "f", "arguments": "{}"}]
        assert client.trace.usage.completion_tokens == 3 + 4
        unended = Act(chunks=(Chunk(text="at 12345"), call_piece("{}")))
        short = GuardedClient([A], {"alpha-one": unended}, make_filter=Numbers)
        await short.listen(guarded=False)
        assert short.text == "at [NUMBER]"
        assert [len(chunk.tool_calls) for chunk in short.chunks if chunk.tool_calls] == [1]

    run_virtual(main())
