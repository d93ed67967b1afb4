"""What Gemini's whole and partial answers become."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import (
    BadToolCall,
    EmptyAnswer,
    FieldUnsupported,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    Refused,
)
from shared.messages import ChatResult, Chunk, JsonObject, JsonValue
from shared.providers.base import ProviderCall
from shared.providers.gemini_decode import decode_response
from shared.providers.gemini_errors import error_object
from shared.providers.gemini_stream import AnswerStream, EventReader
from tests.unit.test_gemini_encode import make_call, make_card

USAGE: JsonObject = {
    "promptTokenCount": 12,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 20,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 37,
}
BLOCKED = (
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "MODEL_ARMOR",
)
FAILED: list[tuple[str, type[ProviderFailure]]] = [
    ("MALFORMED_FUNCTION_CALL", BadToolCall),
    ("UNEXPECTED_TOOL_CALL", BadToolCall),
    ("TOO_MANY_TOOL_CALLS", BadToolCall),
    ("MALFORMED_RESPONSE", MalformedAnswer),
    ("MISSING_THOUGHT_SIGNATURE", FieldUnsupported),
    ("LANGUAGE", FieldUnsupported),
    ("OTHER", Overloaded),
    ("NO_IMAGE", EmptyAnswer),
    ("IMAGE_OTHER", EmptyAnswer),
    ("A_REASON_OF_TOMORROW", MalformedAnswer),
]


def response(
    *parts: JsonValue, finish: JsonValue = "STOP", usage: JsonValue = None, **more: JsonValue
) -> JsonObject:
    candidate: JsonObject = {"content": {"role": "model", "parts": [*parts]}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    body: JsonObject = {"candidates": [candidate], "responseId": "r1", **more}
    if usage is not None:
        body["usageMetadata"] = usage
    return body


def call_of(**body: JsonValue) -> ProviderCall:
    return make_call([{"role": "user", "content": "hi"}], None, **body)


def decode(body: JsonObject, **asked: JsonValue) -> ChatResult:
    return decode_response(body, call_of(**asked))


def stream(**asked: JsonValue) -> AnswerStream:
    return AnswerStream(
        call_of(**asked), lambda found: error_object(found, wall=0.0, secret="").failure
    )


def feed(answer: AnswerStream, *bodies: JsonObject) -> list[Chunk]:
    return [chunk for body in bodies for chunk in answer.event(orjson.dumps(body))]


FUNCTION: JsonObject = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "g1"}}


def test_a_whole_answer() -> None:
    found = decode(
        response(
            {"text": "Let me think", "thought": True},
            {"text": "Hello "},
            {"text": "world"},
            usage=USAGE,
            modelVersion="gemini-3.8-flash",
        )
    )
    assert found.choices == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello world",
                "reasoning_content": "Let me think",
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = found.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (12, 25)
    assert (usage.reasoning_tokens, usage.cached_tokens) == (20, 4)
    assert not usage.estimated
    assert found.upstream_model == "gemini-3.8-flash"


def test_tool_calls_beside_text() -> None:
    found = decode(response({"text": "Looking"}, FUNCTION, FUNCTION))
    choice = found.choices[0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Looking",
        "tool_calls": [
            {"type": "function", "function": {"name": "f", "arguments": '{"a":1}'}, "id": "g1"}
        ]
        * 2,
    }


def test_a_client_that_allows_one_call_gets_the_first() -> None:
    found = decode(response(FUNCTION, FUNCTION), parallel_tool_calls=False)
    message = found.choices[0]["message"]
    assert isinstance(message, dict)
    assert isinstance(message["tool_calls"], list)
    assert len(message["tool_calls"]) == 1
    chunks = feed(stream(parallel_tool_calls=False), response(FUNCTION, finish=None))
    assert [len(chunk.tool_calls or []) for chunk in chunks] == [1]


@pytest.mark.parametrize(
    ("reason", "expected"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("CONTINUATION", "length")]
)
def test_ends(reason: str, expected: str) -> None:
    body = response({"text": "x"}, finish=reason)
    assert decode(body).choices[0]["finish_reason"] == expected
    assert feed(stream(), body)[-1].finish_reason == expected


@pytest.mark.parametrize("reason", BLOCKED)
def test_blocked_without_text_is_refused_and_after_text_filtered(reason: str) -> None:
    silent, cut = response(finish=reason), response({"text": "Well"}, finish=reason)
    with pytest.raises(Refused):
        decode(silent)
    with pytest.raises(Refused):
        feed(stream(), silent)
    assert decode(cut).choices[0]["finish_reason"] == "content_filter"
    assert feed(stream(), cut)[-1].finish_reason == "content_filter"
    chunks = feed(stream(), response({"text": "Well"}, finish=None), silent)
    assert [chunk.text for chunk in chunks] == ["Well", ""]
    assert chunks[-1].finish_reason == "content_filter"


@pytest.mark.parametrize(("reason", "failure"), FAILED)
def test_failed_ends(reason: str, failure: type[ProviderFailure]) -> None:
    body = response({"text": "x"}, finish=reason)
    for attempt in (lambda: decode(body), lambda: feed(stream(), body)):
        with pytest.raises(failure) as caught:
            attempt()
        assert reason in str(caught.value)


def test_a_blocked_prompt_is_refused() -> None:
    body: JsonObject = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    with pytest.raises(Refused, match="PROHIBITED_CONTENT"):
        decode(body)
    with pytest.raises(Refused):
        feed(stream(), body)


def test_nothing_is_an_empty_answer() -> None:
    bodies: list[JsonObject] = [{}, {"candidates": []}, response(), response({"text": ""})]
    for body in bodies:
        with pytest.raises(EmptyAnswer):
            decode(body)
    with pytest.raises(EmptyAnswer):
        feed(stream(), response({"text": "hm", "thought": True}))


def test_all_tokens_spent_on_thoughts_is_an_answer_cut_short() -> None:
    body = response(finish="MAX_TOKENS", usage=USAGE)
    message = decode(body).choices[0]["message"]
    assert message == {"role": "assistant", "content": ""}
    assert feed(stream(), body)[0].finish_reason == "length"
    thoughtless = make_call([], make_card(reasoning_efforts=()))
    with pytest.raises(EmptyAnswer):
        decode_response(body, thoughtless)


def test_usage_that_is_not_told_is_estimated() -> None:
    usage = decode(response({"text": "four words of text"})).usage
    assert usage.estimated
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 5)


def test_several_candidates() -> None:
    body: JsonObject = {
        "candidates": [
            {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
            {"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP", "index": 1},
            {"content": {}, "finishReason": "SAFETY", "index": 2},
        ]
    }
    choices = decode(body, n=3).choices
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "stop", "content_filter"]
    answer = stream(n=3)
    chunks = feed(answer, body)
    assert {chunk.index for chunk in chunks} == {0, 1, 2}
    assert answer.complete


def test_a_stream_is_complete_only_after_every_asked_candidate_has_ended() -> None:
    answer = stream(n=2)
    feed(answer, response({"text": "a"}))
    assert answer.ended
    assert not answer.complete


def test_a_stream() -> None:
    answer = stream()
    first = feed(answer, response({"text": "Hm", "thought": True}, finish=None))
    assert [(chunk.reasoning, chunk.text) for chunk in first] == [("Hm", "")]
    second = feed(answer, response({"text": "Hel"}, FUNCTION, finish=None, usage=USAGE))
    assert second[0].text == "Hel"
    assert second[0].tool_calls == [
        {
            "index": 0,
            "type": "function",
            "function": {"name": "f", "arguments": '{"a":1}'},
            "id": "g1",
        }
    ]
    assert not answer.ended
    last = feed(answer, response(FUNCTION, {"text": ""}, usage=USAGE))
    assert last[0].tool_calls is not None
    assert last[0].tool_calls[0]["index"] == 1
    assert last[1].finish_reason == "tool_calls"
    assert last[2].usage is not None
    assert last[2].usage.completion_tokens == 25
    assert answer.complete
    assert feed(answer, response({"text": "too late"}, usage=USAGE)) == []


def test_usage_may_follow_the_end() -> None:
    answer = stream()
    chunks = feed(answer, response({"text": "a"}), {"usageMetadata": USAGE})
    assert [chunk.usage is not None for chunk in chunks] == [False, False, True]


def test_an_error_object_in_the_stream_is_a_failure_also_in_a_list() -> None:
    error: JsonObject = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    for body in (error, [error]):
        with pytest.raises(Overloaded):
            stream().event(orjson.dumps(body))


# ------------------------------------------------------------------ forms and splits of a stream

EVENTS: list[JsonObject] = [
    response({"text": "Grüße, 世界 🌍 "}, finish=None),
    response({"text": 'and "quotes", \\ and ] } [ {'}, finish=None),
    response({"text": "\u2028 the end"}, usage=USAGE),
]
TEXT = 'Grüße, 世界 🌍 and "quotes", \\ and ] } [ {\u2028 the end'
SSE = b"".join(b"data: " + orjson.dumps(event) + b"\r\n\r\n" for event in EVENTS)
ARRAY = json.dumps(EVENTS, indent=2, ensure_ascii=False).encode()


def read(reads: list[bytes]) -> tuple[str, bool]:
    reader, answer = EventReader(), stream()
    events = [event for data in reads for event in reader.feed(data)] + reader.end()
    chunks = [chunk for event in events for chunk in answer.event(event)]
    return "".join(chunk.text for chunk in chunks), answer.complete


def splits(body: bytes) -> st.SearchStrategy[list[bytes]]:
    cuts = st.lists(st.integers(0, len(body)), max_size=12)
    return cuts.map(
        lambda points: [
            body[begin:end]
            for begin, end in zip([0, *sorted(points)], [*sorted(points), len(body)], strict=True)
        ]
    )


@given(st.sampled_from([SSE, ARRAY, b"\n " + ARRAY, SSE.replace(b"\r\n", b"\n")]).flatmap(splits))
def test_any_split_of_a_stream_gives_the_same_text(reads: list[bytes]) -> None:
    assert read(reads) == (TEXT, True)


def test_a_stream_byte_by_byte() -> None:
    for body in (SSE, ARRAY):
        assert read([body[place : place + 1] for place in range(len(body))]) == (TEXT, True)


def test_a_lone_object_in_place_of_a_stream() -> None:
    assert read([orjson.dumps(response({"text": "all at once"}))]) == ("all at once", True)


@given(st.binary(max_size=200), st.booleans())
def test_garbage_never_raises_anything_but_a_failure(garbage: bytes, array: bool) -> None:
    try:
        read([b"[" + garbage if array else garbage, garbage])
    except ProviderFailure:
        pass


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["STOP", "SAFETY", "f", "candidates"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "functionCall", "name", "args", "parts", "content", "error"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
FULL = response(
    {"text": "thinking", "thought": True},
    {"text": "Hello"},
    {"functionCall": {"name": "f", "args": {"a": [1]}, "id": "g"}, "thoughtSignature": "c2ln"},
    usage=USAGE,
    modelVersion="gemini-3.8-flash",
    promptFeedback={"blockReason": ""},
)


def paths(value: JsonValue, prefix: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = [prefix]
    if isinstance(value, dict):
        for key, below in value.items():
            found += paths(below, (*prefix, key))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            found += paths(below, (*prefix, place))
    return found


def replaced(value: JsonValue, path: tuple[str | int, ...], new: JsonValue) -> JsonValue:
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: replaced(old, rest, new) if key == head else old for key, old in value.items()}
    assert isinstance(value, list)
    return [replaced(old, rest, new) if place == head else old for place, old in enumerate(value)]


@settings(max_examples=400)
@given(st.sampled_from(paths(FULL)), JSON)
def test_any_value_in_place_of_any_field_is_an_answer_or_a_failure(
    path: tuple[str | int, ...], value: JsonValue
) -> None:
    body = replaced(FULL, path, value)
    try:
        if isinstance(body, dict):
            found = decode(body)
            assert orjson.dumps([found.choices, found.usage.to_json()])
    except ProviderFailure:
        pass
    try:
        chunks = stream().event(orjson.dumps(body))
        assert all(isinstance(chunk.text, str) for chunk in chunks)
    except (ProviderFailure, orjson.JSONEncodeError):
        pass


@pytest.mark.parametrize("depth", [300, 900])
def test_deep_nesting_is_a_malformed_answer(depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    part = b'{"functionCall": {"name": "f", "args": ' + deep + b"}}"
    with pytest.raises(MalformedAnswer):
        stream().event(
            b'{"candidates": [{"content": {"parts": [' + part + b']}, "finishReason": "STOP"}]}'
        )
