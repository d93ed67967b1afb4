"""A finished answer written in OpenAI's shapes: one object, or the events of a stream."""

from __future__ import annotations

import json
from dataclasses import dataclass

from local.sim.prompt import SimReply, pieces
from shared.messages import JsonObject, JsonValue

# Arguments of a tool call come in pieces of this many characters.
_ARGUMENT_PIECE = 12
_LOGPROB = -0.01


@dataclass(slots=True)
class Completion:
    """One call's answer, ``replies`` by choice."""

    id: str
    created: int
    model: str
    replies: list[SimReply]
    prompt_tokens: int
    logprobs: bool = False

    @property
    def completion_tokens(self) -> int:
        """Tokens written in all choices."""
        return sum(reply.completion_tokens for reply in self.replies)

    @property
    def total_tokens(self) -> int:
        """Prompt and completion."""
        return self.prompt_tokens + self.completion_tokens

    def usage(self) -> JsonObject:
        """OpenAI's ``usage``."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": sum(reply.reasoning_tokens for reply in self.replies)
            },
        }


def reasoning_field(provider: str) -> str:
    """Where the provider puts the model's thinking."""
    return "reasoning_content" if provider == "huggingface" else "reasoning"


def plain_answer(provider: str, completion: Completion) -> JsonObject:
    """The ``chat.completion`` object."""
    choices: list[JsonValue] = []
    for index, reply in enumerate(completion.replies):
        message: JsonObject = {"role": "assistant", "content": reply.text or None}
        if reply.reasoning:
            message[reasoning_field(provider)] = reply.reasoning
        if reply.tool_calls:
            message["tool_calls"] = _tool_calls(reply)
        choice: JsonObject = {
            "index": index,
            "message": message,
            "logprobs": _logprobs(reply.text) if completion.logprobs else None,
            "finish_reason": _finish(reply),
        }
        choices.append(choice)
    body = _envelope(completion, "chat.completion")
    body["choices"] = choices
    body["usage"] = completion.usage()
    body["system_fingerprint"] = "fp_simulated"
    if provider == "groq":
        body["x_groq"] = {"id": f"req_{completion.id}"}
    elif provider == "cerebras":
        body["time_info"] = {"queue_time": 0.0, "total_time": 0.0, "created": completion.created}
    return body


def stream_frames(provider: str, completion: Completion, *, wants_usage: bool) -> list[bytes]:
    """The events of the stream, ``[DONE]`` last."""
    frames: list[bytes] = []
    for index, reply in enumerate(completion.replies):
        for delta, logprobs in _deltas(provider, reply, completion.logprobs):
            frames.append(_event(completion, index, delta, logprobs=logprobs))
        frames.append(_event(completion, index, {}, finish=_finish(reply)))
    if provider == "groq":  # rides on the last chunk, asked for or not
        last = json.loads(frames.pop()[6:])
        last["x_groq"] = {"id": f"req_{completion.id}", "usage": completion.usage()}
        frames.append(_frame(last))
    if wants_usage or provider == "cerebras":
        body = _envelope(completion, "chat.completion.chunk")
        body["choices"] = []
        body["usage"] = completion.usage()
        frames.append(_frame(body))
    frames.append(b"data: [DONE]\n\n")
    return frames


def _deltas(
    provider: str, reply: SimReply, with_logprobs: bool
) -> list[tuple[JsonObject, JsonValue]]:
    made: list[tuple[JsonObject, JsonValue]] = [({"role": "assistant", "content": ""}, None)]
    field = reasoning_field(provider)
    made += [({field: piece}, None) for piece in pieces(reply.reasoning)]
    for piece in pieces(reply.text):
        made.append(({"content": piece}, _logprobs(piece) if with_logprobs else None))
    for index, call in enumerate(_tool_calls(reply)):
        if not isinstance(call, dict) or not isinstance(call["function"], dict):
            continue
        arguments = str(call["function"]["arguments"])
        opening = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        made.append(({"tool_calls": [opening]}, None))
        for at in range(0, len(arguments), _ARGUMENT_PIECE):
            function: JsonObject = {"arguments": arguments[at : at + _ARGUMENT_PIECE]}
            made.append(({"tool_calls": [{"index": index, "function": function}]}, None))
    return made


def _tool_calls(reply: SimReply) -> list[JsonValue]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": json.dumps(call.arguments, ensure_ascii=False),
            },
        }
        for call in reply.tool_calls
    ]


def _finish(reply: SimReply) -> str:
    if reply.tool_calls:
        return "tool_calls"
    return "length" if reply.cut_off else "stop"


def _logprobs(text: str) -> JsonObject:
    content: list[JsonValue] = [
        {"token": piece, "logprob": _LOGPROB, "bytes": list(piece.encode()), "top_logprobs": []}
        for piece in pieces(text)
    ]
    return {"content": content, "refusal": None}


def _envelope(completion: Completion, kind: str) -> JsonObject:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
    }


def _event(
    completion: Completion,
    index: int,
    delta: JsonObject,
    *,
    finish: str | None = None,
    logprobs: JsonValue = None,
) -> bytes:
    choice: JsonObject = {
        "index": index,
        "delta": delta,
        "logprobs": logprobs,
        "finish_reason": finish,
    }
    body = _envelope(completion, "chat.completion.chunk")
    body["choices"] = [choice]
    return _frame(body)


def _frame(body: JsonObject) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"
