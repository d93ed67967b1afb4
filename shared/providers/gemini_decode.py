"""Gemini's ``GenerateContentResponse`` read into OpenAI's shapes: what plain and streamed share.

Whatever a server sends, reading it ends in values or in a ``ProviderFailure``: a field of the
wrong type is a ``MalformedAnswer``, never a crash.
"""

from __future__ import annotations

import hashlib

import orjson
from msgspec import Struct, field

from shared.errors import (
    BadToolCall,
    EmptyAnswer,
    FieldUnsupported,
    MalformedAnswer,
    Overloaded,
    ProviderFailure,
    Refused,
)
from shared.messages import ChatResult, JsonObject, JsonValue, Usage
from shared.providers.base import ProviderCall
from shared.providers.gemini_signature import sign
from shared.providers.openai_answer import estimate_usage, may_be_silent
from shared.tokens import estimate_tokens

PROVIDER = "google"
# Answers that ended as they should. CONTINUATION is Gemini 4's "more would follow": cut off.
_ENDED = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
# Safety's doing (google-genai 3.4.0, FinishReason): an answer, never routed around.
_BLOCKED = frozenset(
    (
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
)
# The model's or provider's trouble. A reason on no list is a MalformedAnswer: it may mean "cut".
_FAILED: dict[str, type[ProviderFailure]] = {
    "MALFORMED_FUNCTION_CALL": BadToolCall,
    "UNEXPECTED_TOOL_CALL": BadToolCall,
    "TOO_MANY_TOOL_CALLS": BadToolCall,
    "MALFORMED_RESPONSE": MalformedAnswer,
    "MISSING_THOUGHT_SIGNATURE": FieldUnsupported,
    "LANGUAGE": FieldUnsupported,
    "NO_IMAGE": EmptyAnswer,
    "IMAGE_OTHER": EmptyAnswer,
    "OTHER": Overloaded,
}
_NOT_ENDED = (None, "", "FINISH_REASON_UNSPECIFIED")
# candidateCount is at most 8; anything far above is not an index.
_MAX_INDEX = 64
CONTENT_FILTER = "content_filter"


class Pieces(Struct):
    """What one partial answer adds to its candidate."""

    text: str = ""
    reasoning: str = ""
    calls: list[JsonObject] = field(default_factory=list)


class Candidate(Struct):
    """What is known of one candidate so far. ``finish`` is OpenAI's ``finish_reason``.

    ``one_call``: the client allows a single tool call (``parallel_tool_calls: false``), which
    Gemini cannot be told; the first is kept, which is also the signed one.
    """

    index: int
    one_call: bool = False
    calls: int = 0
    has_text: bool = False
    has_thoughts: bool = False
    finish: str | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing has come that a client could take for an answer."""
        return not (self.has_text or self.calls)

    def take(self, candidate: JsonObject, response_id: str) -> Pieces:
        """Read one (partial) candidate. Raises ``ProviderFailure`` where it says it failed."""
        pieces = Pieces()
        content = _object(candidate.get("content"), "content")
        for value in _list(content.get("parts"), "parts"):
            self._part(_object(value, "part"), pieces, response_id)
        self.has_text = self.has_text or bool(pieces.text)
        self.has_thoughts = self.has_thoughts or bool(pieces.reasoning)
        reason = candidate.get("finishReason")
        if reason not in _NOT_ENDED:
            self.finish = self._finish(reason, candidate.get("finishMessage"))
        return pieces

    def _part(self, part: JsonObject, pieces: Pieces, response_id: str) -> None:
        text = part.get("text")
        if text is not None:
            if not isinstance(text, str):
                raise malformed("a part's text is not a string")
            if part.get("thought") is True:
                pieces.reasoning += text
            else:
                pieces.text += text
        elif "functionCall" in part:
            if not (self.one_call and self.calls):
                pieces.calls.append(self._call(part, response_id))
            self.calls += 1

    def _call(self, part: JsonObject, response_id: str) -> JsonObject:
        called = _object(part["functionCall"], "functionCall")
        name = called.get("name")
        if not isinstance(name, str) or not name:
            raise malformed("a functionCall has no name")
        try:
            arguments = orjson.dumps(_object(called.get("args"), "args")).decode()
        except orjson.JSONEncodeError:
            raise malformed("a functionCall's args are nested too deeply") from None
        own = called.get("id")
        if not isinstance(own, str) or not own or "~" in own:
            seed = f"{response_id}|{self.index}|{self.calls}|{name}|{arguments}"
            own = "call_" + hashlib.sha256(seed.encode()).hexdigest()[:24]
        call: JsonObject = {
            "index": self.calls,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        signature = part.get("thoughtSignature")
        sign(call, own, signature if isinstance(signature, str) and signature else None)
        return call

    def _finish(self, reason: JsonValue, message: JsonValue) -> str:
        if not isinstance(reason, str):
            raise malformed("finishReason is not a string")
        ended = _ENDED.get(reason)
        if ended is not None:
            return "tool_calls" if ended == "stop" and self.calls else ended
        if reason in _BLOCKED:
            return CONTENT_FILTER
        kind = _FAILED.get(reason, MalformedAnswer)
        told = f": {message[:200]}" if isinstance(message, str) and message else ""
        param = "messages" if kind is FieldUnsupported else None
        raise kind(f"the model ended with {reason[:60]}{told}", provider=PROVIDER, param=param)


def decode_response(response: JsonObject, call: ProviderCall) -> ChatResult:
    """A whole answer.

    Raises ``Refused`` where safety left no text at all, ``EmptyAnswer`` where nothing came,
    ``MalformedAnswer`` for what is not Gemini's format, and what the finish reasons mean.
    """
    response_id = text_field(response, "responseId")
    choices: list[JsonObject] = []
    written: list[str] = []
    answered = refused = False
    for index, candidate in read_candidates(response):
        state = Candidate(index, one_call(call))
        pieces = state.take(candidate, response_id)
        if state.finish is None:
            raise malformed("a candidate has no finishReason")
        refused = refused or state.finish == CONTENT_FILTER
        answered = answered or not is_empty(state, call)
        choices.append(_choice(state, pieces))
        written += pieces.text, pieces.reasoning, *(str(one) for one in pieces.calls)
    if not answered:
        check_prompt(response)
        if refused:
            raise refusal("the answer")
        raise empty()
    usage = read_usage(response) or estimate_usage(call.request, estimate_tokens("".join(written)))
    return ChatResult(choices, usage, text_field(response, "modelVersion"))


def is_empty(state: Candidate, call: ProviderCall) -> bool:
    """Whether a candidate that has ended holds no answer, not even an end inside its thoughts."""
    reason = state.finish or ""
    return state.silent and not may_be_silent(reason, state.has_thoughts, call.card)


def one_call(call: ProviderCall) -> bool:
    """Whether the client allows no more than one tool call."""
    return call.request.body.get("parallel_tool_calls") is False


def empty() -> EmptyAnswer:
    """An answer that is whole and holds nothing."""
    return EmptyAnswer("google sent neither text nor tool calls", provider=PROVIDER)


def _choice(state: Candidate, pieces: Pieces) -> JsonObject:
    text, calls = pieces.text, pieces.calls
    message: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    if pieces.reasoning:
        message["reasoning_content"] = pieces.reasoning
    if calls:
        for call in calls:
            del call["index"]  # only streamed deltas are numbered
        message["tool_calls"] = [*calls]
    return {
        "index": state.index,
        "message": message,
        "logprobs": None,
        "finish_reason": state.finish,
    }


def read_candidates(response: JsonObject) -> list[tuple[int, JsonObject]]:
    """The candidates with their indices. Protobuf leaves the first one's index 0 out."""
    found: list[tuple[int, JsonObject]] = []
    for position, value in enumerate(_list(response.get("candidates"), "candidates")):
        candidate = _object(value, "candidate")
        index = candidate.get("index", position)
        if type(index) is not int or not 0 <= index < _MAX_INDEX:
            raise malformed("a candidate's index is not a small number")
        found.append((index, candidate))
    return found


def check_prompt(response: JsonObject) -> None:
    """Raise ``Refused`` where the prompt itself was blocked (there are no candidates then)."""
    feedback = response.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        raise refusal("the prompt", feedback["blockReason"])


def refusal(what: str, reason: JsonValue = None) -> Refused:
    """The provider's safety system refused ``what``."""
    told = f" ({reason[:60]})" if isinstance(reason, str) else ""
    return Refused(f"Google's safety system blocked {what}{told}", provider=PROVIDER)


def read_usage(response: JsonObject) -> Usage | None:
    """Token counts; thinking tokens are part of the completion, as in OpenAI's. None: not told."""
    counts = response.get("usageMetadata")
    if not isinstance(counts, dict) or type(counts.get("promptTokenCount")) is not int:
        return None
    thoughts = _count(counts, "thoughtsTokenCount")
    return Usage(
        prompt_tokens=_count(counts, "promptTokenCount")
        + _count(counts, "toolUsePromptTokenCount"),
        completion_tokens=_count(counts, "candidatesTokenCount") + thoughts,
        reasoning_tokens=thoughts,
        cached_tokens=_count(counts, "cachedContentTokenCount"),
    )


def text_field(source: JsonObject, name: str) -> str:
    """A string field that is told for information only: "" where it is missing or no string."""
    value = source.get(name)
    return value if isinstance(value, str) else ""


def malformed(message: str) -> MalformedAnswer:
    """An answer that is not Gemini's format."""
    return MalformedAnswer(f"malformed answer: {message}", provider=PROVIDER)


def _count(counts: JsonObject, name: str) -> int:
    value = counts.get(name)
    return value if type(value) is int and value >= 0 else 0


def _object(value: JsonValue, name: str) -> JsonObject:
    """An object; Protobuf leaves empty ones out, so None is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(f"{name} is not an object")
    return value


def _list(value: JsonValue, name: str) -> list[JsonValue]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise malformed(f"{name} is not a list")
    return value
