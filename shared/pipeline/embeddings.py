"""What happens to one embeddings request: choose the model, ask its provider once or twice.

Every call has a permit, and a failure closes the same as in chat, on every instance (R6, P27).
There is no fallback to another model: vectors of different models share no space, so an answer
from elsewhere would be worse than an error (reference: Gemini embedding pages).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

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
from shared.permits import NONE_ALLOWED, Refusal
from shared.providers.base import ChatProvider, EmbeddingResult, Timeouts
from shared.routing.account import close_for_all
from shared.routing.ordering import LIMITS
from shared.routing.ports import Quotas
from shared.tokens import estimate_tokens

# R7.2: the embedder of the house; "auto" means this one.
DEFAULT_EMBEDDER = "google-gemini-embedding-001"
ATTEMPTS = 2


class EmbeddingPipeline(Struct):
    """Embeds texts with one model."""

    catalog: Callable[[], Catalog]
    provider_of: Callable[[str], ChatProvider | None]
    pays: Callable[[str], bool]
    timeouts: Callable[[], TimeoutConfig]
    quotas: Quotas

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
        """Vectors of ``inputs``. Raises a ``CodeexError`` that names the provider;
        ``CapacityExhausted`` at its limit, ``StoreUnavailable`` where nobody can count."""
        provider = self.provider_of(card.provider)
        if provider is None:
            raise FeatureDisabled(f"{card.provider} has no key")
        own = self.timeouts().of(card.provider)
        limit = own.plain_max or 20.0
        tokens = max(1, sum(estimate_tokens(text) for text in inputs))
        for attempt in range(1, ATTEMPTS + 1):
            budget = deadline.cap(limit * attempt)
            if budget <= 0:
                break
            quotas = self.quotas
            permit = quotas.take(card, tokens) or await quotas.acquire(card, tokens, deadline)
            if isinstance(permit, Refusal):
                raise _refused(permit, card, deadline)
            used = tokens  # what is never heard counts as estimated
            try:
                result = await provider.embed(
                    card, inputs, dimensions, Timeouts(budget, budget, budget)
                )
                used = result.prompt_tokens or tokens
                return result
            except ProviderFailure as failure:
                if not failure.may_have_spent:
                    used = 0
                close_for_all(quotas, card, failure)
                if attempt == ATTEMPTS or not failure.retryable_same:
                    raise _client_error(failure, card) from None
            finally:
                quotas.settle(permit, used)
        raise DeadlineExceeded("the deadline passed before the embeddings came; ask again")

    def _names(self) -> list[str]:
        cards = self.catalog().with_capability(Capability.EMBEDDING)
        return [card.id for card in cards]


def _refused(refusal: Refusal, card: ModelCard, deadline: Deadline) -> CodeexError:
    if refusal.reason == "too_large":
        return InvalidRequest(
            f"the input is larger than what the limits of {card.id} allow in one request; split it",
            param="input",
        )
    if refusal is NONE_ALLOWED:
        return CapacityExhausted(
            f"the limits in force allow {card.id} no request; the operator can raise them",
            retry_after=10.0,
        )
    wait = max(1.0, refusal.until - deadline.clock.monotonic())
    if refusal.reason in LIMITS:
        return CapacityExhausted(
            f"{card.id} is at its limit; capacity returns in about {wait:.0f} s", retry_after=wait
        )
    return ProviderError(
        f"{card.provider} cannot be asked right now ({refusal.reason}); try again in {wait:.0f} s",
        retry_after=wait,
        details={"provider": card.provider},
    )


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
