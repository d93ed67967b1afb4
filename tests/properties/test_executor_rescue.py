"""P72: a stream broken anywhere, in any way, ends in the whole answer or a failure that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import event, given, settings
from hypothesis import strategies as st

from shared.errors import (
    CodeexError,
    ConnectionFailed,
    ContextTooLong,
    KeyRejected,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    QuotaExceeded,
    Refused,
    RequestRejected,
    StreamCut,
)
from shared.messages import Chunk, JsonObject, Usage
from shared.model import Feature
from shared.providers.base import ProviderCall
from shared.routing.plan import Trace
from tests.support.fake_provider import Act, fails
from tests.support.routing_world import STANDARD, Script, World, card, plan_of, request
from tests.support.virtual_time import VirtualClock, run_virtual

BREAKS: tuple[type[ProviderFailure] | None, ...] = (
    StreamCut,
    ConnectionFailed,
    Overloaded,
    MalformedAnswer,
    QuotaExceeded,
    None,  # silence
)
# Now and then no text at all, but a tool call.
words = st.text("ab é漢", max_size=20)


@dataclass(frozen=True)
class Answer:
    """What a model would say: reasoning, text and tool calls (name and pieces of arguments)."""

    reasoning: tuple[str, ...]
    text: str
    calls: tuple[tuple[str, ...], ...]

    def tools(self) -> list[str]:
        return ["".join(pieces) for pieces in self.calls]


@dataclass(frozen=True)
class Voice:
    """How a model behaves when it is asked to go on, or again."""

    manner: str
    answer: Answer
    cuts: tuple[int, ...]
    breaks_after: int | None
    breaks_by: type[ProviderFailure] | None


@dataclass
class Heard:
    """What the client got."""

    trace: Trace
    text: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0
    world: World | None = None


answers = st.builds(
    Answer,
    reasoning=st.lists(st.sampled_from(["hm ", "so "]), max_size=2).map(tuple),
    text=words,
    calls=st.lists(
        st.lists(st.sampled_from(['{"a"', ":1", "}"]), min_size=1, max_size=3).map(tuple),
        max_size=2,
    ).map(tuple),
).map(lambda one: one if one.calls or one.text else Answer(one.reasoning, "b a", ()))


def voices(answer: st.SearchStrategy[Answer]) -> st.SearchStrategy[Voice]:
    return st.builds(
        Voice,
        manner=st.sampled_from(["same", "same", "other", "prefix", "no_prefix", "down", "refuses"]),
        answer=answer,
        cuts=st.lists(st.integers(1, 3), min_size=1, max_size=8).map(tuple),
        breaks_after=st.one_of(st.none(), st.integers(0, 12)),
        breaks_by=st.sampled_from(BREAKS),
    )


def pieces(text: str, cuts: tuple[int, ...]) -> list[str]:
    found, at, turn = [], 0, 0
    while at < len(text):
        step = cuts[turn % len(cuts)]
        found.append(text[at : at + step])
        at, turn = at + step, turn + 1
    return found


def chunks_of(answer: Answer, cuts: tuple[int, ...], after: str = "") -> list[Chunk]:
    """The chunks of the answer; of its text only what comes after ``after``."""
    chunks = [Chunk(reasoning=piece) for piece in answer.reasoning]
    chunks += [Chunk(text=piece) for piece in pieces(answer.text[len(after) :], cuts)]
    for index, call in enumerate(answer.calls):
        head: JsonObject = {"index": index, "id": f"c{index}", "function": {"name": "f"}}
        chunks.append(Chunk(tool_calls=[head]))
        for piece in call:
            delta: JsonObject = {"index": index, "function": {"arguments": piece}}
            chunks.append(Chunk(tool_calls=[delta]))
    chunks.append(Chunk(finish_reason="tool_calls" if answer.calls else "stop"))
    chunks.append(Chunk(usage=Usage(10, 5)))
    return chunks


def act_of(voice: Voice) -> Callable[[ProviderCall], Act]:
    def act(call: ProviderCall) -> Act:
        after = ""
        if call.messages is not None:
            last = call.messages[-1]
            assert last["role"] == "assistant"
            after = str(last["content"])
            if voice.manner == "no_prefix":
                return fails(RequestRejected)
        if voice.manner == "down":
            return fails(Overloaded)
        if voice.manner == "refuses":
            return fails(Refused)
        if not voice.answer.text.startswith(after):
            # What a model makes of words it would not have said cannot be foretold.
            return fails(Overloaded)
        kind = voice.breaks_by
        return Act(
            chunks=chunks_of(voice.answer, voice.cuts, after),
            break_after=voice.breaks_after,
            broken=None if kind is None else lambda: kind("broke", provider="fake"),
        )

    return act


def listen(first: Voice, others: list[Voice], deadline: float, patience: float = 0.0) -> Heard:
    """Stream from the first voice, with the others behind it."""
    cards = [card("alpha-0")]
    for place, voice in enumerate(others, 1):
        cards.append(
            card(
                f"{('beta', 'gamma', 'alpha')[place % 3]}-{place}",
                features=STANDARD if place != 2 else frozenset({Feature.TOOLS}),
                accepts_prefix=voice.manner in ("prefix", "no_prefix"),
            )
        )

    async def main() -> Heard:
        acts: dict[str, Script] = {
            one.id: act_of(voice) for one, voice in zip(cards, [first, *others], strict=True)
        }
        clock = VirtualClock(asyncio.get_running_loop())
        world = World(clock, cards, acts)
        heard = Heard(Trace(), world=world)
        asked = request(stream=True)
        asked.options.patience_s = patience
        source = world.executor.stream(
            plan_of(cards, max_attempts=20), asked, world.deadline(deadline), heard.trace
        )
        try:
            async for batch in source:
                for chunk in batch:
                    hear(heard, chunk)
        except (CodeexError, ProviderFailure) as error:
            heard.error = error
        heard.seconds = clock.monotonic()
        return heard

    return run_virtual(main())


def hear(heard: Heard, chunk: Chunk) -> None:
    heard.text += chunk.text
    heard.reasoning += chunk.reasoning
    for delta in chunk.tool_calls or ():
        index, function = delta["index"], delta["function"]
        assert isinstance(index, int)
        assert isinstance(function, dict)
        heard.calls.setdefault(index, []).append(str(function.get("arguments", "")))
    if chunk.finish_reason is not None:
        heard.ends.append(chunk.finish_reason)


@settings(max_examples=400, deadline=None)
@given(answers, st.data())
def test_p72_a_broken_stream_is_mended_or_told(answer: Answer, data: st.DataObject) -> None:
    same = st.just(answer)
    one = data.draw(voices(same))
    first = Voice("same", answer, one.cuts, data.draw(st.integers(0, 12)), one.breaks_by)
    others = []
    for voice in data.draw(st.lists(voices(same), max_size=4)):
        if voice.manner == "other":
            voice = Voice(
                "other", data.draw(answers), voice.cuts, voice.breaks_after, voice.breaks_by
            )
        others.append(voice)
    heard = listen(first, others, data.draw(st.sampled_from([2.0, 50.0, 300.0])))
    possible = [voice.answer for voice in (first, *others)]
    told = [["".join(heard.calls[index]) for index in sorted(heard.calls)]]
    if heard.error is None:
        event("whole" if len(heard.trace.attempts) == 1 else "mended")
        assert len(heard.ends) == 1
        if heard.ends == ["content_filter"]:
            assert any(one.text.startswith(heard.text) for one in possible)
            return
        assert any(heard.text == one.text and told == [one.tools()] for one in possible), (
            heard.text,
            told,
        )
        assert heard.trace.answered is not None
    else:
        event("told")
        assert heard.ends == []
        assert heard.calls == {}
        assert any(one.text.startswith(heard.text) for one in possible)
    assert any("".join(one.reasoning).startswith(heard.reasoning) for one in possible)
    assert heard.world is not None
    for fake in heard.world.providers.values():
        assert all(asked.ended is not None for asked in fake.asked)


@settings(deadline=None)
@given(
    answers,
    st.integers(1, 12),
    st.sampled_from(BREAKS),
    st.sampled_from(["same", "prefix"]),
)
def test_p72_whoever_can_go_on_does(
    answer: Answer, after: int, kind: type[ProviderFailure] | None, manner: str
) -> None:
    """One that says the same, or takes a prefix, and does not break: always the whole answer."""
    first = Voice("same", answer, (1,), after, kind)
    whole = Voice(manner, answer, (2, 3), None, None)
    heard = listen(first, [whole], 300.0)
    assert heard.error is None
    assert heard.text == answer.text
    assert ["".join(heard.calls[index]) for index in sorted(heard.calls)] == answer.tools()
    assert len(heard.ends) == 1


@settings(deadline=None)
@given(answers, st.integers(0, 12), st.sampled_from([KeyRejected, ContextTooLong, Overloaded]))
def test_p72_nobody_left_is_told(answer: Answer, after: int, kind: type[ProviderFailure]) -> None:
    first = Voice("same", answer, (1,), after, StreamCut)
    heard = listen(first, [], 50.0)
    whole = heard.error is None
    assert whole is bool(heard.ends)
    if not whole:
        assert answer.text.startswith(heard.text)
        assert heard.text != answer.text or answer.calls or not heard.ends


@settings(deadline=None)
@given(answers, answers, st.integers(1, 12), st.sampled_from(BREAKS))
def test_p72_other_words_are_never_joined_on(
    answer: Answer, other: Answer, after: int, kind: type[ProviderFailure] | None
) -> None:
    first = Voice("same", answer, (1,), after, kind)
    heard = listen(first, [Voice("other", other, (2,), None, None)], 300.0)
    if heard.error is None:
        assert heard.text in (answer.text, other.text)
    else:
        assert heard.text
        assert not other.text.startswith(heard.text)
        assert [line.outcome for line in heard.trace.attempts][1] == "diverged"
