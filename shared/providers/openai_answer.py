"""Reading a whole OpenAI answer: checked field by field, normalised once (R22.8).

Nothing above this room sees a provider's own shape: reasoning stands in ``reasoning_content``,
finish reasons are OpenAI's, tool calls are complete, usage is always there.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from shared.errors import EmptyAnswer, Refused
from shared.messages import ChatRequest, ChatResult, JsonObject, JsonValue, Usage
from shared.model import ModelCard
from shared.providers.base import ProviderCall
from shared.providers.error_body import error_facts
from shared.providers.openai_parts import (
    check_arguments,
    finish_reason,
    malformed,
    read_arguments,
    read_index,
    read_reasoning,
    read_text,
    read_usage,
)
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.think import split_whole
from shared.tokens import estimate_tokens


def decode_chat(
    body: bytes, headers: Mapping[str, str], profile: OpenAIProfile, call: ProviderCall
) -> ChatResult:
    """The answer in the body of a 2xx response.

    Raises the failure that an error inside it means, ``Refused``, ``EmptyAnswer``,
    ``BadToolCall`` or ``MalformedAnswer``.
    """
    try:
        parsed: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise malformed(profile.name, "the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise malformed(profile.name, "the body is not an object")
    choices = parsed.get("choices")
    if is_error(parsed):
        raise profile.failure_of(200, headers, error_facts(parsed), call.card)
    if not isinstance(choices, list) or not choices:
        raise malformed(profile.name, "choices")
    answer_id = parsed.get("id")
    prefix = answer_id if isinstance(answer_id, str) else "0"
    read = [
        _choice(choice, place, prefix, profile, call.card) for place, choice in enumerate(choices)
    ]
    _check_any_answer(read, profile.name, call.card)
    model = parsed.get("model")
    return ChatResult(
        read,
        read_usage(parsed) or estimate_usage(call.request, _written(read)),
        model if isinstance(model, str) else "",
    )


def is_error(parsed: JsonObject) -> bool:
    """Whether a body or event is an error in spite of its 200: an ``error`` that is not null, or
    no choices and the words of an error in their place."""
    if parsed.get("error"):
        return True
    if parsed.get("choices") is not None or "usage" in parsed:
        return False
    if parsed.get("detail"):
        return True
    return isinstance(parsed.get("message"), str) and bool(parsed.get("code") or parsed.get("type"))


def may_be_silent(reason: str, reasoned: bool, card: ModelCard) -> bool:
    """Whether a choice without text is an answer all the same: the model spent its tokens on
    thoughts, shown or hidden."""
    return reason == "length" and (reasoned or bool(card.reasoning_efforts))


def estimate_usage(request: ChatRequest, completion_tokens: int) -> Usage:
    """Usage where the provider tells none; never 0."""
    return Usage(max(1, request.input_tokens), max(1, completion_tokens), estimated=True)


def _choice(
    choice: JsonValue, place: int, prefix: str, profile: OpenAIProfile, card: ModelCard
) -> JsonObject:
    """One choice in OpenAI's shape."""
    name = profile.name
    if not isinstance(choice, dict):
        raise malformed(name, "choices")
    message = choice.get("message")
    if not isinstance(message, dict):
        if choice.get("error"):
            raise profile.failure_of(200, {}, error_facts(choice), card)
        raise malformed(name, "choices.message")
    text = read_text(message.get("content"), "content", name)
    reasoning = read_reasoning(message, name)
    if text and not reasoning and profile.thinks_in_text(card):
        reasoning, text = split_whole(text)
    reason = finish_reason(choice.get("finish_reason"), name)
    calls = _tool_calls(message.get("tool_calls"), prefix, reason, name)
    if reason is None or reason in ("stop", "tool_calls"):
        reason = "tool_calls" if calls else "stop"
    refusal = read_text(message.get("refusal"), "refusal", name)
    answer: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    if reasoning:
        answer["reasoning_content"] = reasoning
    if refusal:
        answer["refusal"] = refusal
        answer["content"] = text or None
    if calls:
        answer["tool_calls"] = calls
    logprobs = choice.get("logprobs")
    return {
        "index": read_index(choice.get("index"), place, name),
        "message": answer,
        "logprobs": logprobs if isinstance(logprobs, dict) else None,
        "finish_reason": reason,
    }


def _tool_calls(
    value: JsonValue, prefix: str, reason: str | None, provider: str
) -> list[JsonValue]:
    """Complete tool calls; an answer cut at its token limit may end inside one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise malformed(provider, "tool_calls")
    calls: list[JsonValue] = []
    for place, call in enumerate(value):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict):
            raise malformed(provider, "tool_calls")
        name = function.get("name")
        if not isinstance(name, str) or not name:
            raise malformed(provider, "tool_calls.function.name")
        arguments = read_arguments(function.get("arguments"), provider) or "{}"
        if reason != "length":
            check_arguments(arguments, provider)
        call_id = call.get("id")
        calls.append(
            {
                "id": call_id if isinstance(call_id, str) and call_id else f"call_{prefix}_{place}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
        )
    return calls


def _check_any_answer(choices: list[JsonObject], provider: str, card: ModelCard) -> None:
    """Raises ``Refused`` or ``EmptyAnswer`` where no choice holds anything for the client."""
    refused = False
    for choice in choices:
        message, reason = choice["message"], choice["finish_reason"]
        if not isinstance(message, dict) or not isinstance(reason, str):
            continue
        if message["content"] or "tool_calls" in message or "refusal" in message:
            return
        if may_be_silent(reason, "reasoning_content" in message, card):
            return
        refused = refused or reason == "content_filter"
    if refused:
        raise Refused(f"{provider}'s content filter refused to answer", provider=provider)
    raise EmptyAnswer(f"{provider} sent an empty answer", provider=provider)


def _written(choices: list[JsonObject]) -> int:
    """Estimated tokens of everything the model wrote."""
    total = 0
    for choice in choices:
        message = choice["message"]
        if isinstance(message, dict):
            for key in ("content", "reasoning_content", "refusal"):
                text = message.get(key)
                if isinstance(text, str) and text:
                    total += estimate_tokens(text)
            if "tool_calls" in message:
                total += estimate_tokens(orjson.dumps(message["tool_calls"]).decode())
    return total
