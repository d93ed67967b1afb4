"""What happens to one embeddings request: choose the model, ask its provider once or twice.

There is no fallback to another model: vectors of different models share no space, so an answer
from elsewhere would be worse than an error (reference: Gemini embedding pages).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.catalog.registry import Catalog
from shared.clock import Deadline
from shared.config import TimeoutConfig
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    DeadlineExceeded,
    FeatureDisabled,
    InvalidRequest,
    ModelNotFound,
    ProviderError,
    ProviderFailure,
    QuotaExceeded,
    RequestRejected,
)
from shared.model import Capability, ModelCard
from shared.providers.base import ChatProvider, EmbeddingResult, Timeouts

# R7.2: the embedder of the house; "auto" means this one.
DEFAULT_EMBEDDER = "google-gemini-embedding-001"
ATTEMPTS = 2


@dataclass(slots=True)
class EmbeddingPipeline:
    """Embeds texts with one model."""

    catalog: Callable[[], Catalog]
    provider_of: Callable[[str], ChatProvider | None]
    pays: Callable[[str], bool]
    timeouts: Callable[[], TimeoutConfig]

    def choose(self, name: str) -> ModelCard:
        """The living embedding model that ``name`` means.

        Raises ``ModelNotFound``, ``InvalidRequest`` (not an embedding model) and
        ``FeatureDisabled`` (its provider has no key, or the model has to be paid for).
        """
        catalog = self.catalog()
        found = catalog.find(DEFAULT_EMBEDDER if name == "auto" else name)
        if not found:
            raise ModelNotFound(
                f"no model {name[:100]!r}; embedding models: {', '.join(self._names())}",
                param="model",
            )
        fitting = [card for card in found if Capability.EMBEDDING in card.capabilities]
        if not fitting:
            raise InvalidRequest(
                f"{found[0].id} makes no embeddings; use {' or '.join(self._names())}",
                param="model",
            )
        card = catalog.resolve(fitting[0]).card
        if card is None or self.provider_of(card.provider) is None:
            raise FeatureDisabled(
                f"{fitting[0].id} is not available: set the key of {fitting[0].provider}"
            )
        if card.free_tier == "none" and not self.pays(card.provider):
            raise FeatureDisabled(
                f"{card.id} has no free tier; add {card.provider} to PAID_PROVIDERS to use it"
            )
        return card

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, deadline: Deadline
    ) -> EmbeddingResult:
        """Vectors of ``inputs``. Raises a ``CodeexError`` that names the provider."""
        provider = self.provider_of(card.provider)
        if provider is None:
            raise FeatureDisabled(f"{card.provider} has no key")
        own = self.timeouts().of(card.provider)
        limit = own.plain_max or 20.0
        for attempt in range(1, ATTEMPTS + 1):
            budget = deadline.cap(limit * attempt)
            if budget <= 0:
                break
            try:
                return await provider.embed(
                    card, inputs, dimensions, Timeouts(budget, budget, budget)
                )
            except ProviderFailure as failure:
                if attempt == ATTEMPTS or not failure.retryable_same:
                    raise _client_error(failure, card) from None
        raise DeadlineExceeded("the deadline passed before the embeddings came; ask again")

    def _names(self) -> list[str]:
        cards = self.catalog().with_capability(Capability.EMBEDDING)
        return [card.id for card in cards]


def _client_error(failure: ProviderFailure, card: ModelCard) -> CodeexError:
    if isinstance(failure, RequestRejected):
        return InvalidRequest(failure.message, param=failure.param)
    if isinstance(failure, QuotaExceeded):
        return CapacityExhausted(
            f"{card.id} is at its limit; try again later", retry_after=failure.wait_s or 10.0
        )
    return ProviderError(
        f"{card.provider} could not embed ({failure.outcome}); try again",
        details={"provider": card.provider},
    )
