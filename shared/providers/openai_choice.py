"""One choice of a streamed answer: its text, its thoughts, its tool calls as they arrive."""

from __future__ import annotations

from shared.messages import Chunk, JsonObject, JsonValue
from shared.providers.openai_parts import (
    check_arguments,
    malformed,
    read_arguments,
    read_index,
    read_reasoning,
    read_text,
)
from shared.providers.think import Split, ThinkSplitter
from shared.tokens import BYTES_PER_TOKEN_ASCII, BYTES_PER_TOKEN_OTHER


class _Call:
    """A tool call under construction."""

    __slots__ = ("arguments", "call_id", "name")

    def __init__(self) -> None:
        self.call_id = ""
        self.name = ""
        self.arguments: list[str] = []


class ChoiceReader:
    """Turns deltas into chunks and remembers what decides whether the choice is an answer.

    ``answered``: something for the client has come (text, a refusal, a tool call).
    """

    __slots__ = (
        "_ascii",
        "_other",
        "_prefix",
        "_provider",
        "_think",
        "answered",
        "calls",
        "ended",
        "index",
        "reason",
        "reasoned",
    )

    def __init__(self, index: int, provider: str, thinks_in_text: bool, prefix: str) -> None:
        self.index = index
        self._provider = provider
        self._prefix = prefix
        self._think = ThinkSplitter() if thinks_in_text else None
        self._ascii = 0
        self._other = 0
        self.answered = False
        self.reasoned = False
        self.ended = False
        self.reason = ""
        self.calls: dict[int, _Call] = {}

    def read(self, delta: JsonObject, logprobs: JsonValue, chunks: list[Chunk]) -> None:
        """The chunks of one delta. Raises ``MalformedAnswer``."""
        text = delta.get("content")
        if len(delta) == 1 and isinstance(text, str):
            # Nearly every event of a stream: text and nothing else.
            self._add_text(text, logprobs, chunks)
            return
        if not isinstance(text, str):
            text = read_text(text, "content", self._provider)
        reasoning = ""
        if "reasoning" in delta or "reasoning_content" in delta:
            reasoning = read_reasoning(delta, self._provider)
        refusal = delta.get("refusal")
        calls = delta.get("tool_calls")
        if reasoning:
            self._add_reasoning(reasoning, chunks)
        self._add_text(text, logprobs, chunks)
        if refusal is not None:
            said = read_text(refusal, "refusal", self._provider)
            if said:
                self.answered = True
                chunks.append(Chunk(index=self.index, refusal=said))
        if calls is not None:
            self._read_calls(calls, chunks)

    def finish(self, reason: str, chunks: list[Chunk]) -> None:
        """What was held back; then the finished tool calls are checked.

        Raises ``BadToolCall`` or ``MalformedAnswer``.
        """
        if self._think is not None:
            self._emit(self._think.end(), None, chunks)
        self.ended = True
        for place, call in self.calls.items():
            if not call.name:
                raise malformed(self._provider, "tool_calls.function.name")
            if not any(call.arguments):
                call.arguments.append("{}")
                chunks.append(Chunk(index=self.index, tool_calls=[_arguments_delta(place, "{}")]))
            if reason != "length":
                check_arguments("".join(call.arguments), self._provider)

    def written_tokens(self) -> int:
        """Estimated tokens of what came."""
        return int(self._ascii / BYTES_PER_TOKEN_ASCII + self._other / BYTES_PER_TOKEN_OTHER + 0.99)

    def _add_reasoning(self, reasoning: str, chunks: list[Chunk]) -> None:
        self.reasoned = True
        self._count(reasoning)
        chunks.append(Chunk(self.index, "", reasoning))
        if self._think is not None:
            # The server keeps thoughts apart, so its text is text from the first letter.
            self._emit(self._think.end(), None, chunks)
            self._think = None

    def _add_text(self, text: str, logprobs: JsonValue, chunks: list[Chunk]) -> None:
        if not text:
            return
        if text.isascii():
            self._ascii += len(text)
        else:
            self._count(text)
        if self._think is not None:
            self._emit(self._think.feed(text), logprobs, chunks)
            if self._think.settled:
                self._think = None
            return
        self.answered = True
        chunk = Chunk(self.index, text)
        if logprobs is not None:
            chunk.logprobs = logprobs
        chunks.append(chunk)

    def _emit(self, split: Split, logprobs: JsonValue, chunks: list[Chunk]) -> None:
        if split.reasoning:
            self.reasoned = True
            chunks.append(Chunk(self.index, "", split.reasoning))
        if split.text:
            self.answered = True
            chunks.append(Chunk(self.index, split.text, logprobs=logprobs))

    def _count(self, text: str) -> None:
        if text.isascii():
            self._ascii += len(text)
        else:
            self._other += len(text.encode("utf-8", "surrogatepass"))

    def _read_calls(self, value: JsonValue, chunks: list[Chunk]) -> None:
        """Tool-call deltas in OpenAI's shape; the first of each call carries its id and name."""
        if not isinstance(value, list):
            raise malformed(self._provider, "tool_calls")
        deltas: list[JsonObject] = []
        for item in value:
            function = item.get("function") if isinstance(item, dict) else None
            if not isinstance(item, dict) or not (function is None or isinstance(function, dict)):
                raise malformed(self._provider, "tool_calls")
            name = read_text(
                (function or {}).get("name"), "tool_calls.function.name", self._provider
            )
            call_id = read_text(item.get("id"), "tool_calls.id", self._provider)
            arguments = read_arguments((function or {}).get("arguments"), self._provider)
            place = self._place(item.get("index"), call_id, name)
            call = self.calls.get(place)
            if call is not None:
                if arguments:
                    call.arguments.append(arguments)
                    deltas.append(_arguments_delta(place, arguments))
                continue
            call = self.calls[place] = _Call()
            call.call_id = call_id or f"call_{self._prefix}_{place}"
            call.name = name
            call.arguments.append(arguments)
            deltas.append(
                {
                    "index": place,
                    "id": call.call_id,
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
            )
            self._count(name + arguments)
        if deltas:
            self.answered = True
            chunks.append(Chunk(index=self.index, tool_calls=deltas))

    def _place(self, index: JsonValue, call_id: str, name: str) -> int:
        """Which call a delta belongs to. Servers that leave the index out send whole calls, or a
        new id with each new call."""
        if index is not None:
            return read_index(index, 0, self._provider)
        if not self.calls:
            return 0
        last = max(self.calls)
        new = (call_id and call_id != self.calls[last].call_id) or (name and not call_id)
        return last + 1 if new else last


def _arguments_delta(place: int, arguments: str) -> JsonObject:
    return {"index": place, "function": {"arguments": arguments}}
