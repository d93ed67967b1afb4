"""What an OpenAI chat request becomes on Gemini's wire."""

from __future__ import annotations

import dataclasses

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import FieldUnsupported
from shared.messages import ChatRequest, JsonObject, JsonValue
from shared.model import Capability, Feature, ModelCard
from shared.providers.base import ProviderCall
from shared.providers.gemini_encode import encode_request
from shared.providers.gemini_traits import serving_id, thinking_config, traits_of

FEATURES = frozenset(Feature)
# Every key and word that the encoder looks for.
WORDS = (
    ("type", "text", "image_url", "url", "function", "name", "arguments", "id", "tools", "mode")
    + ("json_schema", "schema", "allowed_tools", "google", "thought_signature", "required")
    + ("user", "assistant", "data:image/png;base64,QQ==")
)


def make_card(model: str = "gemini-3.8-flash", **changes: object) -> ModelCard:
    plain = ModelCard(
        id=f"google-{model}",
        name=model,
        provider="google",
        provider_model_id=model,
        capabilities=frozenset({Capability.TEXT, Capability.VISION}),
        source="test",
        free_tier="quota",
        features=FEATURES,
        reasoning_efforts=("minimal", "low", "medium", "high"),
        max_output_tokens=65536,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def make_call(
    messages: list[JsonObject], card: ModelCard | None = None, **body: JsonValue
) -> ProviderCall:
    full: JsonObject = {"model": "auto", "messages": [*messages], **body}
    effort, tokens, n = body.get("reasoning_effort"), body.get("max_tokens"), body.get("n", 1)
    request = ChatRequest(
        body=full,
        model="auto",
        messages=messages,
        input_tokens=10,
        max_tokens=tokens if isinstance(tokens, int) else None,
        reasoning_effort=effort if isinstance(effort, str) else None,
        n=n if isinstance(n, int) else 1,
    )
    return ProviderCall(card or make_card(), request)


def encode(
    messages: list[JsonObject], card: ModelCard | None = None, **body: JsonValue
) -> JsonObject:
    card = card or make_card()
    return encode_request(make_call(messages, card, **body), traits_of(card.provider_model_id))


def config(card: ModelCard | None = None, **body: JsonValue) -> JsonObject:
    found = encode([{"role": "user", "content": "hi"}], card, **body).get("generationConfig", {})
    assert isinstance(found, dict)
    return found


def test_instructions_are_joined_and_neighbours_of_one_role_become_one_turn() -> None:
    body = encode(
        [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "One"},
            {"role": "user", "content": [{"type": "text", "text": "Two"}]},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "assistant", "content": "Three"},
            {"role": "user", "content": "Four"},
        ]
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be short.\n\nBe kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "One"}, {"text": "Two"}]},
            {"role": "model", "parts": [{"text": "Three"}]},
            {"role": "user", "parts": [{"text": "Four"}]},
        ],
    }


def test_instructions_alone_become_the_turn_that_gemini_wants() -> None:
    body = encode([{"role": "system", "content": "Say hello."}])
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("data:image/png;base64,QUJD", {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}),
        (
            "data:image/svg+xml,%3Csvg/%3E",
            {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}},
        ),
        (
            "https://example.com/a/cat.WEBP?size=2",
            {
                "fileData": {
                    "mimeType": "image/webp",
                    "fileUri": "https://example.com/a/cat.WEBP?size=2",
                }
            },
        ),
        (
            "https://example.com/photo",
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/photo"}},
        ),
    ],
)
def test_images(url: str, part: JsonObject) -> None:
    content: list[JsonValue] = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    body = encode([{"role": "user", "content": content}])
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Look"}, part]}]


def test_a_part_without_a_form_in_gemini_names_the_field() -> None:
    with pytest.raises(FieldUnsupported) as caught:
        encode([{"role": "user", "content": [{"type": "file", "file": {}}]}])
    assert caught.value.param == "messages"


TOOLS: list[JsonValue] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Look outside",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "now"}},
]


