"""A guarded stream in time: when text leaves, how often the guard is asked, and how it ends."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from shared.errors import DeadlineExceeded, SafetyUnavailable, SafetyViolation
from shared.messages import Chunk, Usage
from tests.support.fake_provider import Act, says
from tests.support.guarded_world import GuardedClient, steady, tokens_of
from tests.support.routing_world import card, request
from tests.support.virtual_time import run_virtual

A, B = card("alpha-one"), card("beta-one")
WORDS = "Rain fell on the old town while people waited under the roof of the station. "
RATES = (20, 60, 150, 300)


def prose(characters: int) -> str:
    return (WORDS * (characters // len(WORDS) + 1))[:characters]


def long_answer(rate: float, per_token: int, tokens: int, guard_s: float = 0.15) -> GuardedClient:
    async def main() -> GuardedClient:
        pieces = tokens_of(prose(tokens * per_token), per_token)
        client = GuardedClient([A], {"alpha-one": steady(pieces, rate)}, seconds=guard_s)
        await client.listen()
        assert client.text == "".join(pieces)
        return client

    return run_virtual(main())


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("per_token", [3, 4, 5, 8])
def test_p8_first_text_comes_soon_after_the_80th_token(rate: int, per_token: int) -> None:
    client = long_answer(rate, per_token, 600)
    eightieth = 79 / rate
    assert client.said_at[0] <= eightieth + 0.4


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("per_token", [3, 4, 6, 9])
@pytest.mark.parametrize("tokens", [600, 800, 1100, 2000])
def test_p8_one_guard_call_per_150_tokens_of_a_long_answer(
    rate: int, per_token: int, tokens: int
) -> None:
    client = long_answer(rate, per_token, tokens)
    allowed = tokens / 150 + (0.2 if tokens < 1000 else 0.0)
    assert client.work.calls <= allowed
    assert client.guard.most_at_once == 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("per_token", [3, 4, 6])
@pytest.mark.parametrize("guard_s", [0.15, 1.0])
def test_p8_a_steady_stream_never_stands_still_for_2_seconds(
    rate: int, per_token: int, guard_s: float
) -> None:
    client = long_answer(rate, per_token, 1500, guard_s)
    ends = client.clock.monotonic()
    gaps = [later - one for one, later in itertools.pairwise([*client.said_at, ends])]
    assert max(gaps) <= 2.0


def test_p8_pieces_end_between_words() -> None:
    client = long_answer(40, 4, 900)
    texts = [chunk.text for chunk in client.chunks if chunk.text]
    assert len(texts) > 10
    assert all(text.endswith(" ") for text in texts[:-1])


def test_p8_text_without_blanks_streams_too() -> None:
    async def main() -> None:
        pieces = tokens_of("x9" * 3000, 4) + tokens_of("漢字" * 1500, 2)
        client = GuardedClient([A], {"alpha-one": steady(pieces, 50)})
        await client.listen()
        assert client.text == "".join(pieces)
        gaps = [later - one for one, later in itertools.pairwise(client.said_at)]
        assert max(gaps) <= 2.0

    run_virtual(main())


def test_p8_a_short_answer_is_judged_once_whole() -> None:
    async def main() -> None:
        client = GuardedClient([A], {"alpha-one": steady(["Good ", "morning", "!"], 20)})
        await client.listen()
        assert client.guard.texts == ["Good morning!"]
        assert client.text == "Good morning!"
        assert client.ends == ["stop"]
        assert client.usages == [Usage(7, 3)]
        assert client.trace.usage == Usage(7, 3)
        assert client.outcomes == [("alpha-one", "ok")]
        assert client.clock.monotonic() == pytest.approx(3 / 20 + 0.15)
        assert client.work.calls == 1
        assert client.work.tokens == 4
        assert client.work.spent == 13
        assert client.work.latencies_ms == pytest.approx([150.0])
        assert client.work.to_json()["not_scanned"] == 0

    run_virtual(main())


def test_p8_an_answer_without_text_needs_no_verdict() -> None:
    async def main() -> None:
        client = GuardedClient([A], {"alpha-one": Act(chunks=says(" ", "\n"))})
        await client.listen()
        assert client.text == " \n"
        assert client.ends == ["stop"]
        assert client.guard.texts == []

    run_virtual(main())


def test_p8_the_last_200_characters_stay_until_the_next_verdict() -> None:
    async def main() -> None:
        whole = " ".join(f"word{number}" for number in range(1200))
        client = GuardedClient([A], {"alpha-one": steady(tokens_of(whole), 100)})
        await client.listen()
        passed_at = [
            (asked + 0.15, whole.index(text) + len(text))
            for asked, text in zip(client.guard.times, client.guard.texts, strict=True)
        ]
        assert len(passed_at) > 6
        told = 0
        for at, chunk in client.heard:
            told += len(chunk.text)
            passed = max(end for came, end in passed_at if came <= at + 1e-9)
            assert told <= passed - 200 or passed == len(whole)
        for (_, end), text in zip(passed_at, client.guard.texts[1:], strict=False):
            assert whole.index(text) == max(0, end - 400)

    run_virtual(main())


def test_p8_unsafe_before_anything_left_is_a_plain_error() -> None:
    async def main() -> None:
        client = GuardedClient(
            [A, B],
            {"alpha-one": steady(tokens_of("how to do a bad thing"), 20)},
            phrase="bad thing",
        )
        with pytest.raises(SafetyViolation) as told:
            await client.listen()
        assert told.value.details == {
            "category": "VIOLENCE",
            "severity": "HIGH",
            "stage": "output",
        }
        assert "bad" not in told.value.message
        assert client.heard == []
        assert client.world.asked() == ["alpha-one"]

    run_virtual(main())


def test_p8_unsafe_later_ends_the_stream_and_aborts_the_provider() -> None:
    async def main() -> None:
        text = prose(2000) + "a really bad thing " + prose(6000)
        client = GuardedClient(
            [A, B], {"alpha-one": steady(tokens_of(text), 100)}, phrase="really bad thing"
        )
        with pytest.raises(SafetyViolation):
            await client.listen()
        assert client.text == text[: len(client.text)]
        assert 0 < len(client.text) <= 2002
        assert client.world.asked() == ["alpha-one"]
        assert client.world.providers["alpha"].asked[0].cancelled
        assert client.outcomes == [("alpha-one", "cancelled")]
        (settled,) = client.world.meter.settlements()
        assert len(settled) == 1
        assert client.world.health.health(A).value == "HEALTHY"

    run_virtual(main())


def test_p8_reasoning_is_judged_and_told_before_the_text() -> None:
    async def main() -> None:
        thought, text = prose(1500), prose(3000)
        chunks = [Chunk(reasoning=piece) for piece in tokens_of(thought)]
        chunks += [Chunk(text=piece) for piece in tokens_of(text)]
        act = Act(chunks=(*chunks, Chunk(finish_reason="stop")), gap=0.01)
        client = GuardedClient([A], {"alpha-one": act})
        await client.listen()
        assert client.reasoning == thought
        assert client.text == text
        kinds = [bool(chunk.reasoning) for chunk in client.chunks]
        assert kinds == sorted(kinds, reverse=True)
        bad = GuardedClient([A], {"alpha-one": act}, phrase=thought[-190:] + "\n\n" + text[:40])
        with pytest.raises(SafetyViolation):
            await bad.listen()
        assert len(bad.reasoning) <= len(thought) - 190

    run_virtual(main())


def test_p8_tool_calls_are_held_whole_and_judged_as_text() -> None:
    async def main() -> None:
        def piece(arguments: str, **more: str) -> Chunk:
            return Chunk(
                tool_calls=[{"index": 0, **more, "function": {"arguments": arguments, **more}}]
            )

        head = Chunk(tool_calls=[{"index": 0, "id": "c1", "type": "function"}])
        first = Chunk(tool_calls=[{"index": 0, "function": {"name": "send", "arguments": ""}}])
        parts = [piece('{"to": "m'), piece('e", "what": "b\\u00'), piece('61d thing"}')]
        act = Act(chunks=(head, first, *parts, Chunk(finish_reason="tool_calls")), gap=0.05)
        client = GuardedClient([A], {"alpha-one": act})
        await client.listen()
        calls = [chunk.tool_calls for chunk in client.chunks if chunk.tool_calls]
        whole = '{"to": "me", "what": "b\\u0061d thing"}'
        assert calls == [
            [
                {
                    "index": 0,
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "send", "arguments": whole},
                }
            ]
        ]
        assert client.ends == ["tool_calls"]
        for phrase in ("bad thing", "b\\u0061d", "send"):
            bad = GuardedClient([A], {"alpha-one": act}, phrase=phrase)
            with pytest.raises(SafetyViolation):
                await bad.listen()
            assert bad.heard == []

    run_virtual(main())


def test_p8_each_choice_has_its_own_window_and_end() -> None:
    async def main() -> None:
        one, two = prose(600), prose(3000)
        chunks = [Chunk(0, text=piece) for piece in tokens_of(one)]
        chunks += [Chunk(1, text=piece) for piece in tokens_of(two)]
        mixed = [chunk for pair in itertools.zip_longest(*[iter(chunks)] * 2) for chunk in pair]
        assert mixed == chunks
        woven = [
            chunk
            for pair in itertools.zip_longest(
                [*chunks[: len(tokens_of(one))], Chunk(0, finish_reason="stop")],
                [*chunks[len(tokens_of(one)) :], Chunk(1, finish_reason="length")],
            )
            for chunk in pair
            if chunk is not None
        ]
        act = Act(chunks=(*woven, Chunk(usage=Usage(5, 900))), gap=0.01)
        client = GuardedClient([A], {"alpha-one": act})
        await client.listen(request(stream=True, n=2))
        assert client.text_of(0) == one
        assert client.text_of(1) == two
        assert client.ends == ["stop", "length"]
        assert client.chunks[-1].usage == Usage(5, 900)
        ended = [at for at, chunk in client.heard if chunk.finish_reason]
        assert ended[0] < ended[1] - 3.0
        bad = GuardedClient([A], {"alpha-one": act}, phrase=two[1400:1600])
        with pytest.raises(SafetyViolation):
            await bad.listen(request(stream=True, n=2))
        assert len(bad.text_of(1)) <= two.index(two[1400:1600]) + len(WORDS)

    run_virtual(main())


def test_p8_log_probabilities_leave_with_their_text() -> None:
    async def main() -> None:
        pieces = tokens_of(prose(2400), 5)
        chunks = [
            Chunk(text=piece, logprobs={"content": [{"token": piece, "logprob": -0.1}]})
            for piece in pieces
        ]
        act = Act(chunks=(*chunks, Chunk(finish_reason="stop")), gap=0.02)
        client = GuardedClient([A], {"alpha-one": act})
        await client.listen()
        text = told = ""
        for chunk in client.chunks:
            text += chunk.text
            if isinstance(chunk.logprobs, dict):
                content = chunk.logprobs["content"]
                assert isinstance(content, list)
                told += "".join(str(one["token"]) for one in content if isinstance(one, dict))
            assert text.startswith(told)
            assert len(text) - len(told) < 5
        assert told == "".join(pieces)

    run_virtual(main())


def test_p8_no_guard_is_no_answer() -> None:
    async def main() -> None:
        act = steady(tokens_of(prose(4000)), 100)
        client = GuardedClient([A, B], {"alpha-one": act})
        client.guard.down_after = 0
        with pytest.raises(SafetyUnavailable):
            await client.listen()
        assert client.heard == []
        later = GuardedClient([A, B], {"alpha-one": act})
        later.guard.down_after = 1
        with pytest.raises(SafetyUnavailable):
            await later.listen()
        assert 0 < len(later.text) <= 120
        assert later.world.providers["alpha"].asked[0].cancelled

    run_virtual(main())


def test_p8_what_is_let_by_unscanned_is_counted() -> None:
    async def main() -> None:
        text = prose(4000)
        client = GuardedClient([A], {"alpha-one": steady(tokens_of(text), 100)})
        client.guard.down_after, client.guard.blind = 2, True
        await client.listen()
        assert client.text == text
        assert client.work.not_scanned == client.work.calls - 2 > 0

    run_virtual(main())


def test_p8_no_verdict_outlives_the_deadline() -> None:
    async def main() -> None:
        act = steady(tokens_of(prose(4000)), 100)
        client = GuardedClient([A], {"alpha-one": act}, seconds=100.0)
        with pytest.raises(DeadlineExceeded):
            await client.listen(seconds=3.0)
        assert client.clock.monotonic() == pytest.approx(3.0, abs=0.11)
        assert client.guard.under_way == 0
        assert client.world.providers["alpha"].asked[0].cancelled

    run_virtual(main())


@pytest.mark.parametrize("after", [0.5, 0.75, 3.0, 9.9, 10.05])
def test_p8_a_client_that_leaves_ends_reading_and_asking(after: float) -> None:
    async def main() -> None:
        act = steady(tokens_of(prose(4000)), 100)
        client = GuardedClient([A, B], {"alpha-one": act}, seconds=0.3)
        task = asyncio.ensure_future(client.listen())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.guard.under_way == 0
        assert client.world.providers["alpha"].asked[0].ended == pytest.approx(min(after, 10.0))
        assert client.world.asked() == ["alpha-one"]
        assert [len(settled) for settled in client.world.meter.settlements()] == [1]
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_p8_a_slow_client_holds_the_provider_back() -> None:
    async def main() -> None:
        text = prose(600_000)
        act = Act(chunks=says(*tokens_of(text, 500)))
        client = GuardedClient([A], {"alpha-one": act})
        task = asyncio.ensure_future(client.listen(pause=5.0))
        await asyncio.sleep(4.0)
        asked = client.world.providers["alpha"].asked[0]
        assert asked.ended is None
        await task
        assert client.text == text

    run_virtual(main())


def test_p8_an_answer_that_came_whole_is_judged_whole() -> None:
    async def main() -> None:
        plain = card("alpha-one", features=())
        text = prose(5000)
        client = GuardedClient([plain], {"alpha-one": Act(chunks=says(text), delay=1.0)})
        await client.listen()
        assert client.guard.texts == [text]
        assert client.text == text
        assert client.clock.monotonic() == pytest.approx(1.15)

    run_virtual(main())


def test_p8_words_after_an_end_are_judged_too() -> None:
    async def main() -> None:
        odd = (
            Chunk(text="One. "),
            Chunk(finish_reason="stop"),
            Chunk(text="Two."),
            Chunk(text="x"),
        )
        client = GuardedClient([A], {"alpha-one": Act(chunks=odd, gap=1.0)})
        await client.listen()
        assert client.text == "One. Two.x"
        assert "Two.x" in "".join(client.guard.texts)
        assert client.ends == ["stop"]

    run_virtual(main())
