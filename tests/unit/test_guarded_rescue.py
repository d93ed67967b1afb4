"""A guarded stream that breaks: what is held is asked again unseen, what has left is continued."""

from __future__ import annotations

import pytest

from shared.errors import (
    AllModelsFailed,
    ContentFiltered,
    Overloaded,
    ProviderFailure,
    Refused,
    SafetyViolation,
    StreamCut,
)
from shared.messages import Chunk, Usage
from shared.providers.base import ProviderCall
from tests.support.fake_provider import Act, fails, says
from tests.support.guarded_world import GuardedClient, steady, tokens_of
from tests.support.routing_world import card, request
from tests.support.virtual_time import run_virtual

A, B, C = card("alpha-one"), card("beta-one"), card("gamma-one")
P = card("beta-one", accepts_prefix=True)
TEXT = " ".join(f"word{number}" for number in range(400))  # 3,089 characters


def cut() -> ProviderFailure:
    return StreamCut("cut", provider="alpha")


def breaking(text: str, after: int, rate: float = 100.0) -> Act:
    pieces = tokens_of(text)
    return Act(chunks=says(*pieces), gap=1 / rate, break_after=after, broken=cut)


def test_a_break_before_anything_left_is_mended_unseen() -> None:
    async def main() -> None:
        client = GuardedClient(
            [A, B],
            {"alpha-one": breaking(TEXT, 60), "beta-one": steady(["Other ", "words."], 50)},
        )
        await client.listen()
        assert client.text == "Other words."
        assert client.guard.texts == ["Other words."]
        assert client.outcomes == [("alpha-one", "cut"), ("beta-one", "ok")]
        # What the first one wrote was written all the same: 60 pieces of 4 characters.
        assert client.trace.usage.completion_tokens == 60 + 2
        assert client.trace.usage.estimated
        assert client.trace.answered is B

    run_virtual(main())


def test_a_verdict_under_way_is_dropped_with_what_it_judges() -> None:
    async def main() -> None:
        client = GuardedClient(
            [A, B],
            {"alpha-one": breaking(TEXT, 80), "beta-one": steady(["Other ", "words."], 50)},
            phrase="word7",
            seconds=0.5,
        )
        await client.listen()
        assert client.guard.cancelled == 1
        assert client.guard.texts[1:] == ["Other words."]
        assert client.text == "Other words."

    run_virtual(main())


def test_what_has_left_is_continued_by_a_model_that_takes_a_prefix() -> None:
    async def main() -> None:
        given: list[str] = []

        def go_on(call: ProviderCall) -> Act:
            assert call.messages is not None
            begun = str(call.messages[-1]["content"])
            given.append(begun)
            return steady(tokens_of(TEXT[len(begun) :]), 100)

        client = GuardedClient([A, P], {"alpha-one": breaking(TEXT, 400), "beta-one": go_on})
        await client.listen()
        assert client.text == TEXT
        assert client.ends == ["stop"]
        # Only what had left was given to go on from: the first verdicts' text, less 200.
        assert 0 < len(given[0]) <= 400 * 4 - 200
        assert len(client.guard.texts) >= 3
        # The second model's text was judged with the end of the first one's.
        first_of_second = next(
            text for text in client.guard.texts if text.startswith(given[0][-400:])
        )
        assert TEXT.startswith(given[0])
        assert first_of_second in TEXT

    run_virtual(main())


def test_a_phrase_across_two_models_is_seen() -> None:
    async def main() -> None:
        def go_on(call: ProviderCall) -> Act:
            assert call.messages is not None
            begun = str(call.messages[-1]["content"])
            return steady([f"{begun.split()[-1]} again ", "and so on"], 100)

        client = GuardedClient([A, P], {"alpha-one": breaking(TEXT, 400), "beta-one": go_on})
        await client.listen()
        left = client.text.index(" again") - len(client.text.split(" again")[0].split()[-1])
        phrase = client.text[left - 10 : left + 12]
        bad = GuardedClient(
            [A, P], {"alpha-one": breaking(TEXT, 400), "beta-one": go_on}, phrase=phrase
        )
        with pytest.raises(SafetyViolation):
            await bad.listen()
        assert bad.text == client.text[:left]

    run_virtual(main())


