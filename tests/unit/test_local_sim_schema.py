"""Sampled values satisfy their schema: pydantic judges, which shares nothing with the sampler."""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from local.sim.pattern import sample_pattern
from local.sim.schema import Hints, sample
from shared.messages import JsonObject


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Inner(Strict):
    day: date
    at: datetime
    key: UUID
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{4}$")]


class Node(Strict):
    name: str
    children: list[Node]
    parent: Node | None


class Everything(Strict):
    text: Annotated[str, Field(min_length=12, max_length=20)]
    short: Annotated[str, Field(max_length=2)]
    whole: Annotated[int, Field(gt=3, lt=5)]
    share: Annotated[float, Field(ge=0, le=1)]
    step: Annotated[int, Field(ge=10, le=100, multiple_of=7)]
    below: Annotated[float, Field(lt=-2)]
    colour: Colour
    kind: Literal["only"]
    flag: bool
    maybe: int | None
    either: Inner | str
    inner: Inner
    several: Annotated[list[str], Field(min_length=3, max_length=4)]
    different: Annotated[set[int], Field(min_length=3)]
    pair: tuple[int, str]
    free: dict[str, int]
    tree: Node


def test_a_schema_of_everything_is_satisfied() -> None:
    value = sample(Everything.model_json_schema(), Hints.of("Ask about Paris, 17 times, in green"))
    made = Everything.model_validate(value)
    assert made.colour is Colour.GREEN
    assert made.text.startswith("Paris")


numbers = st.integers(-1000, 1000)


@given(low=numbers, span=st.integers(0, 100), offered=st.lists(numbers, max_size=3))
def test_numbers_stay_in_their_range(low: int, span: int, offered: list[int]) -> None:
    schema: JsonObject = {"type": "integer", "minimum": low, "maximum": low + span}
    value = sample(schema, Hints(numbers=[float(number) for number in offered]))
    assert isinstance(value, int)
    assert low <= value <= low + span


@given(text=st.text(max_size=60), least=st.integers(0, 30), span=st.integers(0, 30))
def test_texts_keep_their_length(text: str, least: int, span: int) -> None:
    schema: JsonObject = {"type": "string", "minLength": least, "maxLength": least + span}
    value = sample(schema, Hints.of(text))
    assert isinstance(value, str)
    assert least <= len(value) <= least + span


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=10,
)


@given(
    schema=st.dictionaries(
        st.sampled_from(
            [
                "type",
                "enum",
                "$ref",
                "anyOf",
                "properties",
                "items",
                "minItems",
                "pattern",
                "required",
                "allOf",
            ]
        ),
        json_values,
    )
)
def test_a_wrong_schema_is_no_crash(schema: JsonObject) -> None:
    assert sample(schema, Hints.of("anything")) == sample(schema, Hints.of("anything"))


def test_endless_nesting_ends() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"again": {"$ref": "#"}},
        "required": ["again"],
    }
    assert isinstance(sample(schema, Hints()), dict)
    assert sample({"$ref": "#"}, Hints()) is not None


def test_geminis_upper_case_types_are_types() -> None:
    schema: JsonObject = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}
    assert sample(schema, Hints.of("give me 5")) == {"n": 5}


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{3}-\d{4}$",
        r"(foo|bar)+baz?",
        r"^\+?[1-9]\d{1,14}$",
        r"[^a]b*c",
        r"^(?:a|b)\.\w{2,}@x$",
        r"[\d-]+",
        r"a{2}b{0,3}",
        "",
    ],
)
def test_a_pattern_is_matched(pattern: str) -> None:
    assert re.search(pattern, sample_pattern(pattern))


@given(st.text(alphabet="ab([{*+?|^$\\})]1,.", max_size=20))
def test_no_pattern_is_a_crash(pattern: str) -> None:
    assert isinstance(sample_pattern(pattern), str)
