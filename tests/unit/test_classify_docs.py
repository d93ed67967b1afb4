"""The examples of docs/categories.md and docs/classifier.md are as the pages say."""

import re
from pathlib import Path

import pytest

from shared.classify import classify_local
from shared.classify.similar import normal_form
from shared.model import Category

DOCS = Path(__file__).resolve().parents[2] / "docs"


def examples() -> list[tuple[str, str]]:
    """(text, category) of every row with examples in backticks."""
    found = []
    for line in (DOCS / "categories.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 3 or "`" not in line:
            continue
        category = cells[0] if cells[0] in set(Category) else cells[1]
        where = cells[2] if category == cells[0] else cells[0]
        found += [(text, category) for text in re.findall(r"`([^`]+)`", where)]
    return found


def test_every_category_is_explained() -> None:
    page = (DOCS / "categories.md").read_text(encoding="utf-8")
    for category in Category:
        assert f"| {category} |" in page
    assert len(examples()) >= 30


@pytest.mark.parametrize(("text", "category"), examples())
def test_example(text: str, category: str) -> None:
    assert classify_local({"messages": [{"role": "user", "content": text}]}).category == category


def test_which_requests_are_similar_is_as_the_page_says() -> None:
    page = (DOCS / "classifier.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+)` \| `(.+)` \| (yes|no)\b.*\|$", page, re.MULTILINE)
    assert len(rows) == 4
    for one, other, similar in rows:
        assert (normal_form(one) == normal_form(other)) == (similar == "yes"), one
