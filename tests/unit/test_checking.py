"""Wrong data is told whole: every problem, with the keys that lead to it."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from shared.checking import checked


class Leg(Struct, frozen=True, forbid_unknown_fields=True):
    """A part."""

    length: Annotated[int, Meta(ge=1, le=10)]
    colour: Literal["red", "blue"] | None = None


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole."""

    name: str
    legs: tuple[Leg, ...] = ()
    best: Leg | None = None
    notes: dict[str, int] = {}
    tags: frozenset[Literal["old", "new"]] | Literal["all"] = "all"


def problems(data: object) -> list[str]:
    found, wrong = checked(data, Table)
    assert (found is None) == bool(wrong)
    return [f"{'.'.join(path)}: {said}" for path, said in wrong]


def test_right_data_becomes_the_struct() -> None:
    found, wrong = checked(
        {"name": "t", "legs": [{"length": 3}], "notes": {"a": 1}, "tags": ["old"]}, Table
    )
    assert wrong == []
    assert found == Table("t", (Leg(3),), notes={"a": 1}, tags=frozenset({"old"}))


def test_every_problem_is_told_with_its_place() -> None:
    wrong = problems(
        {
            "legs": [{"length": 0}, {"length": 2, "colour": "green"}, {"color": "red"}],
            "best": {"length": True},
            "notes": {"a": 1, "b": "two"},
            "tags": ["odd"],
            "price": 5,
        }
    )
    places = [line.partition(": ")[0] for line in wrong]
    assert places == [
        "legs.0.length",
        "legs.1.colour",
        "legs.2.color",
        "legs.2.length",
        "best.length",
        "notes.b",
        "tags",
        "price",
        "name",
    ]


@pytest.mark.parametrize("data", [None, 5, "table", [], True])
def test_what_is_no_object_is_told_as_a_whole(data: object) -> None:
    assert [line.partition(": ")[0] for line in problems(data)] == [""]


@pytest.mark.parametrize("length", ["5", True, 5.5, None, 11])
def test_types_are_taken_by_the_letter(length: object) -> None:
    assert problems({"name": "t", "legs": [{"length": length}]})[0].startswith("legs.0.length: ")
