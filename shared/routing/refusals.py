"""Why there is no plan: the one error that tells a client what to change."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import AllModelsFailed, CodeexError, FeatureDisabled, InvalidRequest
from shared.messages import ChatRequest
from shared.model import Capability, Category, ModelCard
from shared.routing.options import EXPECTED_OUTPUT, Option, OptionBook, chats, honours

_ELSEWHERE = {
    Capability.EMBEDDING: "embeddings: use POST /v1/embeddings",
    Capability.AUDIO_OUT: "speech: use POST /v1/audio/speech",
    Capability.AUDIO_IN: "transcription: use POST /v1/audio/transcriptions",
    Capability.IMAGE_GEN: "pictures: use POST /v1/images/generations",
    Capability.VIDEO_GEN: "videos: use POST /v1/videos",
}


def not_a_chat_model(card: ModelCard) -> InvalidRequest:
    """A named model that cannot chat."""
    for capability, purpose in _ELSEWHERE.items():
        if capability in card.capabilities:
            return InvalidRequest(f"{card.id} is for {purpose}", param="model")
    return InvalidRequest(f"{card.id} does not chat; choose another model", param="model")


def must_be_paid(card: ModelCard) -> FeatureDisabled:
    """A named model that costs money nobody allowed."""
    return FeatureDisabled(
        f"{card.id} has no free tier; add {card.provider} to PAID_PROVIDERS to use it, or choose "
        "another model",
        param="model",
    )


def switched_off(card: ModelCard, by_provider: bool) -> FeatureDisabled:
    """A named model that is switched off, where nothing else may be asked."""
    if by_provider:
        return FeatureDisabled(
            f"{card.provider} is disabled, so {card.id} cannot be asked: give it a key "
            f"({card.provider.upper()}_API_KEY) or choose another model",
            param="model",
        )
    return FeatureDisabled(
        f"{card.id} is switched off by the administrator (models.{card.id}.enabled)", param="model"
    )


def all_avoided(request: ChatRequest) -> AllModelsFailed:
    """``avoid_providers`` leaves nothing (contract: 503 that names it)."""
    names = ", ".join(sorted(request.options.avoid_providers))
    return AllModelsFailed(
        f"codeex.avoid_providers ({names}) leaves no model that can serve this request",
        param="codeex.avoid_providers",
    )


def lacking(who: str, effort: str | None, param: str) -> InvalidRequest:
    """A field that ``who`` cannot honour; ``effort`` is the request's reasoning effort."""
    value = f" {effort!r}" if param == "reasoning_effort" else ""
    return InvalidRequest(f"{who} cannot honour {param}{value}: leave it out", param=param)


def too_long(request: ChatRequest, options: Sequence[Option]) -> InvalidRequest:
    """No window has room for prompt and answer."""
    window = max(option.window for option in options)
    if request.input_tokens < window and request.max_tokens is not None:
        return InvalidRequest(
            f"max_tokens {request.max_tokens} and a prompt of about {request.input_tokens} tokens "
            f"do not fit together into the largest window of {window} tokens",
            param="max_tokens",
        )
    return InvalidRequest(
        f"the prompt has about {request.input_tokens} tokens; with {EXPECTED_OUTPUT} for the "
        f"answer it does not fit into the largest window of {window} tokens: shorten it",
        param="messages",
    )


def no_plan(
    book: OptionBook, category: Category, request: ChatRequest, options: Sequence[Option]
) -> CodeexError:
    """Why nobody can be asked. ``options`` are the capable models before windows and wishes."""
    if options:
        avoided = request.options.avoid_providers
        open_to_it = [one for one in options if one.card.provider not in avoided]
        return too_long(request, open_to_it) if open_to_it else all_avoided(request)
    usable = [card for card in book.catalog.all() if chats(card) and book.usable(card)]
    if usable and category not in (Category.IMAGE_GEN, Category.VIDEO_GEN):
        for need in request.needs:
            if not any(honours(card, (need.feature,), request.reasoning_effort) for card in usable):
                return lacking("the available models", request.reasoning_effort, need.param)
        if request.needs:
            names = ", ".join(dict.fromkeys(need.param for need in request.needs))
            return InvalidRequest(
                f"no available model can honour all of {names} together; leave one out",
                param=request.needs[-1].param,
            )
    return AllModelsFailed(
        f"no model for {category.value} can be asked: the providers that have one are disabled, "
        "or have to be paid for (set their keys, or PAID_PROVIDERS)",
    )
