"""P76: whatever the bytes of a body, a clear 4xx that names the field, or a request that is sound.

Bodies are broken in three ways: bytes at random, a valid body with some bytes changed, and a valid
body with any JSON value (NaN, 1e999, halves of surrogate pairs, depth) in any of its places.
"""

from __future__ import annotations

import copy
import json

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.edge import moderations_request
from shared.edge.chat_request import MAX_N, MAX_OUTPUT_TOKENS, parse_chat_request
from shared.edge.embeddings_request import MAX_INPUTS, parse_embeddings_request
from shared.edge.moderations_request import parse_moderations_request
from shared.errors import CodeexError

# Python's own JSON types: wider than what our parser takes, on purpose.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Path = tuple[int | str, ...]

# Bounded time: generous for a busy machine, far below what a runaway would take.
BOUNDED = settings(deadline=2000, max_examples=300, suppress_health_check=[HealthCheck.too_slow])

_IMAGE: Json = {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "low"}}
_CALL: Json = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CHAT: dict[str, Json] = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "Be kind.", "name": "rules"},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, _IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "user", "content": "And now?"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "top_p": 0.9,
    "presence_penalty": 1,
    "frequency_penalty": -1,
    "max_tokens": 100,
    "max_completion_tokens": 200,
    "n": 2,
    "stop": ["END"],
    "seed": 7,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks.",
                "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
                "strict": True,
            },
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    "reasoning_effort": "low",
    "logprobs": True,
    "top_logprobs": 3,
    "user": "u",
    "metadata": {"a": "b"},
    "codeex": {
        "conversation_id": "c",
        "reset": False,
        "memory": True,
        "preferred_providers": ["groq"],
        "avoid_providers": ["google"],
        "prioritize": "speed",
        "patience_seconds": 5,
        "priority": 3,
        "deadline_seconds": 30,
        "fallback": True,
        "classifier": "local",
    },
}
MODERATIONS: dict[str, Json] = {
    "model": "omni-moderation-latest",
    "input": [{"type": "text", "text": "a"}, _IMAGE],
}
EMBEDDINGS: dict[str, Json] = {
    "model": "auto",
    "input": ["one", "two"],
    "dimensions": 768,
    "encoding_format": "base64",
    "user": "u",
}


def paths_of(value: Json, above: Path = ()) -> list[Path]:
    """Every place in ``value`` but its root."""
    if isinstance(value, dict):
        inside: list[tuple[int | str, Json]] = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    else:
        return []
    found: list[Path] = []
    for key, item in inside:
        found += [(*above, key), *paths_of(item, (*above, key))]
    return found


def with_value(body: dict[str, Json], path: Path, value: Json) -> dict[str, Json]:
    """A copy of ``body`` with ``value`` at ``path``."""
    changed = copy.deepcopy(body)
    place: Json = changed
    for key in path[:-1]:
        place = _child(place, key)
    last = path[-1]
    if isinstance(place, dict):
        place[str(last)] = value
    elif isinstance(place, list):
        place[int(last)] = value
    return changed


def _child(place: Json, key: int | str) -> Json:
    if isinstance(place, dict) and isinstance(key, str):
        return place[key]
    assert isinstance(place, list)
    assert isinstance(key, int)
    return place[key]


def nested(levels: int, in_object: bool) -> Json:
    value: Json = "bottom"
    for _ in range(levels):
        value = {"messages": value} if in_object else [value]
    return value


any_text = st.text(st.characters(exclude_categories=()), max_size=20)  # with halves of pairs
any_scalar = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
    st.floats(),
    any_text,
    st.sampled_from(["user", "tool", "function", "text", "file", "auto", "data:", "https://", ""]),
)
any_value = st.one_of(
    st.recursive(
        any_scalar,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(any_text, inner, max_size=4)
        ),
        max_leaves=12,
    ),
    st.builds(nested, st.integers(1, 400), st.booleans()),
)


def refusal(error: CodeexError) -> CodeexError:
    """Checks what every refusal must be."""
    assert 400 <= error.status < 500
    assert error.message.isprintable()
    assert 10 < len(error.message) < 500
    if error.param is not None:
        assert error.param in error.message
    return error


def named_field(error: CodeexError) -> str:
    """The field of the body that the refusal names, without the path below it."""
    assert error.param is not None
    return error.param.partition(".")[0].partition("[")[0]


