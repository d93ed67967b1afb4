"""How a function speaks on one path: OpenAI's way everywhere but where a path says otherwise.

Handlers and domain code know no dialect. What differs is told here: how an error looks, how a
stream's pieces are written, and whether every client can take a job instead of an answer.
"""

from __future__ import annotations

from typing import Protocol

import orjson
from msgspec import Struct

from shared.edge.asgi import JSON_TYPE, Header
from shared.edge.errors import error_headers, error_object, response_body
from shared.edge.sse import ChunkEncoder, error_event
from shared.errors import CodeexError
from shared.messages import Chunk, JsonObject, Usage


class Failed(Struct, frozen=True):
    """The whole response of a call that ended in an error, but for the headers of every call."""

    status: int
    headers: list[Header]
    body: bytes


class StreamEncoder(Protocol):
    """Writes the pieces of one streamed answer as server-sent events."""

    def set_model(self, model: str) -> None:
        """The catalog id that answers from here on."""
        ...

    def encode(self, chunks: list[Chunk]) -> bytes:
        """The frames of one batch, joined; empty when there is nothing to send yet."""
        ...

    def finish(self, usage: Usage, include_usage: bool, receipt: JsonObject) -> bytes:
        """The frames that close the stream."""
        ...


class Dialect(Protocol):
    """One way of speaking."""

    @property
    def takes_jobs(self) -> bool:
        """Whether every client that speaks so can take a job instead of the answer."""
        ...

    def encoder(self, completion_id: str, created: int) -> StreamEncoder:
        """The encoder of one stream. ``created`` in Unix seconds."""
        ...

    def failed(self, error: CodeexError, request_id: str) -> Failed:
        """The response of a call that had none before."""
        ...

    def failed_event(self, error: CodeexError, request_id: str) -> bytes:
        """The frames that end a stream which has begun."""
        ...


class OpenAIDialect:
    """The contract's own: OpenAI's shapes."""

    __slots__ = ()
    takes_jobs = False

    def encoder(self, completion_id: str, created: int) -> StreamEncoder:
        """OpenAI's chunks."""
        return ChunkEncoder(completion_id, created)

    def failed(self, error: CodeexError, request_id: str) -> Failed:
        """The error's own status; a queued request's body is its job."""
        body = orjson.dumps(response_body(error, request_id))
        return Failed(error.status, [JSON_TYPE, *error_headers(error)], body)

    def failed_event(self, error: CodeexError, request_id: str) -> bytes:
        """The typed error event."""
        return error_event(error_object(error, request_id))


OPENAI = OpenAIDialect()
