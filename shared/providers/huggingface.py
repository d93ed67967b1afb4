"""Hugging Face's router (huggingface.co/docs/inference-providers): one key, many backends.

Bodies and errors are those of the backend that served, so everything is read tolerantly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared.errors import NotOnThisKey, PaymentRequired, ProviderFailure
from shared.messages import JsonValue
from shared.model import ModelCard
from shared.providers.base import LimitSignal
from shared.providers.error_body import ErrorFacts
from shared.providers.failures import Rule, on
from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_wire import OpenAIProvider
from shared.providers.waits import ietf_limits, until_next_month
from shared.settings import ProviderSettings


class HuggingFaceProfile(OpenAIProfile):
    """The IETF draft's limit headers; a monthly credit that ends in a 402."""

    max_tokens_field = "max_tokens"
    # Backends behind the router differ; an end-user id means nothing to them.
    refused_fields = frozenset({"user"})
    rules = (
        Rule(
            NotOnThisKey,
            on(400, 404),
            says=("not supported by any provider", "not supported by provider"),
        ),
        Rule(PaymentRequired, on(200, 402, 429), says=("monthly included credits",)),
    )

    def limit_signals(self, headers: Mapping[str, str]) -> list[LimitSignal]:
        """What ``ratelimit`` tells."""
        return ietf_limits(headers)

    def failure_of(
        self, status: int, headers: Mapping[str, str], facts: ErrorFacts, card: ModelCard | None
    ) -> ProviderFailure:
        """The common mapping; used-up credit returns on the first of the month."""
        failure = super().failure_of(status, headers, facts, card)
        if isinstance(failure, PaymentRequired) and failure.wait_s is None:
            failure.wait_s = until_next_month(self.wall())
        return failure

    def thinks_in_text(self, card: ModelCard) -> bool:
        """Any backend may leave the thoughts in the text."""
        return True

    def is_live(self, entry: JsonValue) -> bool:
        """A model is served while one of its backends is live; without a list of backends, too."""
        backends = entry.get("providers") if isinstance(entry, dict) else None
        if not isinstance(backends, list):
            return True
        return any(
            isinstance(backend, dict) and backend.get("status", "live") == "live"
            for backend in backends
        )


def huggingface(
    settings: ProviderSettings, pool: HttpPool, wall: Callable[[], float]
) -> OpenAIProvider:
    """The adapter. Raises ``CannotStart`` or ``ValueError``."""
    return OpenAIProvider(HuggingFaceProfile(settings, wall), pool)