def check_chat(body: bytes) -> CodeexError | None:
    """A refusal, or None after checking that what was taken is sound."""
    try:
        request = parse_chat_request(body, is_admin=False)
    except CodeexError as error:
        return refusal(error)
    assert request.messages
    assert request.model
    assert request.input_tokens >= 1
    assert 1 <= request.n <= MAX_N
    assert request.max_tokens is None or 1 <= request.max_tokens <= MAX_OUTPUT_TOKENS
    assert 0 <= request.options.priority <= 5
    assert orjson.loads(orjson.dumps([[request.body]])) == [[request.body]]
    return None


def check_embeddings(body: bytes) -> CodeexError | None:
    try:
        request = parse_embeddings_request(body)
    except CodeexError as error:
        return refusal(error)
    assert 1 <= len(request.inputs) <= MAX_INPUTS
    assert all(request.inputs)
    return None


def check_moderations(body: bytes) -> CodeexError | None:
    try:
        request = parse_moderations_request(body)
    except CodeexError as error:
        return refusal(error)
    assert 1 <= len(request.inputs) <= moderations_request.MAX_INPUTS
    assert all(one.text or one.images for one in request.inputs)
    return None


def test_the_bodies_that_get_broken_are_valid_whole() -> None:
    assert check_moderations(json.dumps(MODERATIONS).encode()) is None
    assert check_chat(json.dumps(CHAT).encode()) is None
    assert check_embeddings(json.dumps(EMBEDDINGS).encode()) is None


@BOUNDED
@given(st.one_of(st.binary(max_size=300), any_value.map(lambda value: json.dumps(value).encode())))
def test_p76_any_bytes(body: bytes) -> None:
    assert check_chat(body) is not None
    assert check_embeddings(body) is not None
    assert check_moderations(body) is not None


@BOUNDED
@given(
    st.sampled_from([CHAT, EMBEDDINGS]),
    st.integers(0, 2000),
    st.integers(0, 40),
    st.binary(max_size=8),
)
def test_p76_a_body_with_bytes_changed(
    body: dict[str, Json], at: int, removed: int, put: bytes
) -> None:
    whole = json.dumps(body).encode()
    at %= len(whole)
    broken = whole[:at] + put + whole[at + removed :]
    (check_chat if body is CHAT else check_embeddings)(broken)
    check_moderations(broken)


@BOUNDED
@given(st.sampled_from(paths_of(CHAT)), any_value)
def test_p76_any_value_in_any_place_of_a_chat_request(path: Path, value: Json) -> None:
    error = check_chat(json.dumps(with_value(CHAT, path, value)).encode())
    if error is not None:
        assert named_field(error) in CHAT


@BOUNDED
@given(st.sampled_from(paths_of(EMBEDDINGS)), any_value)
def test_p76_any_value_in_any_place_of_an_embeddings_request(path: Path, value: Json) -> None:
    error = check_embeddings(json.dumps(with_value(EMBEDDINGS, path, value)).encode())
    if error is not None:
        assert named_field(error) in EMBEDDINGS


@BOUNDED
@given(st.sampled_from(paths_of(MODERATIONS)), any_value)
def test_p76_any_value_in_any_place_of_a_moderations_request(path: Path, value: Json) -> None:
    error = check_moderations(json.dumps(with_value(MODERATIONS, path, value)).encode())
    if error is not None:
        assert named_field(error) in MODERATIONS


@BOUNDED
@given(st.sampled_from(paths_of(CHAT)))
def test_p76_any_place_of_a_chat_request_taken_away(path: Path) -> None:
    changed = with_value(CHAT, path, None)
    check_chat(json.dumps(changed).encode())
    place: Json = changed
    for key in path[:-1]:
        place = _child(place, key)
    if isinstance(place, dict):
        del place[str(path[-1])]
    elif isinstance(place, list):
        place.pop()
    error = check_chat(json.dumps(changed).encode())
    assert error is None or error.param is not None


@BOUNDED
@given(st.integers(1, 20_000), st.sampled_from([b"[", b'{"a":', b'[{"messages":']))
def test_p76_any_depth(levels: int, opening: bytes) -> None:
    closing = {b"[": b"]", b'{"a":': b"}", b'[{"messages":': b"}]"}[opening]
    deep = opening * levels + b"1" + closing * levels
    for body in (b'{"messages": %b}', b'{"messages": [{"role": "user", "content": %b}]}'):
        error = check_chat(body % deep)
        assert error is not None
        assert error.param is not None
