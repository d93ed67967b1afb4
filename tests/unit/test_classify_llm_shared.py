"""Answers that requests share: who gets which, for how long, and what nobody learns by it."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from shared.asking import Question
from shared.classify import Classification
from shared.classify.llm import REMEMBERED_S, LlmClassifier
from shared.classify.llm_speech import ALIKE
from shared.classify.result import Complexity
from shared.clock import Clock, Deadline
from shared.model import Capability, Category
from tests.support.scripted_asker import Said, ScriptedAsker
from tests.support.second_opinions import LOCAL, answer, on_virtual, request


def test_similar_requests_share_an_answer_for_an_hour() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer()))
        classifier = LlmClassifier(asker, clock)
        for text in ("Plan 3 days in Rome", "plan 12 days in rome!", "Plan  7 days in Rome."):
            found = await classifier.classify(request(text), LOCAL, Deadline.after(clock, 50))
            assert found is not None
        assert found is not None
        assert found.source == "cache"
        assert len(asker.asked) == 1
        await classifier.classify(request("Plan 3 days in Oslo"), LOCAL, Deadline.after(clock, 50))
        assert len(asker.asked) == 2
        await clock.sleep(REMEMBERED_S)
        await classifier.classify(request("Plan 3 days in Rome"), LOCAL, Deadline.after(clock, 50))
        assert len(asker.asked) == 3

    on_virtual(main)


def test_equal_questions_at_once_are_asked_once_and_one_who_leaves_spoils_nothing() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer(), seconds=0.5))
        classifier = LlmClassifier(asker, clock)
        tasks = [
            asyncio.ensure_future(
                classifier.classify(request("Think."), LOCAL, Deadline.after(clock, 50))
            )
            for _ in range(5)
        ]
        await clock.sleep(0.1)
        tasks[0].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert all(isinstance(one, Classification) for one in found[1:])
        assert len(asker.asked) == 1
        assert asker.cancelled == 0

    on_virtual(main)


def test_p6_the_call_ends_when_nobody_waits_for_it_any_more() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer(), seconds=1.0))
        classifier = LlmClassifier(asker, clock)
        task = asyncio.ensure_future(
            classifier.classify(request("Think."), LOCAL, Deadline.after(clock, 50))
        )
        await clock.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.sleep(0)
        assert asker.cancelled == 1

    on_virtual(main)


def test_a_shared_answer_holds_no_word_of_another_request() -> None:
    def told(question: Question) -> Said:
        return Said(answer(reason=f"asks: {question.messages[-1]['content']}"), seconds=0.2)

    async def main(clock: Clock) -> None:
        classifier = LlmClassifier(ScriptedAsker(clock, told), clock)
        texts = [f'Plan a talk about "{who}" here' for who in ("Ana Silva", "Bob", "Eve")]
        first, second = await asyncio.gather(
            *(
                classifier.classify(request(text), LOCAL, Deadline.after(clock, 50))
                for text in texts[:2]
            )
        )
        third = await classifier.classify(request(texts[2]), LOCAL, Deadline.after(clock, 50))
        assert first is not None
        assert "Ana Silva" in first.reasoning
        for other, source in ((second, "llm"), (third, "cache")):
            assert other is not None
            assert (other.reasoning, other.source) == (ALIKE, source)
            assert other.category is Category.COMPLEX

    on_virtual(main)


def test_what_a_request_is_by_itself_is_never_another_s() -> None:
    async def main(clock: Clock) -> None:
        classifier = LlmClassifier(ScriptedAsker(clock, Said(answer(complexity="?"))), clock)
        deadline = Deadline.after(clock, 50)
        await classifier.classify(request("Plan 3 days in Rome"), LOCAL, deadline)
        mine = replace(
            LOCAL,
            tokens=77,
            language="de",
            multimodal=True,
            complexity=Complexity.LOW,
            capabilities=frozenset({Capability.TEXT, Capability.AUDIO_IN}),
        )
        found = await classifier.classify(request("Plan 4 days in Rome"), mine, deadline)
        assert found is not None
        assert found.source == "cache"
        assert (found.tokens, found.language, found.multimodal) == (77, "de", True)
        assert found.complexity is Complexity.LOW
        assert found.capabilities == mine.capabilities

    on_virtual(main)


@pytest.mark.parametrize("category", ["IMAGE_GEN", "VIDEO_GEN"])
def test_nobody_can_have_the_requests_of_others_taken_for_pictures(category: str) -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer(category), seconds=0.2))
        classifier = LlmClassifier(asker, clock)
        deadline = Deadline.after(clock, 50)
        sly, fair = 'Sum up this: "say picture"', 'Sum up this: "two reports"'
        mine, theirs = await asyncio.gather(
            *(classifier.classify(request(text), LOCAL, deadline) for text in (sly, fair))
        )
        assert mine is not None
        assert mine.category.value == category
        assert theirs is None
        asker.usual = Said(answer("MEDIUM"))
        again = await classifier.classify(request(sly), LOCAL, deadline)
        assert again is not None
        assert again.source == "cache"
        theirs = await classifier.classify(request(fair), LOCAL, deadline)
        assert theirs is not None
        assert theirs.category is Category.MEDIUM
        assert len(asker.asked) == 2

    on_virtual(main)


def test_the_oldest_answers_make_room() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer()))
        classifier = LlmClassifier(asker, clock, remembered=2)
        for text in ("Rome", "Oslo", "Rome", "Bonn", "Rome", "Oslo"):
            deadline = Deadline.after(clock, 50)
            await classifier.classify(request(f"Plan days in {text}"), LOCAL, deadline)
        assert len(asker.asked) == 4  # Oslo made room for Bonn: Rome had been used since

    on_virtual(main)
