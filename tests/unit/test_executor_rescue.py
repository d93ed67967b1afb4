"""What a continued stream costs and tells, and what is not continued."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from shared.errors import (
    AllModelsFailed,
    ContentFiltered,
    DeadlineExceeded,
    Overloaded,
    ProviderFailure,
    Refused,
    RequestRejected,
    StreamCut,
    StreamStalled,
)
from shared.messages import ChatRequest, Chunk, Usage
from shared.providers.base import ProviderCall
from shared.routing.plan import Trace
from tests.support.fake_provider import Act, fails, says
from tests.support.routing_world import Script, World, card, plan_of, request
from tests.support.virtual_time import VirtualClock, run_virtual

A, B, C = card("alpha-one"), card("beta-one"), card("gamma-one")
P = card("beta-one", accepts_prefix=True)
WORDS = ("One ", "two ", "three ", "four.")
WHOLE = "".join(WORDS)


def cut() -> ProviderFailure:
    return StreamCut("cut", provider="alpha")


def breaking(*pieces: str, after: int = 2) -> Act:
    return Act(chunks=says(*(pieces or WORDS)), break_after=after, broken=cut)


def answering(*pieces: str, usage: Usage | None = None) -> Act:
    return Act(chunks=says(*(pieces or WORDS), usage=usage))


class Client:
    """Streams one request through a world of the given models."""

    def __init__(self, acts: dict[str, Script], *, prefix: bool = False) -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        self.cards = [A, P if prefix else B, C]
        self.world = World(clock, self.cards, acts)
        self.trace = Trace()
        self.chunks: list[Chunk] = []

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(line.model, line.outcome) for line in self.trace.attempts]

    async def listen(self, asked: ChatRequest | None = None, seconds: float = 50.0) -> None:
        plan = plan_of(self.cards)
        source = self.world.executor.stream(
            plan, asked or request(stream=True), self.world.deadline(seconds), self.trace
        )
        async with aclosing(source) as batches:
            async for batch in batches:
                self.chunks += batch


def test_another_model_that_says_the_same_goes_on() -> None:
    async def main() -> None:
        client = Client(
            {
                "alpha-one": breaking(),
                "beta-one": answering("One two th", "ree four", ".", usage=Usage(11, 9)),
            }
        )
        await client.listen()
        assert client.text == WHOLE
        assert client.outcomes == [("alpha-one", "cut"), ("beta-one", "ok")]
        assert client.trace.answered is B
        assert client.trace.warnings == ["alpha-one broke off (cut); beta-one finished the answer"]
        usage = client.trace.usage
        assert usage.prompt_tokens == 11 + 100
        assert usage.completion_tokens == 9 + 2  # "One two " is two tokens, estimated
        assert usage.estimated
        assert client.world.health.health(A).value == "DEGRADED"
        assert client.world.health.health(B).value == "HEALTHY"

    run_virtual(main())


def test_a_model_that_takes_a_prefix_is_asked_first() -> None:
    async def main() -> None:
        asked: list[ProviderCall] = []

        def go_on(call: ProviderCall) -> Act:
            asked.append(call)
            return answering("three ", "four.")

        client = Client({"alpha-one": breaking(), "beta-one": go_on}, prefix=True)
        await client.listen(request(stream=True, max_tokens=100))
        assert client.text == WHOLE
        assert asked[0].messages is not None
        assert asked[0].messages[-1] == {"role": "assistant", "content": "One two "}
        assert asked[0].messages[:-1] == asked[0].request.messages
        assert asked[0].max_tokens == 98

    run_virtual(main())


def test_a_prefix_that_is_rejected_leads_to_asking_again() -> None:
    async def main() -> None:
        client = Client(
            {
                "alpha-one": breaking(),
                "beta-one": fails(RequestRejected),
                "gamma-one": answering(),
            },
            prefix=True,
        )
        await client.listen()
        assert client.text == WHOLE
        assert [outcome for _, outcome in client.outcomes] == ["cut", "rejected", "ok"]

    run_virtual(main())


def test_other_words_are_told_as_a_break() -> None:
    async def main() -> None:
        client = Client(
            {
                "alpha-one": [breaking(), breaking()],
                "beta-one": answering("One tonne"),
                "gamma-one": answering("One "),
            }
        )
        with pytest.raises(StreamCut):
            await client.listen()
        assert client.text == "One two "
        assert [outcome for _, outcome in client.outcomes][:3] == ["cut", "diverged", "diverged"]
        assert client.trace.answered is None
        # What was written in vain was written all the same.
        assert client.trace.usage.completion_tokens >= 2 + 1 + 1

    run_virtual(main())


def test_a_stream_is_continued_once() -> None:
    async def main() -> None:
        client = Client(
            {
                "alpha-one": breaking(after=1),
                "beta-one": breaking(after=3),
                "gamma-one": answering(),
            }
        )
        with pytest.raises(StreamCut):
            await client.listen()
        assert client.text == "One two three "
        assert client.outcomes == [("alpha-one", "cut"), ("beta-one", "cut")]

    run_virtual(main())


def test_a_break_inside_a_tool_call_is_mended_unseen() -> None:
    half = Chunk(tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{"}}])
    whole = Chunk(
        tool_calls=[{"index": 0, "id": "y", "function": {"name": "g", "arguments": "{}"}}]
    )

    async def main() -> None:
        client = Client(
            {
                "alpha-one": Act(chunks=(half, half), break_after=1, broken=cut),
                "beta-one": Act(chunks=(whole, *says(finish="tool_calls"))),
            }
        )
        await client.listen()
        calls = [delta for chunk in client.chunks for delta in chunk.tool_calls or ()]
        assert calls == whole.tool_calls
        assert client.trace.usage.prompt_tokens == 7
        assert client.trace.answered is B

    run_virtual(main())


def test_reasoning_is_not_told_twice() -> None:
    thinking = Act(chunks=(Chunk(reasoning="hm"), Chunk(text="x")), break_after=1, broken=cut)

    async def main() -> None:
        client = Client(
            {
                "alpha-one": thinking,
                "beta-one": Act(chunks=(Chunk(reasoning="well"), *says("Answer"))),
            }
        )
        await client.listen()
        assert "".join(chunk.reasoning for chunk in client.chunks) == "hm"
        assert client.text == "Answer"

    run_virtual(main())


def test_a_refusal_after_text_is_the_end_of_the_answer() -> None:
    refused = Act(
        chunks=says(*WORDS), break_after=2, broken=lambda: Refused("no", provider="alpha")
    )

    async def main() -> None:
        client = Client({"alpha-one": refused, "beta-one": answering()})
        await client.listen()
        assert client.text == "One two "
        assert [chunk.finish_reason for chunk in client.chunks if chunk.finish_reason] == [
            "content_filter"
        ]
        assert client.world.asked() == ["alpha-one"]
        assert client.trace.answered is A

    run_virtual(main())


def test_a_filter_finish_after_text_is_an_answer() -> None:
    async def main() -> None:
        client = Client(
            {
                "alpha-one": Act(chunks=says("One ", finish="content_filter")),
                "beta-one": answering(),
            }
        )
        await client.listen()
        assert client.world.asked() == ["alpha-one"]

    run_virtual(main())


def test_a_refusal_while_going_on_ends_the_search() -> None:
    async def main() -> None:
        client = Client(
            {"alpha-one": breaking(), "beta-one": fails(Refused), "gamma-one": answering()}
        )
        with pytest.raises(StreamCut):
            await client.listen()
        assert "gamma-one" not in client.world.asked()

    run_virtual(main())


@pytest.mark.parametrize("asked", [{"n": 2}, {"logprobs": True}])
def test_what_is_not_continued(asked: dict[str, object]) -> None:
    async def main() -> None:
        client = Client({"alpha-one": breaking(), "beta-one": answering()})
        wanted = request(stream=True, n=2 if "n" in asked else 1)
        wanted.body = {"logprobs": "logprobs" in asked}
        with pytest.raises(StreamCut):
            await client.listen(wanted)
        assert client.world.asked() == ["alpha-one"]

    run_virtual(main())


def test_a_stall_is_a_break() -> None:
    async def main() -> None:
        silent = Act(chunks=says(*WORDS), break_after=2)
        client = Client({"alpha-one": silent, "beta-one": answering()})
        await client.listen()
        assert client.text == WHOLE
        assert client.outcomes[0] == ("alpha-one", StreamStalled.outcome)
        assert asyncio.get_running_loop().time() == pytest.approx(6.0)

    run_virtual(main())


def test_the_deadline_ends_the_search_too() -> None:
    async def main() -> None:
        deaf = Act(delay=1e5, deaf=True)
        client = Client({"alpha-one": breaking(), "beta-one": deaf})
        with pytest.raises(DeadlineExceeded):
            await client.listen(seconds=5.0)
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)
        assert client.world.providers["beta"].asked[0].cancelled

    run_virtual(main())


def test_a_client_that_leaves_during_the_search_closes_everything() -> None:
    async def main() -> None:
        silent = Act(delay=3.0, chunks=says(*WORDS))
        client = Client({"alpha-one": breaking(), "beta-one": silent})
        task = asyncio.ensure_future(client.listen())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.text == "One two "
        assert client.world.providers["beta"].asked[0].cancelled
        assert client.outcomes == [("alpha-one", "cut"), ("beta-one", "cancelled")]

    run_virtual(main())


def test_an_end_that_was_heard_is_an_end() -> None:
    async def main() -> None:
        chunks = says(*WORDS)
        lost = Act(chunks=chunks, break_after=len(chunks) - 1, broken=cut)
        client = Client({"alpha-one": lost, "beta-one": answering()})
        await client.listen()
        assert client.text == WHOLE
        assert client.outcomes == [("alpha-one", "ok")]

    run_virtual(main())


def test_nothing_left_and_nothing_to_go_on_with_is_an_error_like_any_other() -> None:
    call = Chunk(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{"}}])

    async def main() -> None:
        half = Act(chunks=(call, call), break_after=1, broken=cut)
        client = Client(
            {"alpha-one": half, "beta-one": fails(Overloaded), "gamma-one": fails(Overloaded)}
        )
        with pytest.raises(AllModelsFailed):
            await client.listen()
        refused = Client(
            {"alpha-one": Act(chunks=(call, call), break_after=1, broken=lambda: Refused("no"))}
        )
        with pytest.raises(ContentFiltered):
            await refused.listen()

    run_virtual(main())
