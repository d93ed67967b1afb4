"""The OpenAI wire as an adapter: a profile, a pool, and the life of a call between them (R22.1).

Encoding lives in ``openai_request``, reading in ``openai_answer`` and ``openai_stream``; here is
when what is read, and what closes the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from shared.errors import ProviderFailure, StreamCut, StreamStalled
from shared.messages import ChatResult, Chunk, JsonObject, JsonValue
from shared.model import ModelCard
from shared.providers.base import EmbeddingResult, ProviderCall, Timeouts
from shared.providers.collect import Collector
from shared.providers.error_body import error_facts
from shared.providers.http import Answer, HttpPool, endpoint
from shared.providers.openai_answer import decode_chat, is_error
from shared.providers.openai_parts import malformed, read_usage
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_request import dump, encode_chat
from shared.providers.openai_stream import ChatStreamDecoder
from shared.tokens import estimate_tokens

# How long usage and the end mark may take once every choice has ended, in seconds: the answer is
# there, a server that never closes must not hold it up.
END_GRACE_S = 2.0
_SSE_STARTS = (b"data:", b"event:", b":")


class OpenAIProvider:
    """Any provider that speaks OpenAI's format. Raises ``ValueError`` for a bad base address."""

    __slots__ = ("_chat", "_embeddings", "_models", "_pool", "_profile")

    def __init__(self, profile: OpenAIProfile, pool: HttpPool) -> None:
        name, base, headers = profile.name, profile.base_url, profile.headers()
        self._profile = profile
        self._pool = pool
        self._chat = endpoint(name, "POST", base, "/chat/completions", headers)
        self._embeddings = endpoint(name, "POST", base, "/embeddings", headers)
        self._models = endpoint(name, "GET", base, profile.models_path, headers)

    @property
    def name(self) -> str:
        """The provider's id, as in the catalog."""
        return self._profile.name

    async def complete(self, call: ProviderCall, timeouts: Timeouts) -> ChatResult:
        """A whole answer. Raises ``ProviderFailure``."""
        body = encode_chat(call, self._profile, stream=False)
        answer = await self._pool.fetch(self._chat, body, timeouts)
        call.signals += self._profile.limit_signals(answer.headers)
        self._check_status(answer, call.card)
        if answer.body.startswith(_SSE_STARTS):
            # A server that always streams.
            collector = Collector()
            decoder = ChatStreamDecoder(self._profile, call, answer.headers)
            collector.add(decoder.feed(answer.body))
            collector.add(decoder.end())
            return collector.result()
        return decode_chat(answer.body, answer.headers, self._profile, call)

    async def stream(self, call: ProviderCall, timeouts: Timeouts) -> AsyncIterator[list[Chunk]]:
        """An answer in batches of chunks, one batch a network read, the first with something
        meaningful in it. Raises ``ProviderFailure``; closing it closes the connection."""
        body = encode_chat(call, self._profile, stream=True)
        source = await self._pool.stream(self._chat, body, timeouts)
        decoder = ChatStreamDecoder(self._profile, call, source.headers)
        try:
            call.signals += self._profile.limit_signals(source.headers)
            if not 200 <= source.status < 300:
                raise self._profile.failure(
                    source.status, source.headers, await source.read_rest(), call.card
                )
            begun = False
            held: list[Chunk] = []
            while True:
                try:
                    data = await source.read()
                    chunks = decoder.feed(data) if data else decoder.end()
                except (StreamCut, StreamStalled):
                    if not decoder.complete:
                        raise
                    # Every choice had ended: only the end mark is missing.
                    chunks = []
                    decoder.settle(chunks)
                if not begun:
                    held += chunks
                    if not decoder.done and not any(chunk.meaningful for chunk in chunks):
                        continue
                    begun, chunks = True, held
                    source.answering()
                if decoder.done:
                    source.finish()
                    yield chunks
                    return
                if decoder.complete:
                    source.answering(END_GRACE_S)
                if chunks:
                    yield chunks
        finally:
            source.close()

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        """Vectors of texts, in their order. Raises ``ProviderFailure``."""
        request: JsonObject = {
            "model": card.provider_model_id,
            "input": list(inputs),
            "encoding_format": "float",
        }
        if dimensions is not None:
            request["dimensions"] = dimensions
        answer = await self._pool.fetch(self._embeddings, dump(request, self.name), timeouts)
        parsed = self._parse(answer, card)
        vectors = _vectors(parsed, len(inputs), self.name)
        usage = read_usage({"usage": _with_completion(parsed.get("usage"))})
        tokens = sum(map(estimate_tokens, inputs)) if usage is None else usage.prompt_tokens
        return EmbeddingResult(vectors, tokens)

    async def list_models(self, timeouts: Timeouts) -> list[str]:
        """The ids that the provider lists as answering today. Raises ``ProviderFailure``."""
        answer = await self._pool.fetch(self._models, None, timeouts)
        self._check_status(answer, None)
        try:
            parsed: JsonValue = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise malformed(self.name, "the model list is not JSON") from None
        if isinstance(parsed, dict) and is_error(parsed):
            raise self._profile.failure_of(200, answer.headers, error_facts(parsed), None)
        ids = self._profile.model_ids(parsed)
        if ids is None:
            raise malformed(self.name, "the model list")
        return ids

    def _check_status(self, answer: Answer, card: ModelCard | None) -> None:
        if not 200 <= answer.status < 300:
            raise self._failure(answer, card)

    def _failure(self, answer: Answer, card: ModelCard | None) -> ProviderFailure:
        return self._profile.failure(answer.status, answer.headers, answer.body, card)

    def _parse(self, answer: Answer, card: ModelCard) -> JsonObject:
        """The object in the body of a 2xx response that is no error."""
        self._check_status(answer, card)
        try:
            parsed: JsonValue = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise malformed(self.name, "the body is not JSON") from None
        if not isinstance(parsed, dict):
            raise malformed(self.name, "the body is not an object")
        if is_error(parsed):
            raise self._profile.failure_of(200, answer.headers, error_facts(parsed), card)
        return parsed


def _with_completion(usage: JsonValue) -> JsonValue:
    """An embedding's usage tells no completion tokens."""
    return {"completion_tokens": 0, **usage} if isinstance(usage, dict) else None


def _vectors(parsed: JsonObject, expected: int, provider: str) -> list[list[float]]:
    """The vectors of an embeddings answer, sorted by index. Raises ``MalformedAnswer``."""
    data = parsed.get("data")
    if not isinstance(data, list) or len(data) != expected:
        raise malformed(provider, "data")
    vectors: dict[int, list[float]] = {}
    for place, item in enumerate(data):
        vector = item.get("embedding") if isinstance(item, dict) else None
        index = item.get("index", place) if isinstance(item, dict) else None
        if not isinstance(vector, list) or not isinstance(index, int) or not vector:
            raise malformed(provider, "data.embedding")
        numbers = [float(number) for number in vector if isinstance(number, int | float)]
        if len(numbers) != len(vector):
            raise malformed(provider, "data.embedding")
        vectors[index] = numbers
    if sorted(vectors) != list(range(expected)):
        raise malformed(provider, "data.index")
    return [vectors[index] for index in range(expected)]
