"""What a healthy provider says, and how it words its errors: one class for each wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.faults.answers import (
    SENTENCES,
    TOOL_ARGUMENTS,
    TOOL_NAME,
    USAGE,
    tool_arguments,
)
from tests.support.wire_server import data


@dataclass(frozen=True, slots=True)
class Events:
    """A streamed answer by its parts, each part one event's bytes."""

    opening: tuple[bytes, ...]
    pieces: tuple[bytes, ...]
    finish: tuple[bytes, ...]
    tail: tuple[bytes, ...]  # usage, end mark

    @property
    def all(self) -> tuple[bytes, ...]:
        """Every event in order."""
        return (*self.opening, *self.pieces, *self.finish, *self.tail)


@dataclass(frozen=True, slots=True)
class Error:
    """An error response."""

    status: int
    body: dict[str, object]


class Wire(Protocol):
    """How one provider speaks."""

    provider: str

    def events(
        self,
        pieces: Sequence[str] = SENTENCES,
        *,
        finish: str | None = "stop",
        usage: bool = True,
        thinking: bool = False,
    ) -> Events:
        """A streamed text. ``finish`` is OpenAI's word; None: no end is told."""
        ...

    def call_events(self, *, arguments: str | None = None) -> Events:
        """A streamed tool call; ``arguments`` in place of the right ones."""
        ...

    def whole(self, text: str, *, finish: str = "stop", usage: bool = True) -> dict[str, object]:
        """A whole text."""
        ...

    def whole_call(self, *, arguments: str | None = None) -> dict[str, object]:
        """A whole tool call."""
        ...

    def error(self, kind: str) -> Error:
        """An error by its name in ``KINDS``."""
        ...

    def refusal(self) -> Error:
        """The prompt refused by the provider's safety system."""
        ...


class OpenAiWire:
    """Chat completions."""

    def __init__(self, provider: str, model: str) -> None:
        self.provider = provider
        self._model = model

    def events(
        self,
        pieces: Sequence[str] = SENTENCES,
        *,
        finish: str | None = "stop",
        usage: bool = True,
        thinking: bool = False,
    ) -> Events:
        thoughts = [self._delta({"reasoning": "I count the ledgers."})] if thinking else []
        return Events(
            (self._delta({"role": "assistant", "content": ""}), *thoughts),
            tuple(self._delta({"content": piece}) for piece in pieces),
            () if finish is None else (self._delta({}, finish),),
            (*([self._usage_event()] if usage else []), data("[DONE]")),
        )

    def call_events(self, *, arguments: str | None = None) -> Events:
        written = tool_arguments() if arguments is None else arguments
        first: dict[str, object] = {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": TOOL_NAME, "arguments": ""},
        }
        calls: list[dict[str, object]] = [first]
        for start in range(0, len(written), 9):
            part = written[start : start + 9]
            calls.append({"index": 0, "function": {"arguments": part}})
        return Events(
            (self._delta({"role": "assistant", "content": None}),),
            tuple(self._delta({"tool_calls": [call]}) for call in calls),
            (self._delta({}, "tool_calls"),),
            (self._usage_event(), data("[DONE]")),
        )

    def whole(self, text: str, *, finish: str = "stop", usage: bool = True) -> dict[str, object]:
        return self._completion({"role": "assistant", "content": text}, finish, usage)

    def whole_call(self, *, arguments: str | None = None) -> dict[str, object]:
        written = tool_arguments() if arguments is None else arguments
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": TOOL_NAME, "arguments": written},
        }
        message: dict[str, object] = {"role": "assistant", "content": None, "tool_calls": [call]}
        return self._completion(message, "tool_calls", True)

    def error(self, kind: str) -> Error:
        status, error_type, code, message = _OPENAI_ERRORS[kind]
        return Error(status, {"error": {"message": message, "type": error_type, "code": code}})

    def refusal(self) -> Error:
        return self.error("content_filter")

    def _usage(self) -> dict[str, object]:
        told = USAGE[self.provider]
        return {
            "prompt_tokens": told.prompt,
            "completion_tokens": told.completion,
            "total_tokens": told.prompt + told.completion,
        }

    def _completion(
        self, message: dict[str, object], finish: str, usage: bool
    ) -> dict[str, object]:
        body: dict[str, object] = {
            "id": "chatcmpl-fault",
            "object": "chat.completion",
            "created": 1_795_435_200,
            "model": self._model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        }
        return {**body, "usage": self._usage()} if usage else body

    def _delta(self, delta: dict[str, object], finish: str | None = None) -> bytes:
        return self._event([{"index": 0, "delta": delta, "finish_reason": finish}])

    def _usage_event(self) -> bytes:
        return self._event([], usage=self._usage())

    def _event(self, choices: list[object], **more: object) -> bytes:
        return data(
            {
                "id": "chatcmpl-fault",
                "object": "chat.completion.chunk",
                "created": 1_795_435_200,
                "model": self._model,
                "choices": choices,
                **more,
            }
        )


