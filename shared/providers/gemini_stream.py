"""Gemini's partial responses read into chunks, and the two forms they travel in.

With ``alt=sse`` each event is a whole partial response and the stream just ends: there is no
``[DONE]``, so an answer is complete only when its candidates have a ``finishReason``. Without it
(a proxy in between may drop the parameter) the same objects come as one JSON array.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from shared.errors import MalformedAnswer, ProviderFailure
from shared.messages import Chunk, JsonObject, JsonValue
from shared.model import Feature
from shared.providers.base import ProviderCall
from shared.providers.gemini_decode import (
    CONTENT_FILTER,
    PROVIDER,
    Candidate,
    check_prompt,
    empty,
    is_empty,
    malformed,
    one_call,
    read_candidates,
    read_usage,
    refusal,
    text_field,
)
from shared.providers.openai_answer import estimate_usage
from shared.providers.sse import SseDecoder, SseOverflow
from shared.tokens import estimate_tokens

# What can change the nesting of JSON: a whole string, a string's beginning, a bracket.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|"|[{}\[\]]', re.DOTALL)
_MAX_ELEMENT_BYTES = 8 * 1024 * 1024


class AnswerStream:
    """State of one streamed answer. ``error_in`` makes a failure of an error object in a 200."""

    __slots__ = (
        "_call",
        "_candidates",
        "_error_in",
        "_expected",
        "_finished",
        "_told",
        "_written",
        "usage_sent",
    )

    def __init__(
        self, call: ProviderCall, error_in: Callable[[JsonObject], ProviderFailure]
    ) -> None:
        self._call = call
        self._error_in = error_in
        self._expected = call.request.n if Feature.N in call.card.features else 1
        self._candidates: dict[int, Candidate] = {}
        self._finished = 0
        self._told: JsonObject | None = None  # the last response with usage; each has the sum
        self._written: list[str] = []  # for an estimate, as long as no usage was told
        self.usage_sent = False

    @property
    def complete(self) -> bool:
        """Whether every candidate that was asked for has ended."""
        return self._finished >= self._expected and self.ended

    @property
    def ended(self) -> bool:
        """Whether no candidate that has begun is still open: the stream may stop here."""
        return 0 < self._finished == len(self._candidates)

    def event(self, data: bytes) -> list[Chunk]:
        """The chunks of one event's JSON, possibly none.

        Raises ``MalformedAnswer``, ``Refused``, ``EmptyAnswer``, what a finish reason means, or
        the failure of an error object.
        """
        try:
            loaded: JsonValue = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise malformed("an event of the stream is not JSON") from None
        return self.response(loaded)

    def response(self, loaded: JsonValue) -> list[Chunk]:
        """The chunks of one parsed partial response; see ``event``."""
        response = loaded[0] if isinstance(loaded, list) and len(loaded) == 1 else loaded
        if not isinstance(response, dict):
            raise malformed("an event of the stream is not an object")
        if response.get("error"):
            raise self._error_in(response)
        if "usageMetadata" in response:
            self._told = response
        response_id = text_field(response, "responseId")
        chunks: list[Chunk] = []
        for index, candidate in read_candidates(response):
            self._candidate(index, candidate, response_id, chunks)
        if not self._candidates:
            check_prompt(response)
        if self._told is not None and self.complete:
            chunks.extend(self.last())
        return chunks

    def last(self) -> list[Chunk]:
        """The usage, a single time; estimated where none was told."""
        if self.usage_sent:
            return []
        self.usage_sent = True
        usage = None if self._told is None else read_usage(self._told)
        if usage is None:
            usage = estimate_usage(self._call.request, estimate_tokens("".join(self._written)))
        return [Chunk(usage=usage)]

    def _candidate(
        self, index: int, candidate: JsonObject, response_id: str, chunks: list[Chunk]
    ) -> None:
        state = self._candidates.get(index)
        if state is None:
            state = self._candidates[index] = Candidate(index, one_call(self._call))
        elif state.finish is not None:
            return  # it has ended; what comes after its end is no part of the answer
        pieces = state.take(candidate, response_id)
        calls = pieces.calls or None
        if self._told is None:
            self._written += pieces.text, pieces.reasoning, *(str(one) for one in pieces.calls)
        if pieces.text or pieces.reasoning or calls:
            chunks.append(
                Chunk(index, text=pieces.text, reasoning=pieces.reasoning, tool_calls=calls)
            )
        if state.finish is None:
            return
        self._finished += 1
        if is_empty(state, self._call) and self._expected == 1:
            raise refusal("the answer") if state.finish == CONTENT_FILTER else empty()
        chunks.append(Chunk(index, finish_reason=state.finish))


class ArraySplitter:
    """Cuts a JSON array, or a lone object, into its top-level objects as the bytes come.

    It only counts brackets; what it hands out is parsed by who takes it. Raises
    ``MalformedAnswer`` for anything that cannot be such a body.
    """

    __slots__ = ("_buffer", "_depth", "_scanned", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # up to here brackets are counted
        self._depth = 0  # of objects and arrays inside the current element
        self._start = -1  # where the current element begins; -1 between elements

    def feed(self, data: bytes) -> list[bytes]:
        """The elements that ``data`` completes."""
        buffer = self._buffer
        buffer += data
        found: list[bytes] = []
        position = self._scanned
        while (match := _TOKEN.search(buffer, position)) is not None:
            token = match.group()
            if token == b'"':
                break  # a string whose end has not come yet: look at it again then
            position = match.end()
            if token in (b"{", b"[") and (token == b"{" or self._start >= 0):
                if self._depth == 0:
                    self._start = match.start()
                self._depth += 1
            elif token in (b"}", b"]") and self._start >= 0:
                self._depth -= 1
                if self._depth == 0:
                    found.append(bytes(buffer[self._start : position]))
                    self._start = -1
        else:
            position = len(buffer)
        self._scanned = position
        self._trim()
        return found

    def _trim(self) -> None:
        keep_from = self._scanned if self._start < 0 else self._start
        del self._buffer[:keep_from]
        self._scanned -= keep_from
        if self._start >= 0:
            self._start = 0
        if len(self._buffer) > _MAX_ELEMENT_BYTES:
            raise MalformedAnswer("an element of the stream is too large", provider=PROVIDER)


class EventReader:
    """The JSON of each partial response out of a body's bytes, in whichever form it comes."""

    __slots__ = ("_array", "_head", "_sse")

    def __init__(self) -> None:
        self._head = b""
        self._sse: SseDecoder | None = None
        self._array: ArraySplitter | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The events that ``data`` completes. Raises ``MalformedAnswer``."""
        if self._sse is not None:
            try:
                return [event.data for event in self._sse.feed(data)]
            except SseOverflow:
                raise malformed("an event of the stream is too large") from None
        if self._array is not None:
            return self._array.feed(data)
        self._head += data
        begin = self._head.lstrip()
        if not begin:
            return []
        if begin[:1] in (b"[", b"{"):
            self._array = ArraySplitter()
        else:
            self._sse = SseDecoder()
        data, self._head = self._head, b""
        return self.feed(data)

    def end(self) -> list[bytes]:
        """An event whose closing blank line never came, at the end of the body."""
        return [event.data for event in self._sse.end()] if self._sse is not None else []
