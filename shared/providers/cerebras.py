"""Cerebras (inference-docs.cerebras.ai): OpenAI's format, the window in the header's name."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import FieldUnsupported, Overloaded
from shared.providers.failures import Rule, on, words
from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_wire import OpenAIProvider
from shared.providers.waits import LimitHeaders
from shared.settings import ProviderSettings


def _told(dimension: str, window: str) -> LimitHeaders:
    return LimitHeaders(
        dimension,
        window,
        f"x-ratelimit-remaining-{dimension}-{window}",
        f"x-ratelimit-limit-{dimension}-{window}",
        f"x-ratelimit-reset-{dimension}-{window}",
    )


class CerebrasProfile(OpenAIProfile):
    """Limits by day and by minute, resets in decimal seconds, error bodies sometimes bare."""

    limits = (_told("requests", "day"), _told("tokens", "minute"))
    rules = (
        # Traffic of everybody, not a quota of this key.
        Rule(Overloaded, on(200, 429, 503), words("queue_exceeded"), ("high traffic",)),
        # An https image, or any image to a text model, is refused: another provider takes it.
        Rule(
            FieldUnsupported,
            on(400, 422),
            says=("image_url", "image input", "base64"),
            param="messages",
        ),
    )


def cerebras(
    settings: ProviderSettings, pool: HttpPool, wall: Callable[[], float]
) -> OpenAIProvider:
    """The adapter. Raises ``CannotStart`` or ``ValueError``."""
    return OpenAIProvider(CerebrasProfile(settings, wall), pool)
