"""Which fields of a request are written for which Gemini model."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import FieldUnsupported
from shared.messages import JsonObject, JsonValue
from shared.model import Feature, ModelCard
from shared.providers.gemini_encode import encode_request
from shared.providers.gemini_traits import serving_id, thinking_config, traits_of
from tests.unit.test_gemini_encode import (
    FEATURES,
    TOOLS,
    encode,
    make_call,
    make_card,
)

# Every key and word that the encoder looks for.
WORDS = [
    "type",
    "text",
    "image_url",
    "url",
    "function",
    "name",
    "arguments",
    "id",
    "tools",
    "mode",
    "json_schema",
    "schema",
    "allowed_tools",
    "google",
    "thought_signature",
    "required",
    "user",
    "assistant",
    "data:image/png;base64,QQ==",
]


def config(card: ModelCard | None = None, **body: JsonValue) -> JsonObject:
    found = encode([{"role": "user", "content": "hi"}], card, **body).get("generationConfig", {})
    assert isinstance(found, dict)
    return found


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
