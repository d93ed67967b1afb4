"""ElevenLabs (elevenlabs.io/docs/api-reference): speech only; here are its key, its errors and
its model list. It has no chat and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from shared.errors import (
    KeyRejected,
    ModelGone,
    NotOnThisKey,
    Overloaded,
    PaymentRequired,
    QuotaExceeded,
    RequestTooLarge,
)
from shared.messages import ChatResult, Chunk, JsonValue
from shared.model import ModelCard
from shared.providers.base import EmbeddingResult, LimitSignal, ProviderCall, Timeouts
from shared.providers.failures import Rule, on, words
from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_wire import OpenAIProvider
from shared.providers.waits import parse_count
from shared.settings import ProviderSettings


class ElevenLabsProfile(OpenAIProfile):
    """A key of its own header; a 401 is not always the key's fault."""

    models_path = "/v1/models"
    rules = (
        # The month's characters are used up: sent as 401.
        Rule(QuotaExceeded, on(401, 402, 429), words("quota_exceeded"), window="month"),
        Rule(QuotaExceeded, on(429), words("too_many_concurrent_requests"), window="minute"),
        Rule(Overloaded, on(429, 503), words("system_busy")),
        Rule(NotOnThisKey, on(402), words("paid_plan_required")),
        Rule(NotOnThisKey, on(403), words("only_for_creator+ model_access_denied")),
        Rule(PaymentRequired, on(402)),
        Rule(
            KeyRejected,
            on(401, 403),
            words("invalid_api_key detected_unusual_activity missing_permissions"),
        ),
        Rule(
            RequestTooLarge, on(400, 413, 422), words("max_character_limit_exceeded text_too_long")
        ),
        Rule(ModelGone, on(400, 404, 422), words("model_not_found invalid_model_id")),
    )

    def headers(self) -> Mapping[str, str]:
        """``xi-api-key``."""
        return {"xi-api-key": self.key} if self.key else {}

    def limit_signals(self, headers: Mapping[str, str]) -> list[LimitSignal]:
        """How many more requests may run beside this one, told as requests of the minute."""
        running = parse_count(headers.get("current-concurrent-requests"))
        most = parse_count(headers.get("maximum-concurrent-requests"))
        if running is None or most is None or running < most:
            return []
        return [LimitSignal("requests", "minute", remaining=0, reset_s=1.0)]

    def model_ids(self, parsed: JsonValue) -> list[str] | None:
        """The list is bare and its ids are called ``model_id``."""
        if not isinstance(parsed, list):
            return None
        ids = [entry.get("model_id") for entry in parsed if isinstance(entry, dict)]
        return [model for model in ids if isinstance(model, str) and model]


class ElevenLabsProvider:
    """The adapter: its model list answers, chat does not exist.

    Raises ``CannotStart`` without a key, ``ValueError`` for a bad base address.
    """

    __slots__ = ("_listing", "profile")

    def __init__(
        self, settings: ProviderSettings, pool: HttpPool, wall: Callable[[], float]
    ) -> None:
        self.profile = ElevenLabsProfile(settings, wall)
        self._listing = OpenAIProvider(self.profile, pool)

    @property
    def name(self) -> str:
        """``elevenlabs``."""
        return self.profile.name

    async def complete(self, call: ProviderCall, timeouts: Timeouts) -> ChatResult:
        """Raises ``NotOnThisKey``: no model here chats."""
        raise self._no_chat()

    def stream(self, call: ProviderCall, timeouts: Timeouts) -> AsyncIterator[list[Chunk]]:
        """Raises ``NotOnThisKey``: no model here chats."""
        raise self._no_chat()

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        """Raises ``NotOnThisKey``: no model here embeds."""
        raise self._no_chat()

    async def list_models(self, timeouts: Timeouts) -> list[str]:
        """The ids of the speech models this key may use. Raises ``ProviderFailure``."""
        return await self._listing.list_models(timeouts)

    def _no_chat(self) -> NotOnThisKey:
        return NotOnThisKey(
            f"{self.name} makes speech only: it has no chat and no embeddings", provider=self.name
        )
