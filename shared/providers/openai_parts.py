"""The small pieces that a whole OpenAI answer and a streamed one share.

Whatever a server sends, reading it ends in values or in a ``ProviderFailure``: a field of the
wrong type is a ``MalformedAnswer``, never a crash.
"""

from __future__ import annotations

import orjson

from shared.errors import BadToolCall, MalformedAnswer, Overloaded, ProviderFailure, StreamCut
from shared.messages import JsonObject, JsonValue, Usage

# Spellings met at OpenAI-compatible servers. Any other word is still a server's explicit end.
_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "safety": "content_filter",
}
# Ends that are none: the server gave up on an answer.
_BROKEN_ENDS: dict[str, type[ProviderFailure]] = {
    "error": Overloaded,
    "insufficient_system_resource": Overloaded,
    "abort": StreamCut,
    "aborted": StreamCut,
    "cancelled": StreamCut,
}
# Where thoughts stand: Groq and Cerebras, then vLLM, SGLang and DeepSeek.
REASONING_KEYS = ("reasoning", "reasoning_content")
# A choice or tool call with an index beyond this is garbage, not an answer.
MAX_INDEX = 512


def malformed(provider: str, what: str) -> MalformedAnswer:
    """An answer that is not what OpenAI's format says; ``what`` names the field."""
    return MalformedAnswer(
        f"{provider} sent an answer of a foreign shape: {what}", provider=provider
    )


def finish_reason(value: JsonValue, provider: str) -> str | None:
    """OpenAI's word for the end of a choice; None where it has not ended.

    Raises what a broken end means, and ``MalformedAnswer`` for what is no word.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise malformed(provider, "finish_reason")
    broken = _BROKEN_ENDS.get(value)
    if broken is not None:
        raise broken(f"{provider} ended its answer with {value!r}", provider=provider)
    return _FINISH_REASONS.get(value, "stop")


def read_index(value: JsonValue, default: int, provider: str) -> int:
    """The index of a choice or tool call; ``default`` where none is given."""
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_INDEX:
        raise malformed(provider, "index")
    return value


def read_text(value: JsonValue, field: str, provider: str) -> str:
    """Text that may be null, or in parts as some backends write it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, dict)]
        if len(texts) == len(value):
            return "".join(text for text in texts if isinstance(text, str))
    raise malformed(provider, field)


def read_reasoning(message: JsonObject, provider: str) -> str:
    """The model's thoughts, where the server keeps them apart from the text."""
    for key in REASONING_KEYS:
        value = message.get(key)
        if isinstance(value, str):
            if value:
                return value
        elif value is not None:
            raise malformed(provider, key)
    return ""


def read_arguments(value: JsonValue, provider: str) -> str:
    """A tool call's arguments as the string OpenAI defines; some servers send the object."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    raise malformed(provider, "tool_calls.function.arguments")


def check_arguments(arguments: str, provider: str) -> None:
    """Raises ``BadToolCall`` where a finished call's arguments are no JSON object: a client could
    do nothing with it, another model may write a right one."""
    try:
        parsed: JsonValue = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise BadToolCall(
            f"{provider} sent a tool call whose arguments are not a JSON object", provider=provider
        )


def read_usage(body: JsonObject) -> Usage | None:
    """The tokens counted, from ``usage`` or Groq's ``x_groq.usage``; None where not told."""
    counted = body.get("usage")
    if not isinstance(counted, dict):
        groq = body.get("x_groq")
        counted = groq.get("usage") if isinstance(groq, dict) else None
        if not isinstance(counted, dict):
            return None
    prompt = _count(counted.get("prompt_tokens"))
    completion = _count(counted.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    return Usage(
        prompt,
        completion,
        _detail(counted, "completion_tokens_details", "reasoning_tokens"),
        _detail(counted, "prompt_tokens_details", "cached_tokens"),
    )


def _detail(counted: JsonObject, group: str, name: str) -> int:
    details = counted.get(group)
    return (_count(details.get(name)) or 0) if isinstance(details, dict) else 0


def _count(value: JsonValue) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
