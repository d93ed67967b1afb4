"""Reading a streamed OpenAI answer: network reads in, chunks out (R23).

Nothing leaves this decoder that is not whole and checked: one parse per event, types looked at
where they are used, an error event raised as the failure it means. It knows when the answer is
complete: at ``[DONE]``, or when every choice has given its finish reason.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from shared.errors import EmptyAnswer, MalformedAnswer, ProviderFailure, Refused, StreamCut
from shared.messages import Chunk, JsonObject, JsonValue, Usage
from shared.providers.base import ProviderCall
from shared.providers.collect import as_stream
from shared.providers.error_body import ErrorFacts, error_facts, read_error
from shared.providers.http import MAX_BODY_BYTES
from shared.providers.openai_answer import (
    decode_chat,
    estimate_usage,
    is_error,
    may_be_silent,
)
from shared.providers.openai_choice import ChoiceReader
from shared.providers.openai_parts import finish_reason, malformed, read_index, read_usage
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.sse import SseDecoder, SseEvent, SseOverflow

# Events without choices under these names are messages; under any other a server's own business.
_MESSAGE_EVENTS = (b"", b"message", b"chunk", b"completion")


class ChatStreamDecoder:
    """One streamed answer. ``done``: nothing follows. ``complete``: every choice has ended, though
    usage or the end mark may still come."""

    __slots__ = (
        "_call",
        "_choices",
        "_ended",
        "_headers",
        "_held_ends",
        "_profile",
        "_seen",
        "_sse",
        "_usage",
        "_whole",
        "complete",
        "done",
    )

    def __init__(
        self, profile: OpenAIProfile, call: ProviderCall, headers: Mapping[str, str]
    ) -> None:
        self._profile = profile
        self._call = call
        self._headers = headers
        self._sse = SseDecoder()
        self._choices: dict[int, ChoiceReader] = {}
        self._ended = 0
        self._held_ends: list[Chunk] = []
        self._usage: Usage | None = None
        self._seen = False
        self._whole: bytearray | None = None
        self.done = False
        self.complete = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that one network read completes. Raises ``ProviderFailure``."""
        if not self._seen:
            self._look_at_start(data)
        if self._whole is not None:
            self._whole += data
            if len(self._whole) > MAX_BODY_BYTES:
                raise malformed(self._profile.name, "too long")
            return []
        try:
            events = self._sse.feed(data)
        except SseOverflow:
            raise malformed(self._profile.name, "an event without end") from None
        chunks: list[Chunk] = []
        for event in events:
            try:
                self._event(event, chunks)
            except ProviderFailure:
                if not self.complete:
                    raise
                self.settle(chunks)  # the answer was whole before this came
            if self.done:
                break
        return chunks

    def end(self) -> list[Chunk]:
        """The body has ended. Raises ``StreamCut`` where the answer has not."""
        if self.done:
            return []
        if self._whole is not None:
            return self._whole_answer(bytes(self._whole))
        chunks: list[Chunk] = []
        for event in self._sse.end():
            try:
                self._event(event, chunks)
            except MalformedAnswer:
                break  # half an event: the cut went through it
        if not self.done:
            if not self.complete:
                raise StreamCut(
                    f"{self._profile.name}'s stream ended before its answer did",
                    provider=self._profile.name,
                )
            self.settle(chunks)
        return chunks

    def settle(self, chunks: list[Chunk]) -> None:
        """End the stream: choices without a finish reason end here, then comes the usage.

        Raises ``EmptyAnswer`` or ``Refused`` where there was no answer at all.
        """
        for choice in self._choices.values():
            if not choice.ended:
                self._finish(choice, "stop", chunks)
        if not any(choice.answered for choice in self._choices.values()):
            raise self._no_answer()
        chunks += self._held_ends
        usage = self._usage
        if usage is None:
            written = sum(choice.written_tokens() for choice in self._choices.values())
            usage = estimate_usage(self._call.request, written)
        chunks.append(Chunk(usage=usage))
        self.done = self.complete = True

    def _look_at_start(self, data: bytes) -> None:
        """Some servers ignore ``stream`` and answer whole, or with an error in a 200."""
        start = data.lstrip()
        if start:
            self._seen = True
            if start[:1] in b"{[<":
                self._whole = bytearray()

    def _whole_answer(self, body: bytes) -> list[Chunk]:
        result = decode_chat(body, self._headers, self._profile, self._call)
        self.done = self.complete = True
        return as_stream(result)

    def _event(self, event: SseEvent, chunks: list[Chunk]) -> None:
        data = event.data
        if data[:6] == b"[DONE]":
            self.settle(chunks)
            return
        try:
            parsed: JsonValue = orjson.loads(data)
        except orjson.JSONDecodeError:
            if event.name == b"error":
                raise self._failure(read_error(data)) from None
            raise malformed(self._profile.name, "an event is not JSON") from None
        if not isinstance(parsed, dict):
            raise malformed(self._profile.name, "an event is not an object")
        choices = parsed.get("choices")
        if event.name == b"error" or parsed.get("error") or (not choices and is_error(parsed)):
            raise self._failure(error_facts(parsed))
        if parsed.get("usage") is not None or "x_groq" in parsed:
            self._read_extras(parsed)
        if isinstance(choices, list):
            for place, choice in enumerate(choices):
                self._choice(choice, place, parsed, chunks)
        elif choices is not None or (
            "usage" not in parsed and "x_groq" not in parsed and event.name in _MESSAGE_EVENTS
        ):
            raise malformed(self._profile.name, "choices")

    def _read_extras(self, parsed: JsonObject) -> None:
        """Usage, the last word counts; and Groq's way to say that it stopped in the middle."""
        usage = read_usage(parsed)
        if usage is not None:
            self._usage = usage
        groq = parsed.get("x_groq")
        if isinstance(groq, dict) and groq.get("error"):
            raise self._failure(error_facts(groq))

    def _choice(
        self, value: JsonValue, place: int, parsed: JsonObject, chunks: list[Chunk]
    ) -> None:
        name = self._profile.name
        if not isinstance(value, dict):
            raise malformed(name, "choices")
        told = value.get("index")
        choice = self._choices.get(told) if type(told) is int else None
        if choice is None:
            choice = self._find_choice(read_index(told, place, name), parsed)
        if choice.ended:
            return
        delta = value.get("delta")
        logprobs = value.get("logprobs")
        if isinstance(delta, dict):
            choice.read(delta, logprobs, chunks)
        elif delta is not None:
            raise malformed(name, "delta")
        elif value.get("error"):
            raise self._failure(error_facts(value))
        reason = value.get("finish_reason")
        if reason is not None:
            word = finish_reason(reason, name)
            if word is not None:
                self._finish(choice, word, chunks)

    def _find_choice(self, index: int, parsed: JsonObject) -> ChoiceReader:
        choice = self._choices.get(index)
        if choice is None:
            answer_id = parsed.get("id")
            choice = self._choices[index] = ChoiceReader(
                index,
                self._profile.name,
                self._profile.thinks_in_text(self._call.card),
                answer_id if isinstance(answer_id, str) else "0",
            )
        return choice

    def _finish(self, choice: ChoiceReader, reason: str, chunks: list[Chunk]) -> None:
        """The end of one choice. That of an empty one is held until another has said something:
        with a single choice it is no answer but a failure."""
        choice.finish(reason, chunks)
        if reason in ("stop", "tool_calls"):
            reason = "tool_calls" if choice.calls else "stop"
        choice.reason = reason
        self._ended += 1
        if may_be_silent(reason, choice.reasoned, self._call.card):
            choice.answered = True
        last = Chunk(index=choice.index, finish_reason=reason)
        (chunks if choice.answered else self._held_ends).append(last)
        expected = max(self._call.request.n, len(self._choices))
        if self._ended >= expected:
            if not any(each.answered for each in self._choices.values()):
                raise self._no_answer()
            self.complete = True

    def _no_answer(self) -> ProviderFailure:
        name = self._profile.name
        if any(choice.reason == "content_filter" for choice in self._choices.values()):
            return Refused(f"{name}'s content filter refused to answer", provider=name)
        return EmptyAnswer(f"{name} sent an empty answer", provider=name)

    def _failure(self, facts: ErrorFacts) -> ProviderFailure:
        return self._profile.failure_of(200, self._headers, facts, self._call.card)
