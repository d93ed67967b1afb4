"""Chat requests that do not pass: every refusal is a 400 (or its kin) that names the field."""

from __future__ import annotations

import time

import orjson
import pytest

from shared.edge.chat_request import parse_chat_request
from shared.edge.json_body import MAX_BODY_BYTES, MAX_CONTAINERS, MAX_DEPTH
from shared.edge.parse_messages import MAX_MESSAGES
from shared.errors import CodeexError, Forbidden, InvalidRequest, PayloadTooLarge
from shared.messages import JsonObject, JsonValue

HELLO: JsonObject = {"role": "user", "content": "Hello"}
TOOL: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {}}}
CALL: JsonObject = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def refused(body: bytes) -> CodeexError:
    with pytest.raises(CodeexError) as caught:
        parse_chat_request(body, is_admin=False)
    error = caught.value
    assert 400 <= error.status < 500
    if error.param is not None:
        assert error.param in error.message
    return error


def refused_fields(fields: JsonObject) -> CodeexError:
    return refused(orjson.dumps({"model": "auto", "messages": [HELLO], **fields}))


def part(part: JsonValue) -> list[JsonValue]:
    return [{"role": "user", "content": [part]}]


def url(address: JsonValue) -> list[JsonValue]:
    return part({"type": "image_url", "image_url": {"url": address}})


def tool(**changes: JsonValue) -> list[JsonValue]:
    return [{"type": "function", "function": {"name": "f", "parameters": {}, **changes}}]


def call(**changes: JsonValue) -> list[JsonValue]:
    return [{"role": "assistant", "tool_calls": [{**CALL, **changes}]}]


def schema(**changes: JsonValue) -> JsonObject:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, **changes}}


IMAGE = "messages[0].content[0].image_url"
Case = tuple[JsonObject, str]


def wrong_values(name: str, *values: JsonValue) -> list[Case]:
    return [({name: value}, name) for value in values]


def wrong_options(name: str, *values: JsonValue) -> list[Case]:
    return [({"codeex": {name: value}}, f"codeex.{name}") for value in values]


def wrong_urls(*values: JsonValue) -> list[Case]:
    return [({"messages": url(value)}, f"{IMAGE}.url") for value in values]


def wrong_tool_names(*values: JsonValue) -> list[Case]:
    return [({"tools": tool(name=value)}, "tools[0].function.name") for value in values]


