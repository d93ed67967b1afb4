"""Groq (console.groq.com/docs): OpenAI's format, its own limit headers and error codes."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import BadToolCall, Overloaded
from shared.providers.failures import Rule, on, words
from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.openai_wire import OpenAIProvider
from shared.providers.waits import LimitHeaders
from shared.settings import ProviderSettings


class GroqProfile(OpenAIProfile):
    """Requests are told per day, tokens per minute; waits are durations such as ``2m59.56s``."""

    limits = (
        LimitHeaders(
            "requests",
            "day",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-limit-requests",
            "x-ratelimit-reset-requests",
        ),
        LimitHeaders(
            "tokens",
            "minute",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-limit-tokens",
            "x-ratelimit-reset-tokens",
        ),
    )
    rules = (
        # The flex tier is full; nothing is wrong with the key or the request.
        Rule(Overloaded, on(498)),
        Rule(Overloaded, codes=words("capacity_exceeded")),
        # "Semantic error": what the model wrote could not be used, another one's may.
        Rule(BadToolCall, on(422), structured=True),
    )


def groq(settings: ProviderSettings, pool: HttpPool, wall: Callable[[], float]) -> OpenAIProvider:
    """The adapter. Raises ``CannotStart`` or ``ValueError``."""
    return OpenAIProvider(GroqProfile(settings, wall), pool)
