"""Whatever a provider sends, the wire answers or raises a ``ProviderFailure``: never a crash."""

from __future__ import annotations

from contextlib import suppress

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ProviderFailure
from shared.messages import ChatResult, Chunk, JsonValue
from shared.providers.elevenlabs import ElevenLabsProfile
from shared.providers.groq import GroqProfile
from shared.providers.huggingface import HuggingFaceProfile
from shared.providers.local_server import LocalServerProfile
from shared.providers.openai_answer import decode_chat
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_stream import ChatStreamDecoder
from tests.support.provider_calls import KEY, card, chat_call, settings
from tests.support.virtual_time import START_WALL

PROFILES: list[OpenAIProfile] = [
    GroqProfile(settings("groq", "https://host"), lambda: START_WALL),
    HuggingFaceProfile(settings("huggingface", "https://host"), lambda: START_WALL),
    LocalServerProfile(settings("local", "https://host"), lambda: START_WALL),
    ElevenLabsProfile(settings("elevenlabs", "https://host"), lambda: START_WALL),
]
# Names that the format uses, so that garbage lands where it is looked at.
WORDS = [
    "choices",
    "message",
    "delta",
    "content",
    "reasoning",
    "reasoning_content",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "index",
    "id",
    "finish_reason",
    "usage",
    "prompt_tokens",
    "completion_tokens",
    "error",
    "code",
    "type",
    "status",
    "param",
    "detail",
    "x_groq",
    "refusal",
    "logprobs",
    "stop",
    "length",
    "content_filter",
    "estimated_time",
    "status_code",
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 600)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=20,
)
function = st.fixed_dictionaries({}, optional={"name": scalars, "arguments": anything})
tool_call = st.fixed_dictionaries(
    {}, optional={"id": scalars, "index": scalars, "function": function}
)
message = st.fixed_dictionaries(
    {},
    optional={
        "content": anything,
        "reasoning": scalars,
        "refusal": scalars,
        "tool_calls": st.lists(tool_call | scalars, max_size=2) | scalars,
    },
)
choice = st.fixed_dictionaries(
    {},
    optional={
        "index": scalars,
        "message": message | anything,
        "delta": message | anything,
        "finish_reason": scalars,
        "logprobs": anything,
    },
)
body = (
    st.fixed_dictionaries(
        {"choices": st.lists(choice, max_size=3)}, optional={"usage": anything, "error": anything}
    )
    | anything
)
profiles = st.sampled_from(PROFILES)


@given(profiles, body)
def test_any_body_is_an_answer_or_a_failure(profile: OpenAIProfile, parsed: JsonValue) -> None:
    with suppress(ProviderFailure):
        result = decode_chat(orjson.dumps(parsed), {}, profile, chat_call())
        assert isinstance(result, ChatResult)
        assert result.choices
        assert result.usage.completion_tokens >= 0
        orjson.dumps(result.choices)


@given(profiles, st.lists(body, max_size=4), st.booleans())
def test_any_events_are_chunks_or_a_failure(
    profile: OpenAIProfile, events: list[JsonValue], done: bool
) -> None:
    decoder = ChatStreamDecoder(profile, chat_call(model=card()), {})
    chunks: list[Chunk] = []
    with suppress(ProviderFailure):
        for event in events:
            chunks += decoder.feed(b"data: " + orjson.dumps(event) + b"\n\n")
        if done:
            chunks += decoder.feed(b"data: [DONE]\n\n")
        chunks += decoder.end()
        assert decoder.done
        assert sum(chunk.usage is not None for chunk in chunks) == 1
        assert any(chunk.finish_reason for chunk in chunks)
    for chunk in chunks:
        assert isinstance(chunk.text, str)
        orjson.dumps(chunk.tool_calls)


@given(profiles, st.binary(max_size=200))
def test_any_bytes_are_chunks_or_a_failure(profile: OpenAIProfile, data: bytes) -> None:
    decoder = ChatStreamDecoder(profile, chat_call(), {})
    with suppress(ProviderFailure):
        decoder.feed(data)
        decoder.end()


@given(
    profiles,
    st.sampled_from([200, 302, 400, 401, 402, 403, 404, 413, 422, 429, 498, 500, 503, 529]),
    anything.map(orjson.dumps) | st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "ratelimit", "ratelimit-policy"]),
        st.text(max_size=20),
    ),
)
def test_any_error_is_a_failure_that_may_be_shown(
    profile: OpenAIProfile, status: int, data: bytes, headers: dict[str, str]
) -> None:
    failure = profile.failure(status, headers, data + KEY.encode(), card())
    assert isinstance(failure, ProviderFailure)
    assert failure.message
    assert len(failure.message) < 400
    assert KEY not in failure.message
    assert failure.wait_s is None or failure.wait_s >= 0
    assert failure.window in (None, "minute", "day", "month")