def test_tools() -> None:
    body = encode([{"role": "user", "content": "hi"}], tools=TOOLS)
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Look outside",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                    },
                },
                {"name": "now"},
            ]
        }
    ]
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "now"}},
            {"mode": "ANY", "allowedFunctionNames": ["now"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "now"}}],
                },
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["now"]},
        ),
    ],
)
def test_tool_choice(choice: JsonValue, calling: JsonObject) -> None:
    body = encode([{"role": "user", "content": "hi"}], tools=TOOLS, tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": calling}


def test_tool_choice_auto_is_geminis_default() -> None:
    body = encode([{"role": "user", "content": "hi"}], tools=TOOLS, tool_choice="auto")
    assert "toolConfig" not in body


def test_a_tool_round_trip_keeps_ids_names_and_order() -> None:
    body = encode(
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "a",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
                        "extra_content": {"google": {"thought_signature": "c2ln"}},
                    },
                    {
                        "id": "b",
                        "type": "function",
                        "function": {"name": "now", "arguments": ""},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": '{"degrees": 20}'},
            {"role": "tool", "tool_call_id": "b", "content": "noon"},
            {"role": "user", "content": "Thanks"},
        ]
    )
    contents = body["contents"]
    assert isinstance(contents, list)
    assert contents[1:] == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "a"},
                    "thoughtSignature": "c2ln",
                },
                {"functionCall": {"name": "now", "args": {}, "id": "b"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"degrees": 20}, "id": "a"}},
                {"functionResponse": {"name": "now", "response": {"result": "noon"}, "id": "b"}},
            ],
        },
        {"role": "user", "parts": [{"text": "Thanks"}]},
    ]


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ('{"x": 1}', {"x": 1}),
        ("{broken", {"arguments": "{broken"}),
        ("[1]", {"arguments": "[1]"}),
        ("  ", {}),
        (None, {}),
        ({"x": 2}, {"x": 2}),
    ],
)
def test_arguments_that_are_no_json_object_are_kept_as_text(
    arguments: JsonValue, args: JsonObject
) -> None:
    call: JsonObject = {"id": "a", "function": {"name": "f", "arguments": arguments}}
    body = encode([{"role": "assistant", "tool_calls": [call]}])
    assert body["contents"] == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"name": "f", "args": args, "id": "a"},
                    "thoughtSignature": "skip_thought_signature_validator",
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("[1, 2]", {"result": "[1, 2]"}),
        ("{oops", {"result": "{oops"}),
        ("", {"result": ""}),
        ([{"type": "text", "text": '{"a": 1}'}], {"a": 1}),
    ],
)
def test_tool_results_that_are_no_object_are_wrapped(
    content: JsonValue, response: JsonObject
) -> None:
    body = encode([{"role": "tool", "tool_call_id": "x", "name": "f", "content": content}])
    part = {"functionResponse": {"name": "f", "response": response, "id": "x"}}
    assert body["contents"] == [{"role": "user", "parts": [part]}]


def test_generation_fields() -> None:
    assert config(
        make_card("gemini-3.1-pro-preview"),
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        stop=["a", "b", "c", "d", "e", "f"],
        n=2,
        user="somebody",
        metadata={"a": "b"},
    ) == {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "candidateCount": 2,
    }


def test_what_the_card_does_not_list_is_not_sent() -> None:
    bare = make_card("gemini-3.1-pro-preview", features=frozenset(), reasoning_efforts=())
    body = encode(
        [{"role": "user", "content": "hi"}],
        bare,
        tools=TOOLS,
        tool_choice="required",
        seed=1,
        stop="x",
        n=3,
        presence_penalty=1,
        response_format={"type": "json_object"},
        reasoning_effort="high",
    )
    assert body == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_max_tokens_are_capped_at_the_models_window() -> None:
    assert config(max_tokens=1_000_000) == {"maxOutputTokens": 65536}
    call = make_call([{"role": "user", "content": "hi"}], max_tokens=50)
    call.max_tokens = 9
    body = encode_request(call, traits_of("gemini-3.8-flash"))
    assert body["generationConfig"] == {"maxOutputTokens": 9}


def test_stop_may_be_one_string() -> None:
    assert config(stop="END") == {"stopSequences": ["END"]}


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gemini-2.5-flash", True),
        ("gemini-3.1-flash-lite", True),
        ("gemini-3.5-flash-lite", False),
        ("gemini-3.8-flash", False),
        ("gemini-4-hydrogen", False),
        ("gemini-flash-latest", False),
        ("gemma-4-31b-it", True),
    ],
)
def test_sampling_fields_are_dropped_where_google_deprecated_them(model: str, sent: bool) -> None:
    found = config(make_card(model), temperature=0.2, top_p=0.5)
    assert found == ({"temperature": 0.2, "topP": 0.5} if sent else {})


