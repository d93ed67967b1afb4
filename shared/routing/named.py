"""What a model's name means today: the models to ask for it, and where the same model also is."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from shared.errors import CodeexError, ModelNotFound
from shared.messages import ChatRequest, Need
from shared.model import Capability, ModelCard
from shared.routing.options import Option, OptionBook, chats, honours
from shared.routing.refusals import lacking, must_be_paid, not_a_chat_model, switched_off

# Words that providers hang onto one and the same model's name.
_TRIMMINGS = re.compile(r"[-_ ](instruct|versatile|instant|chat|it)$")
# Names with sets of fields that are kept; a client could otherwise make as many as it likes.
MAX_KNOWN = 1024
_NOT_A_NAME = re.compile(r"[^a-z0-9.]+")


class Named(Struct, frozen=True):
    """What a name stands for.

    ``heads`` are the models the client asked for (or what replaces them), ``elsewhere`` the same
    model at other providers. ``refusal`` says why there are no heads, for a client that wants no
    other model; None with no heads: all it named is dead and nothing replaces it.
    """

    heads: tuple[Option, ...]
    elsewhere: tuple[Option, ...]
    warnings: tuple[str, ...]
    refusal: Callable[[], CodeexError] | None
    single: bool


class NameBook:
    """Looks names up in the catalog behind an ``OptionBook``."""

    __slots__ = ("_book", "_generation", "_known")

    def __init__(self, book: OptionBook) -> None:
        self._book = book
        self._generation = -1
        self._known: dict[tuple[str, tuple[Need, ...], str | None], Named] = {}

    def look_up(self, request: ChatRequest) -> Named:
        """What ``request.model`` stands for.

        Raises ``ModelNotFound``, ``InvalidRequest`` (not a chat model) and ``FeatureDisabled``
        (costs money nobody allowed).
        """
        if self._generation != self._book.generation or len(self._known) >= MAX_KNOWN:
            self._generation = self._book.generation
            self._known.clear()
        key = (request.model, request.needs, request.reasoning_effort)
        named = self._known.get(key)
        if named is None:
            named = self._known[key] = self._find(request)
        return named

    def _find(self, request: ChatRequest) -> Named:
        catalog = self._book.catalog
        own = catalog.get(request.model)
        found = (own,) if own is not None else catalog.find(request.model)
        if not found:
            raise ModelNotFound(
                f"no model {request.model[:100]!r}; GET /v1/models lists them, and "
                '"auto" chooses one',
                param="model",
            )
        speaking = [card for card in found if Capability.TEXT in card.capabilities]
        if not speaking:
            raise not_a_chat_model(found[0])
        cards, warnings = self._living(speaking)
        heads, refusal = self._askable(cards, speaking, request, warnings)
        return Named(
            tuple(heads),
            tuple(self._elsewhere([*speaking, *cards], heads, request)),
            tuple(dict.fromkeys(warnings)),
            refusal,
            single=own is not None,
        )

    def _living(self, found: list[ModelCard]) -> tuple[list[ModelCard], list[str]]:
        """The living ones of ``found``, or what their replacements lead to (R11.2)."""
        cards: list[ModelCard] = []
        warnings: list[str] = []
        alive = [card for card in found if self._book.serves_itself(card)]
        for card in alive or found:
            resolution = self._book.catalog.resolve(card)
            warnings.extend(resolution.warnings)
            if resolution.card is not None and resolution.card not in cards:
                cards.append(resolution.card)
        return cards, warnings

    def _askable(
        self,
        cards: list[ModelCard],
        found: list[ModelCard],
        request: ChatRequest,
        warnings: list[str],
    ) -> tuple[list[Option], Callable[[], CodeexError] | None]:
        """Those that may be asked for this request; the reason for the first that may not."""
        book = self._book
        wanted = [need.feature for need in request.needs]
        asked_by_name = {card.id for card in found}
        heads: list[Option] = []
        paid: list[ModelCard] = []
        refusals: list[Callable[[], CodeexError]] = []
        for card in cards:
            if not book.askable(card):
                by_provider = book.catalog.enabled(card)
                refusals.append(partial(switched_off, card, by_provider))
                warnings.append(f"{card.id} is switched off, so another model is asked")
            elif book.paid_only(card):
                paid.append(card)
                refusals.append(partial(must_be_paid, card))
                warnings.append(f"{card.id} would have to be paid for, so another model is asked")
            elif Capability.TEXT not in card.capabilities:
                refusals.append(partial(not_a_chat_model, card))
            elif not honours(card, wanted, request.reasoning_effort):
                param = _lacked(card, request)
                refusals.append(partial(lacking, card.id, request.reasoning_effort, param))
                warnings.append(f"{card.id} cannot honour {param}, so another model is asked")
            else:
                heads.append(book.option(card, float(card.quality)))
        if paid and len(paid) == len(cards) and paid[0].id in asked_by_name:
            raise must_be_paid(paid[0])
        return heads, refusals[0] if refusals and not heads else None

    def _elsewhere(
        self, cards: list[ModelCard], heads: list[Option], request: ChatRequest
    ) -> list[Option]:
        """The same model at other providers, best first."""
        book = self._book
        taken = {option.card.id for option in heads}
        names = {name for card in cards for name in same_names(card)}
        wanted = [need.feature for need in request.needs]
        others = [
            card
            for card in book.catalog.all()
            if card.id not in taken
            and not names.isdisjoint(same_names(card))
            and chats(card)
            and book.usable(card)
            and honours(card, wanted, request.reasoning_effort)
        ]
        others.sort(key=lambda card: -card.quality)
        return [book.option(card, float(card.quality)) for card in others]


def same_names(card: ModelCard) -> set[str]:
    """A model's name without what providers add to it: from its own id and from its title."""
    own = card.provider_model_id.rpartition("/")[2].partition(":")[0]
    title = card.name.partition("(")[0].strip()
    return {name for name in (_plain(own), _plain(title)) if name}


def _plain(name: str) -> str:
    name = name.lower()
    return _NOT_A_NAME.sub("", _TRIMMINGS.sub("", name))


def _lacked(card: ModelCard, request: ChatRequest) -> str:
    for need in request.needs:
        if not honours(card, (need.feature,), request.reasoning_effort):
            return need.param
    return "model"
