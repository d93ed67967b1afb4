"""The ``.env`` parser."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.dotenv import DotenvError, parse_dotenv, read_dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b c  ", "b c"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("A=", ""),
        ("A=b # comment", "b"),
        ("A=b#c", "b#c"),
        ("A=# only a comment", ""),
        ("A='b # $c \\n'", "b # $c \\n"),
        ('A="b # c" # comment', "b # c"),
        ('A="line\\nnext \\"quoted\\" \\\\ \\z"', 'line\nnext "quoted" \\ \\z'),
        ("A=x=y", "x=y"),
        ("A=gsk_äöü", "gsk_äöü"),
    ],
)
def test_one_line(line: str, value: str) -> None:
    assert parse_dotenv(line) == {"A": value}


def test_blank_lines_and_comments_are_passed_over_and_the_last_wins() -> None:
    assert parse_dotenv("\n# A=x\n\r\nA=1\nA=2\n") == {"A": "2"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("just words", "no '='"),
        ("1A=b", "letters, digits"),
        ("A B=c", "letters, digits"),
        ("=b", "letters, digits"),
        ("A='b", "no closing"),
        ('A="b\\', "no closing"),
        ('A="b" c', "behind the closing"),
        ("A=b\0c", "NUL"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(line: str, said: str) -> None:
    with pytest.raises(DotenvError) as told:
        parse_dotenv(f"# first\n{line}\nB=fine\n")
    assert len(told.value.problems) == 1
    assert told.value.problems[0].startswith(".env line 2: ")
    assert said in told.value.problems[0]


def test_every_problem_is_listed_and_no_value_is_shown() -> None:
    with pytest.raises(DotenvError) as told:
        parse_dotenv("KEY='gsk_secret\nwhat\n2=gsk_secret")
    assert [problem[:11] for problem in told.value.problems] == [
        ".env line 1",
        ".env line 2",
        ".env line 3",
    ]
    assert "secret" not in str(told.value)


def test_no_file_is_no_variables(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_file_that_is_no_text_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=b\nB=\xff\n")
    with pytest.raises(DotenvError, match=r"\.env line 2: not UTF-8"):
        read_dotenv(tmp_path / ".env")


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(DotenvError, match="cannot be read"):
        read_dotenv(tmp_path / ".env")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=b\n")
    assert read_dotenv(tmp_path / ".env") == {"A": "b"}
