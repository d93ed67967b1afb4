"""The labelled prompts, the held-out ones above all, which no rule was made for."""

from bench.classify import judge, load, recalls
from shared.model import Category


def test_balanced_accuracy_on_prompts_no_rule_was_made_for() -> None:
    judged = judge([row for row in load() if row.held_out])
    found = recalls(judged)
    assert set(found) == set(Category)
    assert sum(found.values()) / len(found) >= 0.85


def test_no_category_is_lost() -> None:
    assert min(recalls(judge(load())).values()) >= 0.8


def test_confidence_is_honest() -> None:
    judged = judge([row for row in load() if row.held_out])
    sure = [result.category is row.category for row, result in judged if result.confidence >= 0.85]
    assert sum(sure) / len(sure) >= 0.95
    # It may be right more often than it says, but not less.
    said = sum(result.confidence for _, result in judged) / len(judged)
    assert said <= sum(result.category is row.category for row, result in judged) / len(judged)