def test_json_modes() -> None:
    schema: JsonObject = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert config(response_format={"type": "json_object"}) == {
        "responseMimeType": "application/json"
    }
    wanted: JsonObject = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert config(response_format=wanted) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }
    assert config(response_format={"type": "text"}) == {}


def test_a_schema_beside_tools_only_where_the_card_allows_both() -> None:
    without = make_card(features=FEATURES - {Feature.SCHEMA_WITH_TOOLS})
    assert config(without, tools=TOOLS, response_format={"type": "json_object"}) == {}
    assert config(tools=TOOLS, response_format={"type": "json_object"}) != {}


@pytest.mark.parametrize(
    ("model", "allowed", "effort", "expected"),
    [
        ("gemini-3.8-flash", ("minimal", "low", "medium", "high"), "low", ("low", True)),
        ("gemini-3.8-flash", ("minimal", "low", "medium", "high"), "none", ("minimal", False)),
        ("gemini-3.1-pro-preview", ("low", "medium", "high"), "minimal", ("low", True)),
        ("gemini-3.8-flash", ("low", "high"), "xhigh", ("high", True)),
        ("gemini-4-hydrogen", ("low", "medium", "high", "xhigh"), "xhigh", ("xhigh", True)),
        ("gemini-2.5-flash", ("none", "low", "medium", "high"), "none", (0, False)),
        ("gemini-2.5-pro", ("none", "low"), "none", (128, False)),
        ("gemini-2.5-flash", ("low", "medium", "high"), "medium", (8192, True)),
    ],
)
def test_reasoning_effort(
    model: str, allowed: tuple[str, ...], effort: str, expected: tuple[str | int, bool]
) -> None:
    found = thinking_config(traits_of(model), allowed, effort)
    value, thoughts = expected
    name = "thinkingLevel" if isinstance(value, str) else "thinkingBudget"
    assert found == {name: value, "includeThoughts": thoughts}


@pytest.mark.parametrize("effort", [None, "absurd"])
def test_no_effort_leaves_the_models_default(effort: str | None) -> None:
    assert thinking_config(traits_of("gemini-3.8-flash"), ("low",), effort) is None
    assert thinking_config(traits_of("gemma-4-31b-it"), ("low",), "low") is None


def test_level_and_budget_are_never_mixed() -> None:
    for model in ("gemini-2.5-pro", "gemini-3.8-flash", "gemini-4-carbon"):
        found = config(make_card(model), reasoning_effort="high")["thinkingConfig"]
        assert isinstance(found, dict)
        assert len({"thinkingLevel", "thinkingBudget"} & found.keys()) == 1


def test_a_rerouted_id_follows_the_rules_of_the_model_that_serves_it() -> None:
    card = make_card(
        "gemini-2.5-flash", serves="google-gemini-3.5-flash-lite", serves_from="2026-12-01"
    )
    assert serving_id(card, "2026-11-30") == "gemini-2.5-flash"
    assert serving_id(card, "2026-12-01") == "google-gemini-3.5-flash-lite"
    assert traits_of("google-gemini-3.5-flash-lite").thinking == "level"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=10,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]) | JSON},
        optional={
            "content": JSON,
            "name": JSON,
            "tool_call_id": JSON,
            "tool_calls": st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "id": JSON,
                        "extra_content": JSON,
                        "function": JSON
                        | st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON}),
                    },
                ),
                max_size=2,
            )
            | JSON,
        },
    ),
    max_size=4,
)


@given(MESSAGES, JSON, JSON, JSON, JSON)
def test_any_request_is_written_or_refused_with_the_field_named(
    messages: list[JsonObject],
    tools: JsonValue,
    choice: JsonValue,
    wanted: JsonValue,
    stop: JsonValue,
) -> None:
    named: set[str | None] = set()
    for model in ("gemini-3.8-flash", "gemini-2.5-flash", "gemma-4-31b-it"):
        try:
            body = encode(
                messages,
                make_card(model),
                tools=tools if isinstance(tools, list) else [tools],
                tool_choice=choice,
                response_format=wanted,
                stop=stop,
            )
        except FieldUnsupported as refused:
            named.add(refused.param)
            continue
        assert orjson.dumps(body)
        contents = body["contents"]
        assert isinstance(contents, list)
        assert all(isinstance(turn, dict) and turn["parts"] for turn in contents)
    assert named <= {"messages", "tools", "tool_choice"}