# name: status, type, code, message (reference: Groq and Cerebras error pages)
_OPENAI_ERRORS = {
    "limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests per minute"),
    "limit_day": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached on requests per day (RPD): Limit 1000, Used 1000, Requested 1. "
        "Please try again in 1m26.4s.",
    ),
    "limit_hint": (
        429,
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached on tokens per minute (TPM): Limit 8000. Please try again in 38.2s.",
    ),
    "internal": (500, "internal_server_error", "internal_error", "Internal server error"),
    "unavailable": (503, "service_unavailable", "overloaded", "The model is overloaded"),
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Please reduce the length of the messages or completion.",
    ),
    "content_filter": (
        400,
        "invalid_request_error",
        "content_filter",
        "The response was filtered: the prompt triggered the content management policy.",
    ),
    "invalid": (400, "invalid_request_error", "invalid_value", "messages.0.content is wrong"),
    "key": (401, "invalid_request_error", "invalid_api_key", "Invalid API Key"),
    "forbidden": (403, "permissions_error", "forbidden", "Forbidden for this project"),
    "payment": (402, "payment_required_error", "payment_required", "Add a payment method"),
    "gone": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model has been decommissioned and is no longer supported.",
    ),
    "too_large": (413, "tokens", "rate_limit_exceeded", "Request too large for the model on TPM"),
    "tool_use": (
        400,
        "invalid_request_error",
        "tool_use_failed",
        "Failed to call a function. Please adjust your prompt.",
    ),
    "prefix": (
        400,
        "invalid_request_error",
        "invalid_value",
        "The last message must not be the assistant's.",
    ),
}


