"""The routing rules as data: one rule per category, the configuration's on top (R4, R15)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from shared.catalog.lifecycle import Resolution
from shared.catalog.registry import Catalog
from shared.config import Rule
from shared.model import Capability, Category, ModelCard

# A LONG_CONTEXT request has over 100,000 tokens (R3, decision), so its models' windows have more.
LONG_CONTEXT_WINDOW = 100_000

_NEEDED = {
    Category.VISION_IN: Capability.VISION,
    Category.IMAGE_GEN: Capability.IMAGE_GEN,
    Category.VIDEO_GEN: Capability.VIDEO_GEN,
}
TEXT_CATEGORIES = tuple(
    category for category in Category if category not in (Category.IMAGE_GEN, Category.VIDEO_GEN)
)
_NO_RULES: Mapping[Category, Rule] = MappingProxyType({})


def needed_capability(category: Category) -> Capability:
    """What a model must have to serve the category at all."""
    return _NEEDED.get(category, Capability.TEXT)


def can_serve(card: ModelCard, category: Category) -> bool:
    """Whether the card fits the category: its capability, no guard, a window that is known to be
    long enough for LONG_CONTEXT (unknown means no)."""
    if needed_capability(category) not in card.capabilities:
        return False
    if category in TEXT_CATEGORIES and not card.chat:
        return False
    if category is Category.LONG_CONTEXT:
        return (card.context_window or 0) > LONG_CONTEXT_WINDOW
    return True


class RuleBook:
    """The rule of every category, its entries sorted by priority, highest first."""

    def __init__(
        self, defaults: Mapping[Category, Rule], overrides: Mapping[Category, Rule] = _NO_RULES
    ) -> None:
        """``overrides`` replace a category's default rule whole. Raises ``ValueError`` where a
        category has no rule at all."""
        self._defaults = defaults
        missing = [name.value for name in Category if name not in {**defaults, **overrides}]
        if missing:
            raise ValueError(f"no rule for {', '.join(missing)}")
        self._rules = {
            category: _sorted(overrides.get(category) or defaults[category])
            for category in Category
        }

    def rule(self, category: Category) -> Rule:
        """The rule in force; ``entries[0]`` is the primary."""
        return self._rules[category]

    def replace(self, overrides: Mapping[Category, Rule]) -> RuleBook:
        """The default rules under other overrides (R15.12)."""
        return RuleBook(self._defaults, overrides)

    def stand_in(self, category: Category, catalog: Catalog) -> Resolution:
        """The category's primary as it resolves today, else the first entry that resolves."""
        for entry in self._rules[category].entries:
            card = catalog.get(entry.model)
            if card is not None:
                found = catalog.resolve(card)
                if found.card is not None and can_serve(found.card, category):
                    return found
        return Resolution(None)

    def serving(self, card: ModelCard, category: Category, catalog: Catalog) -> Resolution:
        """Who serves a request for ``card``: as ``Catalog.resolve`` says, and where no living
        model follows it, the category's primary (R11.8), with the reason in ``warnings``."""
        own = catalog.resolve(card)
        if own.card is not None:
            return own
        primary = self.stand_in(category, catalog)
        if primary.card is None:
            return own
        note = f"{primary.card.id} serves as the primary of {category.value}."
        return Resolution(
            primary.card,
            (*own.hops, primary.card.id),
            (*own.warnings, note, *primary.warnings),
        )


def _sorted(rule: Rule) -> Rule:
    entries = tuple(sorted(rule.entries, key=lambda entry: -entry.priority))
    return replace(rule, entries=entries)
