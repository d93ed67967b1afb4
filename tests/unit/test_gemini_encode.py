"""What an OpenAI chat request becomes on Gemini's wire."""

from __future__ import annotations

import pytest
from msgspec import structs

from shared.errors import FieldUnsupported
from shared.messages import ChatRequest, JsonObject, JsonValue
from shared.model import Capability, Feature, ModelCard
from shared.providers.base import ProviderCall
from shared.providers.gemini_encode import encode_request
from shared.providers.gemini_traits import traits_of

FEATURES = frozenset(Feature)


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
    return structs.replace(plain, **changes)


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
