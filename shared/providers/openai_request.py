"""Writing a call as an OpenAI request: fields are copied, never rebuilt.

Only what OpenAI defines and the model's card supports is sent (contract, Chat), so that a strict
provider does not refuse a field that was meant for another, and nothing of ``codeex`` or
``metadata`` leaves the house.
"""

from __future__ import annotations

import orjson

from shared.errors import RequestRejected
from shared.messages import JsonObject, JsonValue
from shared.model import Feature, ModelCard
from shared.providers.base import ProviderCall
from shared.providers.openai_profile import OpenAIProfile

# The feature that a card must list for the field to be sent; None: every chat model takes it.
# Not here, because they need more than a look at the card: model, messages, max_tokens,
# response_format, reasoning_effort, n, stream, stream_options.
_FIELDS: dict[str, Feature | None] = {
    "temperature": None,
    "top_p": None,
    "user": None,
    "stop": Feature.STOP,
    "seed": Feature.SEED,
    "tools": Feature.TOOLS,
    "tool_choice": Feature.TOOLS,
    "parallel_tool_calls": Feature.PARALLEL_TOOL_CALLS,
    "presence_penalty": Feature.PENALTIES,
    "frequency_penalty": Feature.PENALTIES,
    "logprobs": Feature.LOGPROBS,
    "top_logprobs": Feature.LOGPROBS,
}
_FORMATS = {"json_object": Feature.JSON_OBJECT, "json_schema": Feature.JSON_SCHEMA}
# What OpenAI defines inside a message and inside a tool call of one. Clients send back whole
# answers, ours with reasoning and signatures in them; strict providers refuse a message for one
# field too many.
_MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
_TOOL_CALL_KEYS = frozenset({"id", "type", "function"})


def encode_chat(call: ProviderCall, profile: OpenAIProfile, stream: bool) -> bytes:
    """The body of ``POST /chat/completions``, UTF-8 JSON.

    Raises ``RequestRejected`` for what JSON cannot hold (nesting deeper than the encoder goes).
    """
    card, request = call.card, call.request
    features = card.features
    refused = profile.refused_fields
    messages = request.messages if call.messages is None else call.messages
    body: JsonObject = {
        "model": card.provider_model_id,
        "messages": [
            message
            if message.keys() <= _MESSAGE_KEYS
            and "tool_calls" not in message
            and (message.get("role") != "developer" or profile.developer_role)
            else _message(message, profile)
            for message in messages
        ],
    }
    for name, value in request.body.items():
        if name in _FIELDS and value is not None and name not in refused:
            feature = _FIELDS[name]
            if feature is None or feature in features:
                body[name] = value
    if request.body.get("response_format") is not None:
        _add_format(body, request.body["response_format"], card)
    if request.reasoning_effort in card.reasoning_efforts:
        body["reasoning_effort"] = request.reasoning_effort
    if request.n > 1 and Feature.N in features:
        body["n"] = request.n
    limit = request.max_tokens if call.max_tokens is None else call.max_tokens
    if limit is not None:
        most = card.max_output_tokens
        body[profile.max_tokens_field] = limit if most is None else min(limit, most)
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return dump(body, profile.name)


def dump(body: JsonObject, provider: str) -> bytes:
    """JSON of a request. Raises ``RequestRejected`` where it cannot be written."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise RequestRejected(
            "the request cannot be written as JSON for a provider: it is nested too deeply",
            provider=provider,
        ) from error


def _add_format(body: JsonObject, value: JsonValue, card: ModelCard) -> None:
    """``response_format`` where the card supports its kind, and beside tools where it may stand."""
    kind = value.get("type") if isinstance(value, dict) else None
    feature = _FORMATS.get(kind) if isinstance(kind, str) else None
    if feature is None or feature not in card.features:
        return
    if "tools" in body and Feature.SCHEMA_WITH_TOOLS not in card.features:
        return
    body["response_format"] = value


def _message(message: JsonObject, profile: OpenAIProfile) -> JsonObject:
    """A copy of ``message`` with what strict providers take."""
    kept: JsonObject = {key: value for key, value in message.items() if key in _MESSAGE_KEYS}
    if kept.get("role") == "developer" and not profile.developer_role:
        kept["role"] = "system"
    if "content" not in kept and isinstance(message.get("refusal"), str):
        kept["content"] = message["refusal"]
    calls = kept.get("tool_calls")
    if isinstance(calls, list) and calls:
        kept["tool_calls"] = [
            {key: value for key, value in call.items() if key in _TOOL_CALL_KEYS}
            if isinstance(call, dict)
            else call
            for call in calls
        ]
    else:
        # An empty list or null is what clients send back for "none"; strict providers refuse it.
        kept.pop("tool_calls", None)
    return kept
