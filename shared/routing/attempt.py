"""The clocks of one attempt (contract, Chat: time to a provider's first byte; R5.4, R13.6)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.config import TimeoutConfig
from shared.messages import ChatRequest
from shared.model import Feature, ModelCard
from shared.providers.base import Timeouts
from shared.routing.options import EXPECTED_OUTPUT

# Kept back of the deadline to write the answer (R5, decision: never outlives the deadline).
RESERVE_S = 0.1
# Contract, Chat: a plain call gets a second more for every 40 tokens it may write.
TOKENS_PER_EXTRA_S = 40.0
# R5.4: the retry after a timeout gets this many times as long.
LONGER = 2.0


class _Own(Struct, frozen=True):
    """One provider's configured seconds."""

    first_byte: float
    plain_max: float
    stall: float
    connect: float


class AttemptClocks:
    """Timeouts for attempts, from the runtime configuration in force."""

    __slots__ = ("_config", "_own", "_read")

    def __init__(self, read: Callable[[], TimeoutConfig]) -> None:
        self._read = read
        self._config: TimeoutConfig | None = None
        self._own: dict[str, _Own] = {}

    def minimum(self) -> float:
        """Seconds an attempt needs left to be started at all."""
        return self._read().minimum

    def streams(self, request: ChatRequest, card: ModelCard) -> bool:
        """Whether the call is made as a stream: the client wants one, or a plain answer may take
        longer than a plain call is waited for. Never where the model cannot (R23.3)."""
        if Feature.STREAMING not in card.features:
            return False
        if Feature.SCHEMA_STREAMING not in card.features and _under_schema(request):
            return False
        if request.stream:
            return True
        own = self._of(card.provider)
        return own.first_byte + _extra(request) > own.plain_max

    def timeouts(
        self, request: ChatRequest, card: ModelCard, streams: bool, left: float, earlier: float
    ) -> Timeouts:
        """Seconds for one attempt with ``left`` until the deadline. ``earlier``: the longest
        first-byte timeout this request has already run into there (0: none)."""
        own = self._of(card.provider)
        first_byte = own.first_byte
        if not streams:
            first_byte = min(own.plain_max, first_byte + _extra(request))
        if earlier:
            first_byte = max(first_byte, earlier * LONGER)
        total = max(0.0, left - RESERVE_S)
        return Timeouts(min(first_byte, total), own.stall, total, own.connect)

    def _of(self, provider: str) -> _Own:
        config = self._read()
        if config is not self._config:
            self._config = config
            self._own = {}
        own = self._own.get(provider)
        if own is None:
            given = config.of(provider)
            own = self._own[provider] = _Own(
                given.first_byte or config.first_byte,
                given.plain_max or config.plain_max,
                given.stall or config.stall,
                given.connect or config.connect,
            )
        return own


def _under_schema(request: ChatRequest) -> bool:
    return any(need.feature is Feature.JSON_SCHEMA for need in request.needs)


def _extra(request: ChatRequest) -> float:
    return (request.max_tokens or EXPECTED_OUTPUT) / TOKENS_PER_EXTRA_S
