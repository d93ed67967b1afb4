"""Any OpenAI-compatible server the operator runs himself: Ollama, vLLM, LM Studio, llama.cpp.

The proof that a provider is one file (R22.10): nothing else in the house knows that it exists but
its settings and its cards.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.model import ModelCard
from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_wire import OpenAIProvider
from shared.settings import ProviderSettings


class LocalServerProfile(OpenAIProfile):
    """A key where one is set, the field names that old servers know, no limits to be told."""

    max_tokens_field = "max_tokens"
    needs_key = False

    def thinks_in_text(self, card: ModelCard) -> bool:
        """Servers without a reasoning parser leave the thoughts in the text."""
        return True


def local_server(
    settings: ProviderSettings, pool: HttpPool, wall: Callable[[], float]
) -> OpenAIProvider:
    """The adapter. Raises ``ValueError`` for a bad base address."""
    return OpenAIProvider(LocalServerProfile(settings, wall), pool)
