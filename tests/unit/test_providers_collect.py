"""Streams into answers and answers into streams: the two are each other's inverse."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import StreamCut
from shared.messages import ChatResult, Chunk, JsonObject, Usage
from shared.providers.collect import Collector, as_stream, collect
from shared.providers.think import ThinkSplitter, split_whole

CALLS: JsonObject = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "hm",
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ],
}


def choice(index: int, message: JsonObject, reason: str = "stop") -> JsonObject:
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


@pytest.mark.parametrize(
    "choices",
    [
        [choice(0, {"role": "assistant", "content": "Hi"})],
        [choice(0, {"role": "assistant", "content": ""}, "length")],
        [choice(0, CALLS, "tool_calls")],
        [choice(0, {"role": "assistant", "content": None, "refusal": "No."})],
        [
            choice(0, {"role": "assistant", "content": "a"}),
            choice(1, {"role": "assistant", "content": "b"}, "content_filter"),
        ],
        [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "x"},
                "logprobs": {"content": [{"token": "x", "logprob": 0.0}]},
                "finish_reason": "stop",
            }
        ],
    ],
)
def test_cut_and_joined_again(choices: list[JsonObject]) -> None:
    collector = Collector()
    collector.add(as_stream(ChatResult(choices, Usage(3, 4))))
    assert collector.result() == ChatResult(choices, Usage(3, 4))


class _Closing:
    """A stream that says whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def chunks(self) -> AsyncIterator[list[Chunk]]:
        try:
            yield [Chunk(text="a")]
            raise StreamCut("cut")
        finally:
            self.closed = True


async def test_a_failing_stream_is_closed_and_its_failure_raised() -> None:
    source = _Closing()
    with pytest.raises(StreamCut):
        await collect(source.chunks())
    assert source.closed


async def test_a_stream_that_is_no_generator() -> None:
    class Plain:
        def __init__(self) -> None:
            self.left = [[Chunk(text="a")], [Chunk(text="b"), Chunk(finish_reason="stop")]]

        def __aiter__(self) -> AsyncIterator[list[Chunk]]:
            return self

        async def __anext__(self) -> list[Chunk]:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    result = await collect(Plain())
    assert result.choices == [choice(0, {"role": "assistant", "content": "ab"})]
    assert result.usage.estimated


@given(
    st.sampled_from(["", " \n", "<think>", "\n<think>\n"]),
    st.text("ab </think>\n", max_size=20),
    st.sampled_from(["", "</think>", "</think>\n\n"]),
    st.text("ab <think>", max_size=20),
    st.lists(st.integers(1, 4), min_size=1),
)
def test_thoughts_are_split_alike_however_the_text_arrives(
    opening: str, thoughts: str, closing: str, text: str, sizes: list[int]
) -> None:
    said = opening + thoughts + closing + text
    splitter = ThinkSplitter()
    reasoning = answer = ""
    start = turn = 0
    while start < len(said):
        size = sizes[turn % len(sizes)]
        piece = splitter.feed(said[start : start + size])
        reasoning, answer = reasoning + piece.reasoning, answer + piece.text
        start, turn = start + size, turn + 1
    last = splitter.end()
    reasoning, answer = reasoning + last.reasoning, answer + last.text
    whole = split_whole(said)
    assert answer == whole.text
    # Blank lines at the edges of the thoughts may fall to either side of a cut.
    assert reasoning.strip() == whole.reasoning.strip()
    if not said.lstrip().startswith("<think>"):
        assert (whole.reasoning, whole.text) == ("", said)
