"""A whole answer, judged before anything of it is returned (R2.5, R2.6)."""

from __future__ import annotations

from msgspec.structs import replace

from shared.clock import Deadline
from shared.messages import ChatResult, JsonObject, JsonValue
from shared.pipeline.guarded_filter import MakeFilter, filtered, filtered_calls
from shared.pipeline.guarded_work import GuardWork, Judge, ask
from shared.safety.stream_calls import calls_text

_TEXTS = ("reasoning_content", "content", "refusal")


async def judge_result(
    result: ChatResult,
    judge: Judge,
    deadline: Deadline,
    work: GuardWork,
    make_filter: MakeFilter | None = None,
) -> ChatResult:
    """The answer as it may leave: all of it judged in one text, then filtered.

    Raises ``SafetyViolation``, ``SafetyUnavailable`` or ``DeadlineExceeded``.
    """
    text = "\n\n".join(said for choice in result.choices for said in _said(choice))
    if text.strip():
        await ask(judge, text, deadline, work)
    if make_filter is None:
        return result
    return replace(result, choices=[_filtered(choice, make_filter) for choice in result.choices])


def _said(choice: JsonObject) -> list[str]:
    message = choice.get("message")
    if not isinstance(message, dict):
        return []
    texts = [said for key in _TEXTS if isinstance(said := message.get(key), str) and said]
    called = calls_text(_calls(message.get("tool_calls")))
    return [*texts, called] if called else texts


def _filtered(choice: JsonObject, make: MakeFilter) -> JsonObject:
    message = choice.get("message")
    if not isinstance(message, dict):
        return choice
    new: JsonObject = dict(message)
    for key in _TEXTS:
        said = message.get(key)
        if isinstance(said, str) and said:
            new[key] = filtered(said, make)
    calls = _calls(message.get("tool_calls"))
    if calls:
        new["tool_calls"] = list(filtered_calls(calls, make))
    if new == message:
        return choice
    # Log probabilities would tell the words that were taken out.
    return {**choice, "message": new, "logprobs": None}


def _calls(value: JsonValue) -> list[JsonObject]:
    return [call for call in value if isinstance(call, dict)] if isinstance(value, list) else []
