"""The one small interface every provider stands behind, and the three axes it is built from.

* ``ProviderProfile``: who is asked: base address, authentication, limit headers, error bodies.
* a wire (``openai_wire``, ``gemini_wire``): how a call is written and an answer read.
* ``ModelCard``: what is asked for.

An adapter is a profile joined to a wire. A new provider is one file with a profile and its data
in ``models.json``; routing never learns its name (R22.10).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from msgspec import Struct, field

from shared.errors import ProviderFailure
from shared.messages import ChatRequest, ChatResult, Chunk, JsonObject
from shared.model import ModelCard


class Timeouts(Struct):
    """For one attempt, in seconds. ``total`` caps everything (the request's deadline).

    ``first_byte``: to the first byte of the body of a plain call, to the first *meaningful* event
    of a stream. ``stall``: longest silence between two reads after that. ``connect``: to a new
    connection, inside ``first_byte``.
    """

    first_byte: float
    stall: float
    total: float
    connect: float = 3.0


class LimitSignal(Struct):
    """What a response header or error body tells of a limit. It may only tighten ours.

    ``dimension`` is "requests" or "tokens", ``window`` "minute", "hour", "day" or "month";
    ``remaining`` and ``limit`` None where not told; ``reset_s`` seconds until it is full again.
    """

    dimension: str
    window: str
    remaining: int | None = None
    limit: int | None = None
    reset_s: float | None = None


class ProviderCall(Struct):
    """One attempt: this request at this model. ``messages`` may differ from the request's (fitted
    to the window, or with a released prefix); None means the request's own."""

    card: ModelCard
    request: ChatRequest
    messages: list[JsonObject] | None = None
    max_tokens: int | None = None
    signals: list[LimitSignal] = field(default_factory=list)  # filled by the adapter


class EmbeddingResult(Struct):
    """Vectors in the order of the inputs."""

    vectors: list[list[float]]
    prompt_tokens: int


class ChatProvider(Protocol):
    """What routing calls. Every method raises ``ProviderFailure`` and nothing else on failure;
    cancelling the task (or closing the generator) aborts the provider call at once."""

    @property
    def name(self) -> str:
        """The provider's id, as in the catalog."""
        ...

    async def complete(self, call: ProviderCall, timeouts: Timeouts) -> ChatResult:
        """A whole answer."""
        ...

    def stream(self, call: ProviderCall, timeouts: Timeouts) -> AsyncIterator[list[Chunk]]:
        """An answer in batches of chunks (one batch a network read, never empty).

        The iterator ends normally only after the provider's explicit end; an end before it
        raises ``StreamCut``, silence ``FirstByteTimeout`` or ``StreamStalled``.
        """
        ...

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        """Vectors of texts."""
        ...

    async def list_models(self, timeouts: Timeouts) -> list[str]:
        """The provider's own model ids that answer today."""
        ...


class ProviderProfile(Protocol):
    """The provider axis: data and three small parsers."""

    name: str
    base_url: str

    def headers(self) -> Mapping[str, str]:
        """Authentication and fixed headers."""
        ...

    def limit_signals(self, headers: Mapping[str, str]) -> list[LimitSignal]:
        """Limits told by the headers of any response."""
        ...

    def failure(
        self, status: int, headers: Mapping[str, str], body: bytes, card: ModelCard | None
    ) -> ProviderFailure:
        """The failure that an error response (or an error body inside a 200) means."""
        ...
