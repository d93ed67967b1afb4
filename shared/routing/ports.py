"""What routing needs of its neighbours, in its own words: it depends on these shapes alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from shared.config import Rule
from shared.model import Category, Lifecycle, ModelCard


class ResolutionView(Protocol):
    """Where a model's lifecycle leads today (R11)."""

    @property
    def card(self) -> ModelCard | None:
        """The living model to ask; None when the way ends without one."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What the client should know: replaced, rerouted, going away."""
        ...


class CatalogView(Protocol):
    """The catalog as routing reads it."""

    def get(self, model_id: str, /) -> ModelCard | None:
        """The card of that id, dead or alive."""
        ...

    def find(self, name: str, /) -> tuple[ModelCard, ...]:
        """The cards that a catalog id or a provider's own id means."""
        ...

    def status(self, card: ModelCard, /) -> Lifecycle:
        """Its status today."""
        ...

    def resolve(self, card: ModelCard, /) -> ResolutionView:
        """The first living model on its way of replacements."""
        ...

    def enabled(self, card: ModelCard, /) -> bool:
        """False where an administrator switched the model off."""
        ...

    def all(self) -> Iterable[ModelCard]:
        """Every card."""
        ...


class RuleSource(Protocol):
    """The rule of each category."""

    def rule(self, category: Category, /) -> Rule:
        """The rule in force now."""
        ...


class Utilization(Protocol):
    """How much of its limits a model has used."""

    def utilization(self, card: ModelCard, /) -> float:
        """In [0, 1]; 1 is full."""
        ...

    def record(self, card: ModelCard, tokens: int, /) -> None:
        """One request that was sent, with the tokens it is expected to take."""
        ...

    def correct(self, card: ModelCard, tokens: int, /) -> None:
        """Add (or with a negative figure take back) tokens of a request already recorded."""
        ...
