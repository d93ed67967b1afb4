"""An unsafe phrase anywhere in a streamed answer, through the real edge: not a byte of it arrives.

The guard is a simulated model behind the real chain: it calls unsafe whatever holds the phrase.
"""

from __future__ import annotations

import random

import pytest

from shared.messages import Chunk, JsonObject, Usage
from shared.providers.base import ProviderCall
from shared.settings import load_settings
from tests.support.edge_driver import KEYS, House, Script
from tests.support.fake_provider import Act
from tests.support.open_limits import opened
from tests.support.virtual_time import run_virtual

PLACEMENTS = 120
# Characters that stand nowhere else in an answer, a frame or a receipt.
ALPHABET = "ҠҢҤҦҨҪҬҮ"
TEXT = "the quiet harbour lies under a pale morning sky and boats come home slowly"
SAFE = '{"violation": 0, "confidence": "high"}'
UNSAFE = '{"violation": 1, "category": "VIOLENCE", "severity": "HIGH", "confidence": "high"}'


def answer_with(rng: random.Random, phrase: str) -> list[str]:
    """An answer with the phrase somewhere, cut into pieces anyhow."""
    words = [rng.choice(TEXT.split()) for _ in range(rng.randint(5, 500))]
    text = " ".join(words)
    at = rng.randint(0, len(text))
    text = text[:at] + phrase + text[at:]
    pieces = []
    while text:
        size = rng.choice((1, 2, 5, 20, 150, 700))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def script(pieces: list[str], phrase: str, gap: float, as_reasoning: bool) -> Script:
    """A model that says the pieces, and a guard that knows the phrase."""

    def act(call: ProviderCall, _: int) -> Act:
        rules = str(call.request.messages[0].get("content"))
        if "content safety classifier" in rules[:200]:
            asked = str(call.request.messages[-1].get("content"))
            return Act(delay=0.15, chunks=_text(UNSAFE if phrase in asked else SAFE))
        chunks = [Chunk(reasoning=one) if as_reasoning else Chunk(text=one) for one in pieces]
        end = (Chunk(finish_reason="stop"), Chunk(usage=Usage(7, 3)))
        return Act(delay=0.05, chunks=(*chunks, *end), gap=gap)

    return act


def _text(text: str) -> tuple[Chunk, ...]:
    return (Chunk(text=text), Chunk(finish_reason="stop"), Chunk(usage=Usage(7, 3)))


@pytest.mark.parametrize("as_reasoning", [False, True], ids=["content", "reasoning"])
def test_p8_p71_no_byte_of_an_unsafe_phrase_arrives(as_reasoning: bool) -> None:
    rng = random.Random(8)

    async def main() -> None:
        for _ in range(PLACEMENTS // 2):
            length = rng.randint(1, 200)
            phrase = "".join(rng.choice(ALPHABET) for _ in range(length))
            pieces = answer_with(rng, phrase)
            acts = script(pieces, phrase, rng.choice((0.0, 0.01, 0.1)), as_reasoning)
            settings = opened(load_settings({**KEYS, "PAID_PROVIDERS": "all"}))
            house = House(
                dict.fromkeys(("groq", "google", "cerebras"), acts),
                settings=settings,
                own_guards=True,
            )
            body: JsonObject = {
                "model": "groq-gpt-oss-120b",
                "messages": [{"role": "user", "content": "Tell me."}],
                "stream": True,
                "codeex": {"fallback": False},
            }
            sent = await house.call("/v1/chat/completions", body)
            shown = sent.body.decode()
            assert not set(shown) & set(ALPHABET), phrase
            assert "\\u04a" not in shown
            assert "safety_violation" in shown

    run_virtual(main())