WRONG: list[Case] = [
    ({"model": 5}, "model"),
    ({"model": ""}, "model"),
    ({"model": "a\x00b"}, "model"),
    ({"model": "x" * 257}, "model"),
    ({"model": None}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": {"0": HELLO}}, "messages"),
    ({"messages": [None]}, "messages[0]"),
    ({"messages": [HELLO, "Hello"]}, "messages[1]"),
    ({"messages": [{}]}, "messages[0].role"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": {"text": "x"}}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": "x", "name": 5}]}, "messages[0].name"),
    ({"messages": [{"role": "system", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "assistant"}]}, "messages[0].content"),
    ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "assistant", "refusal": 5}]}, "messages[0].refusal"),
    (
        {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
        "messages[0].function_call",
    ),
    ({"messages": part("x")}, "messages[0].content[0]"),
    ({"messages": part({})}, "messages[0].content[0].type"),
    ({"messages": part({"type": 5})}, "messages[0].content[0].type"),
    ({"messages": part({"type": "poem"})}, "messages[0].content[0].type"),
    ({"messages": part({"type": "refusal", "refusal": "x"})}, "messages[0].content[0].type"),
    ({"messages": part({"type": "text"})}, "messages[0].content[0].text"),
    ({"messages": part({"type": "text", "text": ["x"]})}, "messages[0].content[0].text"),
    ({"messages": part({"type": "image_url"})}, IMAGE),
    ({"messages": part({"type": "image_url", "image_url": "https://x.org/a"})}, IMAGE),
    ({"messages": part({"type": "image_url", "image_url": {}})}, f"{IMAGE}.url"),
    (
        {
            "messages": part(
                {"type": "image_url", "image_url": {"url": "https://x.org/a", "detail": "huge"}}
            )
        },
        f"{IMAGE}.detail",
    ),
    *wrong_urls(
        None, 5, "", "cat.png", "http://x.org/cat.png", "HTTP://x.org/cat.png",
        "javascript:alert(1)", "file:///etc/passwd", "ftp://x.org/a", "//x.org/a",
        "https://", "https://x.org/a b", "https://x.org/\x00", "https:///path",
        "https://x.org/" + "a" * 9000,
        "data:", "data:text/html;base64,AAAA", "data:image/svg+xml;base64,AAAA",
        "data:image/png,AAAA", "data:image/png;base64,", "data:image/png;base64,!!!!",
        "data:image/png;base64,AAAA\u00e9", "data:application/pdf;base64,AAAA",
        "data:image/png;base64,<script>",
    ),
    (
        {"messages": [{"role": "system", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].type",
    ),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    (
        {"messages": [{"role": "tool", "tool_call_id": 5, "content": "x"}]},
        "messages[0].tool_call_id",
    ),
    (
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
        "messages[0].tool_call_id",
    ),
    (
        {"messages": [*call(), {"role": "tool", "tool_call_id": "c"}]},
        "messages[1].content",
    ),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": []}]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": [5]}]}, "messages[0].tool_calls[0]"),
    ({"messages": call(id=None)}, "messages[0].tool_calls[0].id"),
    ({"messages": call(id="")}, "messages[0].tool_calls[0].id"),
    ({"messages": call(type="custom")}, "messages[0].tool_calls[0].type"),
    ({"messages": call(function=None)}, "messages[0].tool_calls[0].function"),
    (
        {"messages": call(function={"name": 5, "arguments": "{}"})},
        "messages[0].tool_calls[0].function.name",
    ),
    (
        {"messages": call(function={"name": "", "arguments": "{}"})},
        "messages[0].tool_calls[0].function.name",
    ),
    (
        {"messages": call(function={"name": "f", "arguments": {"a": 1}})},
        "messages[0].tool_calls[0].function.arguments",
    ),
    ({"stream": "yes"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": [1]}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    *wrong_values("max_tokens", 0, -1, 1_048_577, 2**63, 1e300, 10.5, 10.0, True, "100", [1]),
    *wrong_values("max_completion_tokens", 0, -1, 1_048_577, 2**63, 1e300, 10.5, 10.0, True, "9"),
    *wrong_values("temperature", -0.1, 2.1, 1e308, True, "1", []),
    *wrong_values("top_p", -0.1, 1.1, False, {}),
    *wrong_values("presence_penalty", -2.1, 2.1, True, "0"),
    *wrong_values("frequency_penalty", -2.1, 2.1, True, "0"),
    *wrong_values("n", 0, 9, -1, 1.5, True, "1"),
    *wrong_values("seed", 2**63, -1e30, 1.5, True, "7"),
    ({"stop": 5}, "stop"),
    ({"stop": ""}, "stop"),
    ({"stop": []}, "stop"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"stop": ["a", 5]}, "stop[1]"),
    ({"stop": ["a", ""]}, "stop[1]"),
    ({"tools": {}}, "tools"),
    ({"tools": []}, "tools"),
    ({"tools": [TOOL] * 129}, "tools"),
    ({"tools": [5]}, "tools[0]"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [TOOL, TOOL]}, "tools[1].function.name"),
    *wrong_tool_names(None, 5, "", "a b", "a.b", "ä", "x" * 65, "a\n"),
    ({"tools": tool(parameters="{}")}, "tools[0].function.parameters"),
    ({"tools": tool(description=5)}, "tools[0].function.description"),
    ({"tools": tool(strict="yes")}, "tools[0].function.strict"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": "always"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": 5}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice.function.name",
    ),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {}}, "response_format.type"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": schema(name=None)}, "response_format.json_schema.name"),
    ({"response_format": schema(name="a b")}, "response_format.json_schema.name"),
    ({"response_format": schema(schema=None)}, "response_format.json_schema.schema"),
    ({"response_format": schema(schema="{}")}, "response_format.json_schema.schema"),
    ({"response_format": schema(strict=1)}, "response_format.json_schema.strict"),
    ({"response_format": schema(description=1)}, "response_format.json_schema.description"),
    ({"reasoning_effort": "maximum"}, "reasoning_effort"),
    ({"reasoning_effort": 3}, "reasoning_effort"),
    ({"logprobs": 5}, "logprobs"),
    ({"top_logprobs": 5}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"user": 5}, "user"),
    ({"metadata": "x"}, "metadata"),
    ({"metadata": {"a": "b", "c": 5}}, "metadata.c"),
    ({"metadata": {"x" * 65: 5}}, "metadata"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"function_call": "auto"}, "function_call"),
    ({"codeex": "fast"}, "codeex"),
    *wrong_options("conversation_id", "", "a/b", "x" * 129, 5),
    ({"codeex": {"reset": 1}}, "codeex.reset"),
    ({"codeex": {"memory": "on"}}, "codeex.memory"),
    ({"codeex": {"fallback": "no"}}, "codeex.fallback"),
    ({"codeex": {"preferred_providers": "groq"}}, "codeex.preferred_providers"),
    ({"codeex": {"preferred_providers": ["groq", "openai"]}}, "codeex.preferred_providers[1]"),
    ({"codeex": {"avoid_providers": [5]}}, "codeex.avoid_providers[0]"),
    ({"codeex": {"prioritize": "price"}}, "codeex.prioritize"),
    ({"codeex": {"classifier": "llm"}}, "codeex.classifier"),
    *wrong_options("patience_seconds", -1, 541, "5", True),
    *wrong_options("deadline_seconds", 0, 0.5, 541, True),
    *wrong_options("priority", -1, 11, 5.5, "5", True),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param"), WRONG)
