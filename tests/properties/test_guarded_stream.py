"""P8 and P71 under a guard: of what is unsafe nothing leaves, of what is safe all does."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ProviderFailure, SafetyViolation, StreamCut
from shared.messages import Chunk, Usage
from tests.support.fake_provider import Act
from tests.support.guarded_world import GuardedClient
from tests.support.routing_world import card, request
from tests.support.virtual_time import run_virtual

A, B = card("alpha-one"), card("beta-one", accepts_prefix=True)
# One alphabet for the answer, another for the phrase, so that it stands nowhere by chance.
SAFE = "abcdefg   .\n é漢"
UNSAFE = "XYZ  .🙂ß字\n"
# A deadline that no slow client reaches.
LONG_S = 1e5


@dataclass(frozen=True)
class Placement:
    """An answer with a phrase of up to 200 characters in one channel of one choice."""

    texts: dict[tuple[int, str], str]
    where: tuple[int, str]
    phrase: str

    @property
    def start(self) -> int:
        return self.texts[self.where].index(self.phrase)


def place(rng: random.Random) -> Placement:
    choices = rng.choice([1, 1, 1, 2])
    keys = [(index, kind) for index in range(choices) for kind in ("reasoning", "text", "refusal")]
    texts = {key: "".join(rng.choices(SAFE, k=rng.choice([0, 0, 30, 300, 600]))) for key in keys}
    where = rng.choice(keys)
    texts[where] = "".join(rng.choices(SAFE, k=rng.choice([0, 300, 1000, 3000])))
    phrase = "X" + "".join(rng.choices(UNSAFE, k=rng.choice([0, 1, 20, 198]))) + "Z"
    at = rng.randint(0, len(texts[where]))
    texts[where] = texts[where][:at] + phrase + texts[where][at:]
    return Placement(texts, where, phrase)


def said(index: int, kind: str, text: str) -> Chunk:
    if kind == "reasoning":
        return Chunk(index, reasoning=text)
    return Chunk(index, text) if kind == "text" else Chunk(index, refusal=text)


def chunks_of(texts: dict[tuple[int, str], str], rng: random.Random) -> list[Chunk]:
    """The texts in pieces of any size, choices woven together, each choice in its order."""
    longest = rng.choice([1, 4, 4, 12, 300])
    queues: dict[int, list[Chunk]] = {}
    for (index, kind), text in texts.items():
        at, queue = 0, queues.setdefault(index, [])
        while at < len(text):
            size = rng.randint(1, longest)
            queue.append(said(index, kind, text[at : at + size]))
            at += size
    for index, queue in queues.items():
        queue.append(Chunk(index, finish_reason="stop"))
    out: list[Chunk] = []
    while any(queues.values()):
        queue = queues[rng.choice([index for index, queue in queues.items() if queue])]
        out.append(queue.pop(0))
    return [*out, Chunk(usage=Usage(3, 4))]


def told(client: GuardedClient, index: int, kind: str) -> str:
    return "".join(getattr(chunk, kind) for chunk in client.chunks if chunk.index == index)


def attempt(placed: Placement, rng: random.Random) -> None:
    async def main() -> None:
        gap = rng.choice([0.0, 0.002, 0.01, 0.03])
        act = Act(chunks=chunks_of(placed.texts, rng), gap=gap)
        client = GuardedClient(
            [A],
            {"alpha-one": act},
            phrase=placed.phrase,
            seconds=rng.choice([0.0, 0.15, 2.0]),
        )
        choices = 1 + max(index for index, _ in placed.texts)
        asked = request(stream=True, n=choices)
        with pytest.raises(SafetyViolation):
            await client.listen(asked, LONG_S, rng.choice([0.0, 0.0, 0.5]))
        for (index, kind), text in placed.texts.items():
            heard = told(client, index, kind)
            assert text.startswith(heard)
            if (index, kind) == placed.where:
                assert len(heard) <= placed.start
        assert client.usages == []

    run_virtual(main())


@pytest.mark.parametrize("seed", range(10))
def test_p8_no_character_of_an_unsafe_phrase_leaves_in_1000_placements(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        attempt(place(rng), rng)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_p71_whatever_the_pieces_a_safe_answer_arrives_whole(seed: int) -> None:
    rng = random.Random(seed)
    placed = place(rng)

    async def main() -> None:
        act = Act(chunks=chunks_of(placed.texts, rng), gap=rng.choice([0.0, 0.002, 0.02]))
        client = GuardedClient([A], {"alpha-one": act}, seconds=rng.choice([0.0, 0.15, 2.0]))
        choices = 1 + max(index for index, _ in placed.texts)
        asked = request(stream=True, n=choices)
        await client.listen(asked, LONG_S, rng.choice([0.0, 0.0, 0.5]))
        for (index, kind), text in placed.texts.items():
            assert told(client, index, kind) == text
        assert client.ends == ["stop"] * choices
        assert client.usages == [Usage(3, 4)]
        assert client.guard.most_at_once == 1
        assert client.work.not_scanned == 0

    run_virtual(main())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_p8_reasoning_woven_into_the_text_is_held_like_any_other(seed: int) -> None:
    rng = random.Random(seed)
    phrase = "X" + "".join(rng.choices(UNSAFE, k=198)) + "Z"
    thought = "".join(rng.choices(SAFE, k=rng.randint(0, 2000)))
    at = rng.randint(0, len(thought))
    thought = thought[:at] + phrase + thought[at:]
    chunks: list[Chunk] = []
    for start in range(0, len(thought), 8):
        chunks.append(Chunk(reasoning=thought[start : start + 8]))
        chunks.append(Chunk(text="".join(rng.choices(SAFE, k=rng.randint(1, 60)))))
    chunks.append(Chunk(finish_reason="stop"))

    async def main() -> None:
        act = Act(chunks=chunks, gap=rng.choice([0.0, 0.01]))
        client = GuardedClient([A], {"alpha-one": act}, phrase=phrase)
        with pytest.raises(SafetyViolation):
            await client.listen(seconds=LONG_S)
        assert thought.startswith(client.reasoning)
        assert len(client.reasoning) <= at

    run_virtual(main())


def cut() -> ProviderFailure:
    return StreamCut("cut", provider="alpha")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_p8_p72_a_broken_guarded_stream_is_mended_without_loss_or_repeat(seed: int) -> None:
    """The second model says the same: whatever had left, the client has the whole answer once."""
    rng = random.Random(seed)
    text = "".join(rng.choices(SAFE, k=rng.choice([30, 400, 1500, 5000]))) + "end"
    whole = chunks_of({(0, "text"): text}, rng)

    async def main() -> None:
        act = Act(
            chunks=whole,
            gap=rng.choice([0.0, 0.005, 0.02]),
            break_after=rng.randint(1, len(whole) - 2),
            broken=cut,
        )
        second = card("beta-one", accepts_prefix=False)
        again = Act(chunks=chunks_of({(0, "text"): text}, rng), gap=rng.choice([0.0, 0.01]))
        client = GuardedClient(
            [A, second],
            {"alpha-one": act, "beta-one": again},
            seconds=rng.choice([0.0, 0.15, 2.0]),
        )
        await client.listen(seconds=LONG_S)
        assert client.text == text
        assert client.ends == ["stop"]
        assert client.outcomes == [("alpha-one", "cut"), ("beta-one", "ok")]

    run_virtual(main())
