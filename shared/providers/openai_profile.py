"""The provider axis of the OpenAI wire: what one provider does its own way, as data.

A provider is a subclass with a handful of class attributes (``groq.py`` is the model to copy) and
its entries in ``models.json``. The wire reads these attributes; it never asks for a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from shared.errors import ProviderFailure, QuotaExceeded
from shared.messages import JsonValue
from shared.model import ModelCard
from shared.providers.base import LimitSignal
from shared.providers.error_body import ErrorFacts, read_error
from shared.providers.failures import Rule, failure_from
from shared.providers.waits import LimitHeaders, read_limits
from shared.settings import ProviderSettings


class CannotStart(Exception):
    """This provider cannot be used with these settings; the message says why (R22.7)."""


class OpenAIProfile:
    """A provider that speaks OpenAI's format, with the defaults of one that follows it closely."""

    # What OpenAI now calls max_completion_tokens; older servers know max_tokens only.
    max_tokens_field: ClassVar[str] = "max_completion_tokens"
    # Fields of a request that this provider refuses although OpenAI defines them.
    refused_fields: ClassVar[frozenset[str]] = frozenset()
    # Whether ``stream_options.include_usage`` is understood.
    stream_usage: ClassVar[bool] = True
    # Whether the role "developer" is understood; elsewhere it is written "system".
    developer_role: ClassVar[bool] = False
    needs_key: ClassVar[bool] = True
    models_path: ClassVar[str] = "/models"
    # Rules that come before the common ones.
    rules: ClassVar[tuple[Rule, ...]] = ()
    limits: ClassVar[tuple[LimitHeaders, ...]] = ()

    def __init__(self, settings: ProviderSettings, wall: Callable[[], float]) -> None:
        if self.needs_key and not settings.api_key and settings.state != "simulated":
            raise CannotStart(settings.reason or f"{settings.name.upper()}_API_KEY not set")
        self.name = settings.name
        self.base_url = settings.base_url
        self.wall = wall
        self.key = settings.api_key

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def headers(self) -> Mapping[str, str]:
        """The bearer key, where there is one."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def limit_signals(self, headers: Mapping[str, str]) -> list[LimitSignal]:
        """The limits named in ``limits``."""
        return read_limits(self.limits, headers)

    def failure(
        self, status: int, headers: Mapping[str, str], body: bytes, card: ModelCard | None
    ) -> ProviderFailure:
        """The failure that an error response means. Never raises."""
        return self.failure_of(status, headers, read_error(body), card)

    def failure_of(
        self, status: int, headers: Mapping[str, str], facts: ErrorFacts, card: ModelCard | None
    ) -> ProviderFailure:
        """The same of an error already read: inside a 200 body or an event (``status`` 200).

        A 429 that says nothing of a wait is over when the limit that shows nothing left is full.
        """
        failure = failure_from(
            self.name,
            self.rules,
            status,
            headers,
            facts,
            wall=self.wall(),
            secret=self.key,
            model=card.provider_model_id if card is not None else "",
        )
        if isinstance(failure, QuotaExceeded) and failure.wait_s is None:
            for told in self.limit_signals(headers):
                if told.remaining == 0 and told.reset_s is not None:
                    failure.wait_s = told.reset_s
                    failure.window = "day" if told.window == "day" else failure.window
        return failure

    def thinks_in_text(self, card: ModelCard) -> bool:
        """Whether the text may begin with the model's thoughts between ``<think>`` marks: models
        that reason, where the server does not keep the two apart."""
        return bool(card.reasoning_efforts)

    def model_ids(self, parsed: JsonValue) -> list[str] | None:
        """The ids of a parsed model list; None where it is none."""
        entries = parsed.get("data") if isinstance(parsed, dict) else parsed
        if not isinstance(entries, list):
            return None
        ids: list[str] = []
        for entry in entries:
            model = entry.get("id") if isinstance(entry, dict) else None
            if isinstance(model, str) and model and self.is_live(entry):
                ids.append(model)
        return ids

    def is_live(self, entry: JsonValue) -> bool:
        """Whether a listed model answers today."""
        return True
