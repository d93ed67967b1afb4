"""A chat request out of the body of ``POST /v1/chat/completions`` (and ``/v1/route``).

Validation is a table from field to check, walked once over the fields that were sent, so a small
request pays for little. Fields stay in the body as they came; what a model must be able to honour
is written down as ``Need``. OpenAI's own defaults, sent explicitly, are no need; nor is null.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from shared.edge.json_body import (
    boolean,
    integer_in,
    json_object,
    kind,
    load_object,
    number_in,
    one_of,
    shown_key,
    string,
    wrong,
    wrong_type,
)
from shared.edge.parse_messages import MessagesSeen, check_messages
from shared.edge.parse_options import parse_options
from shared.edge.parse_tools import check_response_format, check_tool_choice, check_tools
from shared.messages import ChatRequest, JsonObject, JsonValue, Need, RequestOptions
from shared.model import Capability, Feature

# Contract, Chat, and OpenAI's API reference for the ranges of the standard fields.
MAX_N = 8
MAX_OUTPUT_TOKENS = 1_048_576
MAX_STOPS = 4
MAX_TOP_LOGPROBS = 20
REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_INT64 = 2**63
_LONGEST_MODEL_ID = 256


class _Draft(Struct):
    """What the checks have found so far. ``late`` are checks that need the other fields first."""

    is_admin: bool
    needs: list[Need] = field(default_factory=list)
    tokens: int = 0
    model: str = ""
    messages: list[JsonObject] = field(default_factory=list)
    seen: MessagesSeen | None = None
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    effort: str | None = None
    n: int = 1
    tool_names: frozenset[str] = frozenset()
    formatted: bool = False
    logprobs: bool = False
    options: RequestOptions | None = None
    late: list[Callable[[], None]] = field(default_factory=list)


def parse_chat_request(
    body: bytes, *, is_admin: bool, default_model: str | None = None
) -> ChatRequest:
    """The chat request that ``body`` (JSON, UTF-8, at most 24 MiB) holds.

    ``default_model`` stands in where the body names no model; None: naming one is required, as in
    OpenAI's API. Raises ``InvalidRequest`` with the field's path in ``param``,
    ``PayloadTooLarge``, and ``Forbidden`` for what only an administrator may ask.
    """
    return chat_request_from(load_object(body), is_admin=is_admin, default_model=default_model)


def chat_request_from(
    body: JsonObject, *, is_admin: bool, default_model: str | None = None
) -> ChatRequest:
    """The chat request of a body that ``load_object`` read; raises as ``parse_chat_request``."""
    draft = _Draft(is_admin)
    for name, value in body.items():
        check = _FIELDS.get(name)
        if check is not None and value is not None:
            check(draft, value)
    if not draft.model:
        if default_model is None:
            wrong("model", 'is required: send "auto" or a model id of GET /v1/models')
        draft.model = default_model
    seen = draft.seen
    if seen is None:
        wrong("messages", "is required: send a non-empty array of messages")
    for check_late in draft.late:
        check_late()
    return ChatRequest(
        body=body,
        model=draft.model,
        messages=draft.messages,
        input_tokens=max(1, draft.tokens + seen.tokens),
        stream=draft.stream,
        include_usage=draft.include_usage,
        needs=tuple(draft.needs),
        max_tokens=(
            draft.max_tokens if draft.max_completion_tokens is None else draft.max_completion_tokens
        ),
        reasoning_effort=draft.effort,
        n=draft.n,
        image_count=seen.images,
        options=draft.options or RequestOptions(),
    )


def _model(draft: _Draft, value: JsonValue) -> None:
    model = string(value, "model")
    if not model or len(model) > _LONGEST_MODEL_ID or not model.isprintable():
        wrong("model", f"must be 1 to {_LONGEST_MODEL_ID} printable characters")
    draft.model = model


def _messages(draft: _Draft, value: JsonValue) -> None:
    draft.messages, seen = check_messages(value)
    draft.seen = seen
    if seen.image_param is not None:
        draft.needs.append(Need(Capability.VISION, seen.image_param))
    if seen.https_param is not None:
        draft.needs.append(Need(Feature.IMAGE_URL, seen.https_param))


def _stream(draft: _Draft, value: JsonValue) -> None:
    draft.stream = boolean(value, "stream")


def _stream_options(draft: _Draft, value: JsonValue) -> None:
    options = json_object(value, "stream_options")
    usage = options.get("include_usage")
    if usage is not None:
        draft.include_usage = boolean(usage, "stream_options.include_usage")

    def needs_stream() -> None:
        if not draft.stream:
            wrong("stream_options", "is only taken with stream: true")

    draft.late.append(needs_stream)


def _max_tokens(draft: _Draft, value: JsonValue) -> None:
    draft.max_tokens = integer_in(value, "max_tokens", 1, MAX_OUTPUT_TOKENS)


def _max_completion_tokens(draft: _Draft, value: JsonValue) -> None:
    draft.max_completion_tokens = integer_in(value, "max_completion_tokens", 1, MAX_OUTPUT_TOKENS)


def _temperature(draft: _Draft, value: JsonValue) -> None:
    number_in(value, "temperature", 0, 2)


def _top_p(draft: _Draft, value: JsonValue) -> None:
    number_in(value, "top_p", 0, 1)


def _presence_penalty(draft: _Draft, value: JsonValue) -> None:
    if number_in(value, "presence_penalty", -2, 2) != 0:
        draft.needs.append(Need(Feature.PENALTIES, "presence_penalty"))


def _frequency_penalty(draft: _Draft, value: JsonValue) -> None:
    if number_in(value, "frequency_penalty", -2, 2) != 0:
        draft.needs.append(Need(Feature.PENALTIES, "frequency_penalty"))


def _n(draft: _Draft, value: JsonValue) -> None:
    draft.n = integer_in(value, "n", 1, MAX_N)
    if draft.n > 1:
        draft.needs.append(Need(Feature.N, "n"))


def _stop(draft: _Draft, value: JsonValue) -> None:
    if isinstance(value, list):
        if not 1 <= len(value) <= MAX_STOPS:
            wrong("stop", f"must hold 1 to {MAX_STOPS} strings: leave the field out for none")
        for index, item in enumerate(value):
            if not string(item, f"stop[{index}]"):
                wrong(f"stop[{index}]", "must not be empty")
    elif not isinstance(value, str):
        wrong("stop", f"expected a string or an array of strings, found {kind(value)}")
    elif not value:
        wrong("stop", "must not be empty: leave the field out for none")
    draft.needs.append(Need(Feature.STOP, "stop"))


def _seed(draft: _Draft, value: JsonValue) -> None:
    integer_in(value, "seed", -_INT64, _INT64 - 1)
    draft.needs.append(Need(Feature.SEED, "seed"))


def _tools(draft: _Draft, value: JsonValue) -> None:
    draft.tool_names, tokens = check_tools(value)
    draft.tokens += tokens
    draft.needs.append(Need(Feature.TOOLS, "tools"))


def _tool_choice(draft: _Draft, value: JsonValue) -> None:
    draft.late.append(lambda: check_tool_choice(value, draft.tool_names))


def _parallel_tool_calls(draft: _Draft, value: JsonValue) -> None:
    boolean(value, "parallel_tool_calls")


def _response_format(draft: _Draft, value: JsonValue) -> None:
    feature, tokens = check_response_format(value)
    if feature is None:
        return
    draft.tokens += tokens
    draft.needs.append(Need(feature, "response_format"))

    def beside_tools() -> None:
        if draft.tool_names:
            draft.needs.append(Need(Feature.SCHEMA_WITH_TOOLS, "response_format"))

    draft.late.append(beside_tools)


def _reasoning_effort(draft: _Draft, value: JsonValue) -> None:
    draft.effort = one_of(value, "reasoning_effort", REASONING_EFFORTS)
    draft.needs.append(Need(Feature.REASONING_EFFORT, "reasoning_effort"))


def _logprobs(draft: _Draft, value: JsonValue) -> None:
    draft.logprobs = boolean(value, "logprobs")
    if draft.logprobs:
        draft.needs.append(Need(Feature.LOGPROBS, "logprobs"))


def _top_logprobs(draft: _Draft, value: JsonValue) -> None:
    integer_in(value, "top_logprobs", 0, MAX_TOP_LOGPROBS)

    def needs_logprobs() -> None:
        if not draft.logprobs:
            wrong("top_logprobs", "is only taken with logprobs: true")

    draft.late.append(needs_logprobs)


def _user(draft: _Draft, value: JsonValue) -> None:
    string(value, "user")


def _metadata(draft: _Draft, value: JsonValue) -> None:
    for key, item in json_object(value, "metadata").items():
        if not isinstance(item, str):
            shown = shown_key(key)
            wrong_type("metadata" + (f".{shown}" if shown else ""), "a string", item)


def _functions(draft: _Draft, value: JsonValue) -> None:
    wrong("functions", 'is no longer taken: use tools ({"type": "function", "function": {...}})')


def _function_call(draft: _Draft, value: JsonValue) -> None:
    wrong("function_call", "is no longer taken: use tools and tool_choice")


def _codeex(draft: _Draft, value: JsonValue) -> None:
    draft.options = parse_options(value, is_admin=draft.is_admin)


_FIELDS: dict[str, Callable[[_Draft, JsonValue], None]] = {
    "model": _model,
    "messages": _messages,
    "stream": _stream,
    "stream_options": _stream_options,
    "max_tokens": _max_tokens,
    "max_completion_tokens": _max_completion_tokens,
    "temperature": _temperature,
    "top_p": _top_p,
    "presence_penalty": _presence_penalty,
    "frequency_penalty": _frequency_penalty,
    "n": _n,
    "stop": _stop,
    "seed": _seed,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _parallel_tool_calls,
    "response_format": _response_format,
    "reasoning_effort": _reasoning_effort,
    "logprobs": _logprobs,
    "top_logprobs": _top_logprobs,
    "user": _user,
    "metadata": _metadata,
    "functions": _functions,
    "function_call": _function_call,
    "codeex": _codeex,
}
