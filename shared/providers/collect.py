"""A stream joined into a whole answer, and a whole answer cut into a stream.

Plain calls that may take long are fetched as streams (contract, Chat), so that silence is noticed
early; models that cannot stream are read whole (R23.3).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import cast

from shared.messages import ChatResult, Chunk, JsonObject, JsonValue, Usage


class _Choice:
    """One choice as its chunks add up."""

    __slots__ = ("calls", "finish_reason", "logprobs", "reasoning", "refusal", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, JsonObject] = {}
        self.logprobs: dict[str, list[JsonValue]] = {}
        self.finish_reason = "stop"

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self.text.append(chunk.text)
        if chunk.reasoning:
            self.reasoning.append(chunk.reasoning)
        if chunk.refusal:
            self.refusal.append(chunk.refusal)
        if chunk.tool_calls:
            for delta in chunk.tool_calls:
                self._add_call(delta)
        if isinstance(chunk.logprobs, dict):
            for key, values in chunk.logprobs.items():
                if isinstance(values, list):
                    self.logprobs.setdefault(key, []).extend(values)
        if chunk.finish_reason:
            self.finish_reason = chunk.finish_reason

    def _add_call(self, delta: JsonObject) -> None:
        index = delta.get("index")
        place = index if isinstance(index, int) else 0
        call = self.calls.setdefault(
            place, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        for key, value in delta.items():
            if key == "function":
                whole = call["function"]
                if isinstance(value, dict) and isinstance(whole, dict):
                    whole["name"] = value.get("name") or whole["name"]
                    whole["arguments"] = f"{whole['arguments']}{value.get('arguments') or ''}"
            elif key != "index" and value:
                call[key] = value

    def to_json(self, index: int) -> JsonObject:
        text = "".join(self.text)
        message: JsonObject = {"role": "assistant", "content": text}
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.calls:
            message["tool_calls"] = [self.calls[place] for place in sorted(self.calls)]
        if not text and (self.refusal or self.calls):
            message["content"] = None
        return {
            "index": index,
            "message": message,
            "logprobs": cast(JsonObject, self.logprobs) if self.logprobs else None,
            "finish_reason": self.finish_reason,
        }


class Collector:
    """Adds chunks up; ``result`` is the whole answer."""

    __slots__ = ("_choices", "_usage")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._usage = Usage(estimated=True)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Add a batch."""
        for chunk in chunks:
            if chunk.usage is not None:
                self._usage = chunk.usage
                if not chunk.meaningful:
                    continue
            choice = self._choices.get(chunk.index)
            if choice is None:
                choice = self._choices[chunk.index] = _Choice()
            choice.add(chunk)

    def result(self) -> ChatResult:
        """The answer so far, its choices in order."""
        return ChatResult(
            [self._choices[index].to_json(index) for index in sorted(self._choices)], self._usage
        )


async def collect(stream: AsyncIterator[list[Chunk]]) -> ChatResult:
    """The whole answer of a stream, which is closed whatever happens.

    Raises the ``ProviderFailure`` that the stream raises.
    """
    collector = Collector()
    if isinstance(stream, AsyncGenerator):
        async with aclosing(stream):
            async for chunks in stream:
                collector.add(chunks)
    else:
        async for chunks in stream:
            collector.add(chunks)
    return collector.result()


def as_stream(result: ChatResult) -> list[Chunk]:
    """The chunks of a whole answer: for each choice what it holds, then its end; usage last."""
    chunks: list[Chunk] = []
    for place, choice in enumerate(result.choices):
        message, index = choice.get("message"), choice.get("index")
        if not isinstance(message, dict):
            continue
        number = index if isinstance(index, int) else place
        reasoning, text = message.get("reasoning_content"), message.get("content")
        refusal, calls = message.get("refusal"), message.get("tool_calls")
        if isinstance(reasoning, str) and reasoning:
            chunks.append(Chunk(number, reasoning=reasoning))
        if isinstance(text, str) and text:
            chunks.append(Chunk(number, text, logprobs=choice.get("logprobs")))
        if isinstance(refusal, str) and refusal:
            chunks.append(Chunk(number, refusal=refusal))
        if isinstance(calls, list) and calls:
            deltas: list[JsonObject] = [
                {"index": at, **call} for at, call in enumerate(calls) if isinstance(call, dict)
            ]
            chunks.append(Chunk(number, tool_calls=deltas))
        reason = choice.get("finish_reason")
        chunks.append(Chunk(number, finish_reason=reason if isinstance(reason, str) else "stop"))
    chunks.append(Chunk(usage=result.usage))
    return chunks
