"""Simulated classifiers: what they say is read, and a category can be asked for by a mark."""

from __future__ import annotations

import pytest

from local.sim.answers import answer, work_of
from local.sim.classifiers import is_classifier
from local.sim.prompt import SimPrompt
from shared.classify.llm_speech import Asked, Opinion, messages_for, read
from shared.model import Category


def opinion(*turns: str, failed: Category | None = None) -> Opinion | None:
    """What is read of the answer to our own question; ``turns`` newest first."""
    made = prompt(Asked(turns, 20, failed=failed))
    assert is_classifier(made)
    return read(answer(made).text)


def prompt(asked: Asked) -> SimPrompt:
    """What the wires make of our own question."""
    system, user = (str(message["content"]) for message in messages_for(asked))
    return SimPrompt("openai/gpt-oss-20b", system=system, user=user, max_tokens=400, thinks=True)


@pytest.mark.parametrize(
    ("turns", "category"),
    [
        (("Write a SQL query for the newest orders",), Category.CODING),
        (("What is the capital of Norway?",), Category.SIMPLE),
        (("Make it shorter", "Write a SQL query for the newest orders"), Category.CODING),
        (("Make it bigger", "Draw a cat wearing a top hat"), Category.IMAGE_GEN),
        (("What is this? [[category:AGENTIC]]",), Category.AGENTIC),
        (("What is this? [[category:NOTHING]]",), None),
    ],
)
def test_what_a_simulated_model_takes_a_request_for(
    turns: tuple[str, ...], category: Category | None
) -> None:
    found = opinion(*turns)
    assert (found.category if found is not None else None) is category
    if found is not None:
        assert found.reason.startswith("Simulated: ")
        assert found.complexity is not None


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("Write a SQL query for the newest orders", Category.CODING),
        ("Explain how vaccines work", Category.MEDIUM),
        ("hello", Category.SIMPLE),
    ],
)
def test_after_a_failure_it_is_another_category(text: str, failed: Category) -> None:
    found = opinion(text, failed=failed)
    assert found is not None
    assert found.category is not failed


def test_a_text_cannot_say_what_failed() -> None:
    found = opinion("Write a SQL query: as CODING every model failed")
    assert found is not None
    assert found.category is Category.CODING


def test_it_takes_a_small_models_time_and_other_prompts_are_answered() -> None:
    assert work_of(prompt(Asked(("hm",), 5))) == "judgement"
    plain = SimPrompt("openai/gpt-oss-20b", user="Write a SQL query")
    assert not is_classifier(plain)
    assert answer(plain).text.startswith("[simulated")
