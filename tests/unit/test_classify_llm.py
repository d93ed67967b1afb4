"""A model's opinion on a request's category: asked seldom, bounded in time, believed with care."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from shared.asking import Question
from shared.classify import Classification
from shared.classify.llm import (
    BUDGET_S,
    LEAST_S,
    REST_S,
    LlmClassifier,
    fields_for,
)
from shared.classify.llm_data import ClassifierDataError, classifiers, read_classifiers
from shared.classify.llm_speech import SCHEMA_NAME
from shared.classify.result import Complexity
from shared.clock import Clock, Deadline
from shared.messages import ChatRequest, JsonObject
from shared.model import Category, Feature
from tests.support.catalog_cards import card as catalog_card
from tests.support.scripted_asker import Said, Script, ScriptedAsker
from tests.support.second_opinions import FIRST, LOCAL, SECOND, answer, on_virtual, request


def asking(
    text: str,
    look: Callable[[Classification | None, ScriptedAsker, Clock], None],
    *,
    usual: Script | None = None,
    scripts: dict[str, Script] | None = None,
    local: Classification = LOCAL,
    **body: object,
) -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, usual or Said(answer()), scripts or {})
        deadline = Deadline.after(clock, 50)
        found = await LlmClassifier(asker, clock).classify(request(text, **body), local, deadline)
        look(found, asker, clock)

    on_virtual(main)


def test_the_specification_s_classifier_is_asked_as_what_replaces_it() -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert asker.models == [FIRST]
        assert found is not None
        assert found.category is Category.COMPLEX
        assert found.complexity is Complexity.HIGH
        assert found.source == "llm"
        assert found.reasoning == "a plan"

    asking("Think about our options.", look)


@pytest.mark.parametrize("first", [Said(outcome="capacity"), Said("Sure!"), Said(answer("POETRY"))])
def test_the_next_provider_is_asked_when_one_gives_no_category(first: Said) -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert asker.models == [FIRST, SECOND]
        assert found is not None

    asking("Think about our options.", look, scripts={FIRST: first})


def test_nobody_answers_and_the_local_one_stands_within_its_budget() -> None:
    def look(found: Classification | None, _: ScriptedAsker, clock: Clock) -> None:
        assert found is None
        assert clock.monotonic() <= BUDGET_S

    asking("Think about our options.", look, usual=Said(answer(), seconds=60.0))


@pytest.mark.parametrize("category", [Category.VISION_IN, Category.LONG_CONTEXT])
def test_what_is_certain_by_form_is_never_asked(category: Category) -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert found is None
        assert asker.asked == []

    asking("What is this?", look, local=replace(LOCAL, category=category))


def test_tools_are_never_asked_about() -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert found is None
        assert asker.asked == []

    asking("Go on.", look, tools=[{"type": "function", "function": {"name": "f"}}])


def test_a_full_classifier_is_left_alone_for_a_while() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(outcome="capacity"))
        classifier = LlmClassifier(asker, clock)
        await classifier.classify(request("Think."), LOCAL, Deadline.after(clock, 50))
        asked = len(asker.asked)
        await classifier.classify(request("Ponder."), LOCAL, Deadline.after(clock, 50))
        assert len(asker.asked) == asked
        await clock.sleep(REST_S)
        await classifier.classify(request("Ponder."), LOCAL, Deadline.after(clock, 50))
        assert len(asker.asked) == 2 * asked

    on_virtual(main)


def test_reclassification_tells_what_failed_and_never_gives_the_same_category() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer("COMPLEX")))
        classifier = LlmClassifier(asker, clock)
        failed = replace(LOCAL, category=Category.CODING)
        deadline = Deadline.after(clock, 50)
        found = await classifier.reclassify(request("Sort it out."), failed, deadline)
        assert found is not None
        assert found.category is Category.COMPLEX
        assert "as CODING every model failed" in str(asker.asked[0].messages[-1]["content"])
        asker.usual = Said(answer("CODING"))
        assert await classifier.reclassify(request("Mend it."), failed, deadline) is None

    on_virtual(main)


# ------------------------------------------------------------------- what is asked, and of whom


def test_nothing_to_read_is_nothing_to_ask() -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert found is None
        assert asker.asked == []

    asking(" \n ", look)


def test_with_no_time_left_nobody_is_asked() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer()))
        short = Deadline.after(clock, LEAST_S / 2)
        assert await LlmClassifier(asker, clock).classify(request("Think."), LOCAL, short) is None
        assert asker.asked == []

    on_virtual(main)


def test_who_cannot_wait_leaves_and_the_local_one_stands() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer(), seconds=1.0))
        short = Deadline.after(clock, 0.5)
        assert await LlmClassifier(asker, clock).classify(request("Think."), LOCAL, short) is None
        assert clock.monotonic() == 0.5
        await clock.sleep(0)
        assert asker.cancelled == 1

    on_virtual(main)


def test_a_second_classifier_is_asked_only_while_it_can_still_answer() -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert found is None
        assert asker.models == [FIRST]

    asking("Think.", look, scripts={FIRST: Said("Sure!", seconds=BUDGET_S - LEAST_S / 2)})


def test_a_provider_without_a_key_is_passed_over() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer()), away=frozenset({"groq"}))
        deadline = Deadline.after(clock, 50)
        assert await LlmClassifier(asker, clock).classify(request("Think."), LOCAL, deadline)
        assert asker.models == [SECOND]

    on_virtual(main)


def test_an_answer_by_form_is_no_answer() -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert found is None
        assert len(asker.asked) == len(classifiers())

    asking("What is this?", look, usual=Said(answer("VISION_IN")))


def test_what_is_sent_fits_what_the_model_can() -> None:
    first = classifiers()[0]
    whole = catalog_card("a", features=frozenset(Feature), reasoning_efforts=("low", "high"))
    fields = fields_for(first, whole)
    assert fields["reasoning_effort"] == "low"
    assert SCHEMA_NAME in json.dumps(fields["response_format"])
    plain = fields_for(first, catalog_card("b", features=frozenset({Feature.JSON_OBJECT})))
    assert plain == {"temperature": 0, "response_format": {"type": "json_object"}}
    assert fields_for(first, catalog_card("c", features=frozenset())) == {"temperature": 0}


def test_a_long_turn_is_cut() -> None:
    def look(found: Classification | None, asker: ScriptedAsker, _: Clock) -> None:
        assert found is not None
        question: Question = asker.asked[0]
        assert question.input_tokens < 2500

    asking("Plan it. " * 20_000, look)


def test_a_second_look_shows_more_of_what_was_said_before() -> None:
    said = "The warehouse has nine gates. " * 40

    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(answer()))
        classifier = LlmClassifier(asker, clock)
        messages: list[JsonObject] = [
            {"role": "user", "content": text} for text in (said, "And how?")
        ]
        again = ChatRequest({"messages": [*messages]}, "auto", messages, 300)
        deadline = Deadline.after(clock, 50)
        await classifier.classify(again, LOCAL, deadline)
        await classifier.reclassify(again, LOCAL, deadline)
        first, second = (str(one.messages[-1]["content"]) for one in asker.asked)
        assert first.count("gates") < second.count("gates") == 40

    on_virtual(main)


def test_the_data_names_models_of_three_providers() -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock)
        cards = [asker.living(terms.model) for terms in classifiers()]
        assert {card.provider for card in cards if card} == {"groq", "cerebras", "google"}

    on_virtual(main)


def test_wrong_data_is_refused_with_its_place() -> None:
    with pytest.raises(ClassifierDataError, match="max_tokens"):
        read_classifiers(b'[{"model": "m", "max_tokens": 1}]')


@pytest.mark.parametrize("outcome", ["refused", "empty", "bad_tool_call"])
def test_a_text_that_is_refused_closes_the_classifier_to_nobody_else(outcome: str) -> None:
    async def main(clock: Clock) -> None:
        asker = ScriptedAsker(clock, Said(outcome=outcome))
        classifier = LlmClassifier(asker, clock)
        deadline = Deadline.after(clock, 50)
        assert await classifier.classify(request("Something bad"), LOCAL, deadline) is None
        asker.usual = Said(answer())
        assert await classifier.classify(request("Something good"), LOCAL, deadline) is not None
        assert asker.models[-1] == FIRST

    on_virtual(main)
