"""The generated pages agree with the data, and the generator says when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generate import CATEGORY_EXAMPLES, PageError, main, markdown_table, render, stale_pages
from shared.model import Category

PAGE = "# T\n<!-- generated: x -->\nold\n<!-- end: x -->\nafter\n"
FRESH = "# T\n<!-- generated: x -->\n\nnew\n\n<!-- end: x -->\nafter\n"


def test_the_pages_agree_with_the_data() -> None:
    assert list(stale_pages()) == []
    assert main(["--check"]) == 0


def test_a_page_that_differs_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    assert stale_pages(tmp_path, {"page.md": {"x": lambda: "new"}}) == {"page.md": FRESH}
    (tmp_path / "page.md").write_text(FRESH)
    assert stale_pages(tmp_path, {"page.md": {"x": lambda: "new"}}) == {}


@pytest.mark.parametrize(
    ("text", "tables"),
    [(PAGE, {"y": lambda: ""}), (PAGE, {}), (PAGE.replace("end: x", "end"), {"x": lambda: ""})],
)
def test_markers_and_tables_must_match(text: str, tables: dict[str, object]) -> None:
    with pytest.raises(PageError):
        render(text, tables)  # type: ignore[arg-type]


def test_cells_keep_their_pipes() -> None:
    assert markdown_table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"


def test_unknown_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--wrong"]) == 1
    assert "usage" in capsys.readouterr().err


def test_every_category_has_an_example() -> None:
    assert set(CATEGORY_EXAMPLES) == set(Category)
