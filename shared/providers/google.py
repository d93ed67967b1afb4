"""Google AI Studio: Gemini's REST interface on the instance's shared HTTP pool.

Chat is spoken directly, without google-genai, whose import and objects cost more than the whole
request (measured: docs/providers/google.md). The key travels in a header, never in an address.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import orjson

from shared.errors import MalformedAnswer, ProviderFailure, StreamCut
from shared.messages import ChatResult, Chunk, JsonObject, JsonValue
from shared.model import ModelCard
from shared.providers.base import EmbeddingResult, ProviderCall, Timeouts
from shared.providers.gemini_decode import PROVIDER, decode_response, malformed
from shared.providers.gemini_embed import (
    MAX_BATCH,
    EmbeddingTask,
    decode_embeddings,
    encode_embedding,
)
from shared.providers.gemini_encode import encode_request
from shared.providers.gemini_errors import error_object, error_response
from shared.providers.gemini_stream import AnswerStream, EventReader
from shared.providers.gemini_traits import serving_id, traits_of
from shared.providers.http import Answer, ByteStream, Endpoint, HttpPool, endpoint
from shared.providers.openai_profile import CannotStart
from shared.providers.openai_request import dump
from shared.settings import ProviderSettings

_API = "/v1beta"
# How long the usage may take once the answer has ended, in seconds; it comes with the end.
END_GRACE_S = 2.0
_PAGE_SIZE = 1000
# More pages than any list of models has; a server that repeats its token ends here.
_MAX_PAGES = 20


class GoogleProvider:
    """The Google adapter (``ChatProvider``). ``wall`` tells Unix time, for quotas of the day.

    Raises ``CannotStart`` without a key, unless the provider is simulated (R22.7).
    """

    def __init__(
        self, settings: ProviderSettings, pool: HttpPool, wall: Callable[[], float]
    ) -> None:
        if not settings.api_key and settings.state != "simulated":
            raise CannotStart(settings.reason or "GOOGLE_API_KEY not set")
        self.name = settings.name
        self._pool = pool
        self._wall = wall
        self._key = settings.api_key
        self._base_url = settings.base_url.removesuffix(_API) + _API
        self._endpoints: dict[tuple[str, str], Endpoint] = {}

    def __repr__(self) -> str:
        return f"<GoogleProvider {self.name}>"

    async def complete(self, call: ProviderCall, timeouts: Timeouts) -> ChatResult:
        """A whole answer of ``generateContent``. Raises ``ProviderFailure``."""
        target = self._model_endpoint(call.card, "generateContent")
        answer = await self._pool.fetch(target, self._body(call), timeouts)
        response = self._parsed(answer, call)
        if not isinstance(response, dict):
            raise malformed("the answer is not an object")
        return decode_response(response, call)

    async def stream(self, call: ProviderCall, timeouts: Timeouts) -> AsyncIterator[list[Chunk]]:
        """An answer of ``streamGenerateContent`` in batches of chunks; see ``ChatProvider``."""
        target = self._model_endpoint(call.card, "streamGenerateContent?alt=sse")
        source = await self._pool.stream(target, self._body(call), timeouts)
        try:
            if source.status >= 300:
                body = await source.read_rest()
                raise self._failed(Answer(source.status, source.headers, body), call)
            answer = AnswerStream(call, lambda response: self._told(response, call))
            reading = _Reading(source, answer)
            while chunks := await reading.batch():
                if reading.done:
                    # Nothing more can come; the connection is kept while its end mark arrives.
                    source.finish()
                    yield chunks
                    return
                yield chunks
        finally:
            source.close()

    async def embed(
        self,
        card: ModelCard,
        inputs: list[str],
        dimensions: int | None,
        timeouts: Timeouts,
        task: EmbeddingTask | None = None,
    ) -> EmbeddingResult:
        """Unit vectors of ``inputs``; ``task`` says what they are for, None: the model's default.

        More texts than one batch takes are sent in several, each with these timeouts.
        """
        vectors: list[list[float]] = []
        tokens = 0
        for begin in range(0, len(inputs), MAX_BATCH):
            part = inputs[begin : begin + MAX_BATCH]
            requests: list[JsonValue] = [
                encode_embedding(card.provider_model_id, text, dimensions, task) for text in part
            ]
            single = len(part) == 1
            target = self._model_endpoint(card, "embedContent" if single else "batchEmbedContents")
            body = orjson.dumps(requests[0] if single else {"requests": requests})
            response = self._parsed(await self._pool.fetch(target, body, timeouts))
            found, counted = decode_embeddings(response, part, dimensions)
            vectors += found
            tokens += counted
        return EmbeddingResult(vectors, tokens)

    async def list_models(self, timeouts: Timeouts) -> list[str]:
        """The ids on Google's list. Rerouted ids stay on it, so presence proves no identity."""
        models: list[str] = []
        token = ""
        for _ in range(_MAX_PAGES):
            page = f"/models?pageSize={_PAGE_SIZE}"
            target = self._endpoint("GET", page + (f"&pageToken={quote(token)}" if token else ""))
            response = self._parsed(await self._pool.fetch(target, None, timeouts))
            found = response.get("models", []) if isinstance(response, dict) else None
            if not isinstance(response, dict) or not isinstance(found, list):
                raise malformed("the list of models is no list")
            for model in found:
                name = model.get("name") if isinstance(model, dict) else None
                if isinstance(name, str) and name:
                    models.append(name.removeprefix("models/"))
            following = response.get("nextPageToken")
            if not isinstance(following, str) or following in ("", token):
                break
            token = following
        return models

    def _body(self, call: ProviderCall) -> bytes:
        card = call.card
        today = ""
        if card.serves is not None:
            today = time.strftime("%Y-%m-%d", time.gmtime(self._wall()))
        return dump(encode_request(call, traits_of(serving_id(card, today))), PROVIDER)

    def _parsed(self, answer: Answer, call: ProviderCall | None = None) -> JsonValue:
        """The JSON of a success. Raises ``ProviderFailure``, also for an error inside a 200."""
        if answer.status >= 300:
            raise self._failed(answer, call)
        try:
            parsed: JsonValue = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise malformed("the body is not JSON") from None
        if isinstance(parsed, list) and len(parsed) == 1:
            parsed = parsed[0]
        if isinstance(parsed, dict) and parsed.get("error"):
            raise self._told(parsed, call)
        return parsed

    def _failed(self, answer: Answer, call: ProviderCall | None) -> ProviderFailure:
        error = error_response(
            answer.status,
            answer.headers,
            answer.body,
            wall=self._wall(),
            secret=self._key,
            model=call.card.provider_model_id if call is not None else "",
        )
        if call is not None:
            call.signals.extend(error.signals)
        return error.failure

    def _told(self, response: JsonObject, call: ProviderCall | None) -> ProviderFailure:
        error = error_object(response, wall=self._wall(), secret=self._key)
        if call is not None:
            call.signals.extend(error.signals)
        return error.failure

    def _model_endpoint(self, card: ModelCard, method: str) -> Endpoint:
        key = (card.provider_model_id, method)
        known = self._endpoints.get(key)
        if known is None:
            known = self._endpoint("POST", f"/models/{card.provider_model_id}:{method}")
            self._endpoints[key] = known
        return known

    def _endpoint(self, method: str, path: str) -> Endpoint:
        headers = {"x-goog-api-key": self._key} if self._key else {}
        return endpoint(self.name, method, self._base_url, path, headers)


