"""Which models each simulated provider serves today: the catalog's living ones."""

from __future__ import annotations

from shared.catalog.registry import Catalog
from shared.model import Lifecycle, ModelCard


class ServedModels:
    """A provider's own model ids, and the cards behind them. Status follows the catalog's clock."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def living(self, provider: str) -> list[ModelCard]:
        """What the provider's model list shows."""
        return [card for card in self._catalog.by_provider(provider) if self._lives(card)]

    def find(self, provider: str, model_id: str) -> ModelCard | None:
        """The living model with this provider's id; None: the provider answers 404."""
        for card in self._catalog.by_provider(provider):
            if card.provider_model_id == model_id and self._lives(card):
                return card
        return None

    def answering(self, card: ModelCard) -> ModelCard:
        """The model that really answers for this id: another one since a reroute (``serves``)."""
        served_by = self._catalog.describe(card).served_by
        target = self._catalog.get(served_by) if served_by else None
        return target or card

    def knows(self, provider: str, name: str) -> bool:
        """Whether ``name`` is a catalog id or own id of this provider, living or not."""
        return any(name in names(card) for card in self._catalog.by_provider(provider))

    def _lives(self, card: ModelCard) -> bool:
        return self._catalog.status(card) is not Lifecycle.DEAD


def names(card: ModelCard) -> tuple[str, ...]:
    """The ids a model goes by in a fault."""
    return card.id, card.provider_model_id