def test_other_words_after_text_left_are_told_as_a_break() -> None:
    async def main() -> None:
        client = GuardedClient(
            [A, B], {"alpha-one": breaking(TEXT, 400), "beta-one": steady(["No."], 50)}
        )
        with pytest.raises(StreamCut):
            await client.listen()
        assert TEXT.startswith(client.text)
        assert client.text

    run_virtual(main())


def test_reasoning_that_left_is_not_told_twice_nor_judged_twice() -> None:
    async def main() -> None:
        thought = TEXT[:1200]
        first = Act(
            chunks=(*(Chunk(reasoning=piece) for piece in tokens_of(thought)), Chunk(text="x")),
            gap=0.01,
            break_after=200,
            broken=cut,
        )
        second = Act(chunks=(Chunk(reasoning="well, hm"), *says("Answer")), gap=0.01)
        client = GuardedClient([A, B], {"alpha-one": first, "beta-one": second})
        await client.listen()
        assert thought.startswith(client.reasoning)
        assert client.reasoning
        assert client.text == "Answer"
        assert client.guard.texts[-1] == "Answer"

    run_virtual(main())


def test_an_end_that_was_heard_is_an_end() -> None:
    async def main() -> None:
        chunks = says(*tokens_of(TEXT))
        lost = Act(chunks=chunks, break_after=len(chunks) - 1, broken=cut)
        client = GuardedClient([A, B], {"alpha-one": lost})
        await client.listen()
        assert client.text == TEXT
        assert client.ends == ["stop"]
        assert client.outcomes == [("alpha-one", "ok")]

    run_virtual(main())


def test_a_refusal_after_text_ends_the_answer_and_drops_what_is_held() -> None:
    async def main() -> None:
        refused = Act(
            chunks=says(*tokens_of(TEXT)),
            gap=0.01,
            break_after=300,
            broken=lambda: Refused("no", provider="alpha"),
        )
        client = GuardedClient([A, B], {"alpha-one": refused})
        await client.listen()
        assert TEXT.startswith(client.text)
        assert client.ends == ["content_filter"]
        assert client.world.asked() == ["alpha-one"]
        assert client.trace.usage.completion_tokens == 300
        early = GuardedClient(
            [A, B],
            {"alpha-one": Act(chunks=says("a ", "b"), break_after=1, broken=lambda: Refused("no"))},
        )
        with pytest.raises(ContentFiltered):
            await early.listen()
        assert early.heard == []

    run_virtual(main())


def test_a_break_with_nobody_left_is_an_error_like_any_other() -> None:
    async def main() -> None:
        client = GuardedClient(
            [A, B], {"alpha-one": breaking(TEXT, 50), "beta-one": fails(Overloaded)}
        )
        client.world.acts["alpha-one"] = [breaking(TEXT, 50), fails(Overloaded)]
        with pytest.raises(AllModelsFailed):
            await client.listen()
        assert client.heard == []

    run_virtual(main())


def test_a_break_inside_a_tool_call_is_mended_unseen() -> None:
    def call(arguments: str) -> Chunk:
        return Chunk(
            tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": arguments}}]
        )

    async def main() -> None:
        client = GuardedClient(
            [A, B],
            {
                "alpha-one": Act(chunks=(call("{"), call("}")), break_after=1, broken=cut),
                "beta-one": Act(chunks=(call('{"a":'), call("1}"), *says(finish="tool_calls"))),
            },
        )
        await client.listen()
        calls = [delta for chunk in client.chunks for delta in chunk.tool_calls or ()]
        assert [one["function"] for one in calls] == [{"name": "f", "arguments": '{"a":1}'}]
        assert client.guard.texts == ['f({"a":1})']
        assert client.trace.usage == Usage(7, 3)

    run_virtual(main())


def test_a_stream_without_an_end_of_its_own_is_told_whole() -> None:
    async def main() -> None:
        call = Chunk(
            tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}]
        )
        client = GuardedClient([A], {"alpha-one": Act(chunks=(Chunk(text="So: "), call))})
        await client.listen(request(stream=True))
        assert client.text == "So: "
        assert [len(chunk.tool_calls) for chunk in client.chunks if chunk.tool_calls] == [1]
        assert client.guard.texts == ["So: \n\nf({})"]
        assert client.trace.usage.estimated

    run_virtual(main())