class _Reading:
    """A body turned into batches of chunks."""

    __slots__ = ("_answer", "_answering", "_events", "_source")

    def __init__(self, source: ByteStream, answer: AnswerStream) -> None:
        self._source = source
        self._answer = answer
        self._events = EventReader()
        self._answering = False

    @property
    def done(self) -> bool:
        """Whether the answer has ended and its usage was handed out: nothing more can come."""
        return self._answer.usage_sent

    async def batch(self) -> list[Chunk]:
        """The next chunks; empty after the answer's end. Raises ``ProviderFailure``."""
        source, answer = self._source, self._answer
        while not self.done:
            try:
                data = await source.read()
            except ProviderFailure:
                if answer.complete:
                    return answer.last()  # only the usage or the end of the body was missing
                raise
            if not data:
                return self._rest()
            chunks = [chunk for event in self._events.feed(data) for chunk in answer.event(event)]
            if answer.complete:
                source.answering(END_GRACE_S)
            elif not self._answering and any(chunk.meaningful for chunk in chunks):
                self._answering = True
                source.answering()
            if chunks:
                return chunks
        return []

    def _rest(self) -> list[Chunk]:
        """What stands at the end of the body without its closing blank line, if it is whole."""
        answer = self._answer
        chunks: list[Chunk] = []
        if not answer.complete:
            try:
                for event in self._events.end():
                    chunks.extend(answer.event(event))
            except MalformedAnswer:
                pass  # an event cut in the middle; what is missing shows below
        if not answer.ended:
            raise StreamCut("google ended the stream before the answer's end", provider=PROVIDER)
        return chunks + answer.last()