class GeminiWire:
    """generateContent and streamGenerateContent."""

    def __init__(self, provider: str, model: str) -> None:
        self.provider = provider
        self._model = model

    def events(
        self,
        pieces: Sequence[str] = SENTENCES,
        *,
        finish: str | None = "stop",
        usage: bool = True,
        thinking: bool = False,
    ) -> Events:
        thoughts = {"text": "I count the ledgers.", "thought": True}
        end = [] if finish is None else [self._response([], finish=_FINISH[finish], usage=usage)]
        return Events(
            (self._response([thoughts]),) if thinking else (),
            tuple(self._response([{"text": piece}]) for piece in pieces),
            tuple(end),
            (),
        )

    def call_events(self, *, arguments: str | None = None) -> Events:
        if arguments is not None:
            return Events((), (), (self._response([], finish="MALFORMED_FUNCTION_CALL"),), ())
        call = {"name": TOOL_NAME, "args": TOOL_ARGUMENTS}
        return Events(
            (),
            (self._response([{"functionCall": call, "thoughtSignature": "c2ln"}]),),
            (self._response([], finish="STOP"),),
            (),
        )

    def whole(self, text: str, *, finish: str = "stop", usage: bool = True) -> dict[str, object]:
        return self._object([{"text": text}] if text else [], _FINISH[finish], usage)

    def whole_call(self, *, arguments: str | None = None) -> dict[str, object]:
        if arguments is not None:
            return self._object([], "MALFORMED_FUNCTION_CALL", True)
        call = {"name": TOOL_NAME, "args": TOOL_ARGUMENTS}
        return self._object([{"functionCall": call, "thoughtSignature": "c2ln"}], "STOP", True)

    def error(self, kind: str) -> Error:
        status, word, message, details = _GEMINI_ERRORS[kind]
        error = {"code": status, "message": message, "status": word, "details": list(details)}
        return Error(status, {"error": error})

    def refusal(self) -> Error:
        feedback: dict[str, object] = {"blockReason": "PROHIBITED_CONTENT"}
        return Error(200, {"promptFeedback": feedback, "usageMetadata": self._usage()})

    def _usage(self) -> dict[str, object]:
        told = USAGE[self.provider]
        return {
            "promptTokenCount": told.prompt,
            "candidatesTokenCount": told.completion - told.reasoning,
            "thoughtsTokenCount": told.reasoning,
            "totalTokenCount": told.prompt + told.completion,
        }

    def _object(
        self, parts: list[dict[str, object]], finish: str | None, usage: bool
    ) -> dict[str, object]:
        candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        body: dict[str, object] = {
            "candidates": [candidate],
            "modelVersion": self._model,
            "responseId": "fault",
        }
        return {**body, "usageMetadata": self._usage()} if usage else body

    def _response(
        self, parts: list[dict[str, object]], *, finish: str | None = None, usage: bool = True
    ) -> bytes:
        return data(self._object(parts, finish, usage and finish is not None))


_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_DETAILS = "type.googleapis.com/google.rpc."


def _quota(quota_id: str, delay: str | None) -> tuple[dict[str, object], ...]:
    violation = {"quotaId": quota_id, "quotaValue": "20"}
    failure: dict[str, object] = {"@type": f"{_DETAILS}QuotaFailure", "violations": [violation]}
    if delay is None:
        return (failure,)
    return (failure, {"@type": f"{_DETAILS}RetryInfo", "retryDelay": delay})


_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
_PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
# name: status, google.rpc word, message, details (reference: Gemini API troubleshooting)
_GEMINI_ERRORS: dict[str, tuple[int, str, str, tuple[dict[str, object], ...]]] = {
    "limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", ()),
    "limit_day": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota",
        _quota(_PER_DAY, "0.5s"),
    ),
    "limit_hint": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota. Please retry in 38.2s.",
        _quota(_PER_MINUTE, "38.2s"),
    ),
    "internal": (500, "INTERNAL", "An internal error has occurred.", ()),
    "unavailable": (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", ()),
    "context": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        (),
    ),
    "invalid": (400, "INVALID_ARGUMENT", "contents.parts must not be empty.", ()),
    "key": (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        ({"@type": f"{_DETAILS}ErrorInfo", "reason": "API_KEY_INVALID"},),
    ),
    "forbidden": (403, "PERMISSION_DENIED", "The caller does not have permission", ()),
    "payment": (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.", ()),
    "gone": (404, "NOT_FOUND", "models/x is not found for API version v1beta", ()),
    "too_large": (
        400,
        "INVALID_ARGUMENT",
        "Request payload size exceeds the limit: 104857600 bytes.",
        (),
    ),
    "prefix": (400, "INVALID_ARGUMENT", "Please ensure that the last turn is the user's.", ()),
}
KINDS = frozenset(_OPENAI_ERRORS)


def event_json(event: bytes) -> dict[str, object]:
    """The object in one event's bytes."""
    parsed: object = json.loads(event.removeprefix(b"data: "))
    assert isinstance(parsed, dict)
    return parsed
