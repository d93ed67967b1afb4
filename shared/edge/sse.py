"""OpenAI chat chunks as server-sent events, written as bytes with as little work as can be.

Everything a chunk repeats (id, object, created, model) is encoded once a stream; the common case,
a piece of text, costs one ``orjson.dumps`` of that text.
"""

from __future__ import annotations

import orjson

from shared.messages import Chunk, JsonObject, Usage

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

_TEXT_END = b'},"logprobs":null,"finish_reason":null}]}\n\n'


class ChunkEncoder:
    """Encodes the chunks of one stream.

    The chunk that ends a choice is held back until ``finish``: the receipt rides on the last
    chunk (contract, Chat), and it is only complete when the provider's stream is.
    """

    __slots__ = ("_begun", "_created", "_ended", "_head", "_id", "_model", "_text_head")

    def __init__(self, completion_id: str, created: int) -> None:
        self._id = completion_id
        self._created = created
        self._model = ""
        self._head = b""
        self._text_head = b""
        self._begun: set[int] = set()
        self._ended: dict[int, Chunk] = {}

    def set_model(self, model: str) -> None:
        """The catalog id that answers from here on."""
        if model == self._model:
            return
        self._model = model
        base = orjson.dumps(
            {
                "id": self._id,
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": model,
            }
        )
        self._head = b"data: " + base[:-1]
        self._text_head = self._head + b',"choices":[{"index":0,"delta":{"content":'

    def encode(self, chunks: list[Chunk]) -> bytes:
        """The frames of one batch, joined; empty when there is nothing to send yet."""
        frames: list[bytes] = []
        for chunk in chunks:
            index = chunk.index
            if index not in self._begun and _has_delta(chunk):
                self._begun.add(index)
                frames.append(self._frame(index, {"role": "assistant", "content": ""}))
            if chunk.finish_reason is not None:
                self._ended[index] = chunk
            if chunk.text and index == 0 and _only_text(chunk):
                frames.append(self._text_head + orjson.dumps(chunk.text) + _TEXT_END)
            elif _has_delta(chunk):
                frames.append(self._frame(index, _delta(chunk), chunk.logprobs))
        return b"".join(frames)

    def finish(self, usage: Usage, include_usage: bool, receipt: JsonObject) -> bytes:
        """The closing frames: ends of the choices, usage where asked for, receipt, ``[DONE]``."""
        frames: list[bytes] = []
        ends = sorted(self._ended.items())
        for position, (index, chunk) in enumerate(ends):
            if index not in self._begun:
                frames.append(self._frame(index, {"role": "assistant", "content": ""}))
            last = position == len(ends) - 1 and not include_usage
            choice: JsonObject = {
                "index": index,
                "delta": {},
                "logprobs": None,
                "finish_reason": chunk.finish_reason,
            }
            frames.append(
                self._tail({"choices": [choice], **({"codeex": receipt} if last else {})})
            )
        if include_usage:
            frames.append(self._tail({"choices": [], "usage": usage.to_json(), "codeex": receipt}))
        frames.append(DONE)
        return b"".join(frames)

    def _frame(self, index: int, delta: JsonObject, logprobs: object = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        return self._head + b',"choices":[' + orjson.dumps(choice) + b"]}\n\n"

    def _tail(self, fields: JsonObject) -> bytes:
        return self._head + b"," + orjson.dumps(fields)[1:] + b"\n\n"


def _only_text(chunk: Chunk) -> bool:
    return (
        chunk.tool_calls is None
        and chunk.logprobs is None
        and not chunk.reasoning
        and not chunk.refusal
    )


def _has_delta(chunk: Chunk) -> bool:
    return bool(
        chunk.text
        or chunk.tool_calls
        or chunk.reasoning
        or chunk.refusal
        or chunk.logprobs is not None
    )


def _delta(chunk: Chunk) -> JsonObject:
    delta: JsonObject = {}
    if chunk.text:
        delta["content"] = chunk.text
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    if chunk.refusal:
        delta["refusal"] = chunk.refusal
    if chunk.tool_calls:
        delta["tool_calls"] = list(chunk.tool_calls)
    return delta


def error_event(body: JsonObject) -> bytes:
    """The typed error event that ends a stream which has begun (contract, Errors)."""
    return b"data: " + orjson.dumps(body) + b"\n\n"