def test_a_wrong_field_is_named(fields: JsonObject, param: str) -> None:
    error = refused_fields(fields)
    assert isinstance(error, InvalidRequest)
    assert error.param == param


def test_high_priority_is_forbidden_to_others() -> None:
    error = refused_fields({"codeex": {"priority": 6}})
    assert isinstance(error, Forbidden)
    assert error.param == "codeex.priority"


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"functions": [{"name": "f"}]}, "use tools"),
        ({"function_call": "auto"}, "tool_choice"),
        (
            {"messages": part({"type": "input_audio", "input_audio": {}})},
            "/v1/audio/transcriptions",
        ),
        ({"messages": part({"type": "file", "file": {}})}, "text part"),
        ({"messages": url("http://x.org/a.png")}, "use the https address"),
        ({"messages": [{"role": "tool", "tool_call_id": "z", "content": ""}]}, "tool_calls too"),
        ({"stream_options": {}}, "stream: true"),
        ({"model": None}, "GET /v1/models"),
    ],
)
def test_the_message_says_what_to_do(fields: JsonObject, advice: str) -> None:
    assert advice in refused_fields(fields).message


def test_images_belong_to_user_messages() -> None:
    message: JsonObject = {"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url"}]}
    error = refused_fields({"messages": [*call(), message]})
    assert "user messages only" in error.message


def test_no_message_repeats_what_was_sent() -> None:
    secret = "gsk_verysecretvalue"
    cases: list[JsonObject] = [
        {"model": [secret]}, {"stop": [secret] * 9}, {"user": [secret]}, {"stream": secret},
        {"reasoning_effort": secret}, {"messages": url(secret)}, {"temperature": secret},
        {"tools": tool(name=secret + " ")}, {"codeex": {"avoid_providers": [secret]}},
    ]  # fmt: skip
    for fields in cases:
        assert secret not in refused_fields(fields).message


