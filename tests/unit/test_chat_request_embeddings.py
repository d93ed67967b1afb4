"""The body of an embeddings request."""

from __future__ import annotations

import orjson
import pytest

from shared.edge.embeddings_request import (
    MAX_INPUTS,
    EmbeddingsRequest,
    parse_embeddings_request,
)
from shared.errors import InvalidRequest
from shared.messages import JsonObject, JsonValue


def parse(fields: JsonObject) -> EmbeddingsRequest:
    return parse_embeddings_request(orjson.dumps({"model": "auto", **fields}))


def test_one_text_and_many() -> None:
    assert parse({"input": "a"}) == EmbeddingsRequest("auto", ["a"])
    many: list[JsonValue] = ["a"] * MAX_INPUTS
    assert parse({"input": many}).inputs == many


def test_all_fields() -> None:
    request = parse({"input": ["a", "b"], "dimensions": 768, "encoding_format": "base64"})
    assert request == EmbeddingsRequest("auto", ["a", "b"], 768, "base64")


def test_nulls_count_as_absent() -> None:
    request = parse({"input": "a", "dimensions": None, "encoding_format": None, "user": None})
    assert request == EmbeddingsRequest("auto", ["a"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * (MAX_INPUTS + 1)}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", None]}, "input[1]"),
        ({"input": [1, 2, 3]}, "input[0]"),
        ({"input": [1] * (MAX_INPUTS + 1)}, "input[0]"),
        ({"input": [[1, 2], [3]]}, "input[0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": "a", "model": None}, "model"),
        ({"input": "a", "model": ""}, "model"),
        ({"input": "a", "model": 5}, "model"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 3073}, "dimensions"),
        ({"input": "a", "dimensions": "768"}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_a_wrong_field_is_named(fields: JsonObject, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(fields)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2]], [7] * 5000])
def test_token_arrays_are_refused_saying_what_to_send(tokens: list[JsonValue]) -> None:
    with pytest.raises(InvalidRequest, match="send the text itself"):
        parse({"input": tokens})
