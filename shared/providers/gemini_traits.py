"""What differs between Gemini generations, read from the model's card.

A card names its model; the generation in the name decides which request fields Google takes
(reference: ai.google.dev, Gemini thinking; changelog of 2026-07-21). Where an id is rerouted by
the provider, the model that really serves it decides.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from shared.messages import JsonObject
from shared.model import ModelCard
from shared.providers.gemini_signature import Signing

_VERSION = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?(?!\d)")
# Aliases such as gemini-flash-latest move with the newest model.
_NEWEST = (99, 0)
# From this generation on temperature, topP and topK are deprecated (changelog 2026-07-21).
_SAMPLING_DEPRECATED = (3, 5)
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
# Tokens Google's own OpenAI door maps the efforts to on 2.5 models (OpenAI compatibility page).
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}


class Traits(Struct, frozen=True):
    """How one model wants to be asked.

    ``sampling``: temperature and topP are sent. ``thinking``: which field steers it; the two
    must never be mixed. ``least`` is what the efforts none and minimal mean: a level, or a budget
    in tokens. ``signatures``: "needed": tool calls replayed without a thought signature are
    refused; "kept": Google asks for it back, without insisting; "none": never signed.
    """

    sampling: bool
    thinking: Literal["level", "budget", "fixed"]
    least: str | int
    signatures: Signing


@lru_cache(maxsize=256)
def traits_of(model_id: str) -> Traits:
    """Traits of a provider or catalog id, such as ``gemini-3.8-flash``; Gemma ids have none."""
    version = _version(model_id)
    if version is None or version < (2, 5):
        return Traits(sampling=True, thinking="fixed", least=0, signatures="none")
    if version < (3, 0):
        # 2.5 Pro cannot stop thinking; its smallest budget is 128 tokens.
        least = 128 if "-pro" in model_id else 0
        return Traits(sampling=True, thinking="budget", least=least, signatures="kept")
    small = version < (4, 0) and "-pro" not in model_id
    return Traits(
        sampling=version < _SAMPLING_DEPRECATED,
        thinking="level",
        least="minimal" if small else "low",
        signatures="needed",
    )


def _version(model_id: str) -> tuple[int, int] | None:
    if "gemini" not in model_id:
        return None
    match = _VERSION.search(model_id)
    return _NEWEST if match is None else (int(match[1]), int(match[2] or 0))


def serving_id(card: ModelCard, today: str) -> str:
    """The id whose rules hold on ``today`` (ISO day, UTC): its own, or the one that serves it."""
    if card.serves is not None and (card.serves_from or "") <= today:
        return card.serves
    return card.provider_model_id


def thinking_config(
    traits: Traits, allowed: tuple[str, ...], effort: str | None
) -> JsonObject | None:
    """Gemini's ``thinkingConfig`` for an OpenAI ``reasoning_effort``; None: leave its default.

    ``allowed`` are the card's efforts; one it does not list becomes the nearest that it does, and
    without any none is sent.
    Thoughts are asked for only where the client asked for reasoning.
    """
    if effort not in _EFFORTS or traits.thinking == "fixed" or not allowed:
        return None
    thoughts = effort != "none"
    if effort not in allowed:
        rank = _EFFORTS.index(effort)
        known = [name for name in allowed if name in _EFFORTS]
        effort = min(known, key=lambda name: abs(_EFFORTS.index(name) - rank), default=effort)
    if traits.thinking == "budget":
        budget = traits.least if effort == "none" else _BUDGETS[effort]
        return {"thinkingBudget": budget, "includeThoughts": thoughts}
    if effort in ("none", "minimal"):
        return {"thinkingLevel": traits.least, "includeThoughts": thoughts}
    if effort == "xhigh" and "xhigh" not in allowed:
        effort = "high"  # one model alone takes xhigh, and its card says so
    return {"thinkingLevel": effort, "includeThoughts": thoughts}