# ------------------------------------------------------------------------------- broken bodies


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"   ", None),
        (b"null", None),
        (b"[]", None),
        (b'"text"', None),
        (b"5", None),
        (b"{", None),
        (b"\x00", None),
        (b"\xff\xfe{\x00}\x00", None),
        (b"\xef\xbb\xbf{}", None),
        (b"model=auto&messages=hello", None),
        (b'{"temperature": 1e999}', "temperature"),
        (b'{"temperature": NaN}', "temperature"),
        (b'{"codeex": {"deadline_seconds": -Infinity}}', "codeex.deadline_seconds"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "seed"),
        (b'{"stop": ["a", "b",]}', "stop[1]"),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', "messages[0].content"),
        (b'{"messages": [{"role": "user", "content": "\xed\xa0\x80"}]}', "messages[0].content"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "messages[0].content"),
        (b'{"messages": [{}, {"content": "a\\"]}{", "x": tru}]}', "messages[1].x"),
        (b'{"messages": [{"role": "user", "content": "Hel', "messages[0].content"),
        (b'{"a": {}, "b": [[1], [2], [3, -]]}', "b[2][1]"),
        (b'{"odd key!": {"x": -}}', None),
        (b'{"' + b"k" * 100 + b'": -}', None),
    ],
)
def test_a_broken_body_is_refused_naming_the_place(body: bytes, param: str | None) -> None:
    error = refused(body)
    assert isinstance(error, InvalidRequest)
    if error.param != param:  # a trailing comma may count for the place before or after it
        assert (param, error.param) == ("stop[1]", "stop[2]")


def test_line_and_column_are_told() -> None:
    assert "line 2, column 9" in refused(b'{"n": 1,\n"stop": \x01}').message


def test_a_byte_over_the_limit_is_too_large() -> None:
    error = refused(b" " * (MAX_BODY_BYTES + 1))
    assert isinstance(error, PayloadTooLarge)
    assert error.status == 413


def nested(levels: int) -> bytes:
    inner = b"[" * levels + b"]" * levels
    return b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "deep": %b}' % inner


def test_depth_is_bounded_exactly() -> None:
    parse_chat_request(nested(MAX_DEPTH - 1), is_admin=False)
    error = refused(nested(MAX_DEPTH))
    assert error.param == "deep"
    assert "nested" in error.message


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b'{"messages":['])
def test_endless_nesting_is_refused(opening: bytes) -> None:
    refused(b'{"messages": ' + opening * 100_000)


def test_what_passes_can_be_written_again() -> None:
    request = parse_chat_request(nested(MAX_DEPTH - 1), is_admin=False)
    assert orjson.loads(orjson.dumps({"wrapped": [[request.body]]}))


@pytest.mark.parametrize("item", [b"[]", b'{"a": [0]}'])
def test_a_swarm_of_small_containers_is_refused_in_bounded_time(item: bytes) -> None:
    swarm = b",".join([item] * (MAX_CONTAINERS + 1))
    begun = time.perf_counter()
    error = refused(b'{"messages": [%b]}' % swarm)
    assert time.perf_counter() - begun < 5
    assert error.param == "messages"
    assert "arrays and objects" in error.message


def test_too_many_messages() -> None:
    assert refused_fields({"messages": [HELLO] * (MAX_MESSAGES + 1)}).param == "messages"


@pytest.mark.parametrize(
    "body",
    [
        b"\xa7" * MAX_BODY_BYTES,
        b"[" * MAX_BODY_BYTES,
        b'{"a":' * (MAX_BODY_BYTES // 5),
        b'"' * MAX_BODY_BYTES,
        b"{" + b" " * (MAX_BODY_BYTES - 1),
        b'{"messages": "' + b"\\\\" * (MAX_BODY_BYTES // 2 - 10),
        b'{"messages": ["' + b"x" * (MAX_BODY_BYTES - 20) + b'"]}',
        b'{"temperature": ' + b"9" * (MAX_BODY_BYTES - 20) + b"}",
    ],
    ids=["bytes", "arrays", "objects", "quotes", "blanks", "backslashes", "text", "digits"],
)
def test_24_mib_of_garbage_are_refused_in_bounded_time(body: bytes) -> None:
    begun = time.perf_counter()
    refused(body)
    assert time.perf_counter() - begun < 5
