"""The part of a plan that holds for a whole day: which models could serve a category at all.

An ``Option`` is a living, enabled, payable model that can honour a set of request fields. The
``OptionBook`` keeps them by category and set of fields, until the UTC day turns (lifecycle is a
matter of dates) or catalog, rules, providers or payments change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from shared.clock import Clock
from shared.config import Condition, Rule
from shared.messages import Need
from shared.model import Capability, Category, Feature, Lifecycle, ModelCard
from shared.routing.plan import Candidate
from shared.routing.ports import CatalogView, RuleSource

DAY_S = 86_400
LOCAL = "local"
# A text chain ends with the user's own server (contract, Environment).
LOCAL_PRIORITY = -5000.0
# What an answer is reckoned at where the client sets no max_tokens (contract, Chat).
EXPECTED_OUTPUT = 640
# A window nobody published: what every chat model of the last years has.
UNKNOWN_WINDOW = 8192
UNBOUNDED = 1 << 60
# Free tiers a key without billing can use; "unknown" is not one of them (contract, Money).
FREE_TIERS = frozenset({"quota", "credit"})
# Cached sets of fields; a client could otherwise make as many as it likes.
MAX_POOLS = 512

_MEDIA = {
    Category.IMAGE_GEN: Capability.IMAGE_GEN,
    Category.VIDEO_GEN: Capability.VIDEO_GEN,
}
_OTHER_OUTPUT = frozenset(
    {
        Capability.IMAGE_GEN,
        Capability.VIDEO_GEN,
        Capability.AUDIO_OUT,
        Capability.EMBEDDING,
    }
)


class Option(Struct, frozen=True):
    """A model at its base priority. ``window``, ``output_cap`` and ``tpm`` are in tokens;
    ``tpm`` is UNBOUNDED where the operator pays."""

    candidate: Candidate
    conditions: tuple[Condition, ...]
    window: int
    output_cap: int
    tpm: int
    warnings: tuple[str, ...] = ()

    @property
    def card(self) -> ModelCard:
        """The model."""
        return self.candidate.card

    def fits(self, input_tokens: int, output_tokens: int) -> bool:
        """Whether prompt and answer have room in the window."""
        if output_tokens > self.output_cap:
            output_tokens = self.output_cap
        return input_tokens + output_tokens <= self.window


class Pool(Struct, frozen=True):
    """Who could serve one category with one set of fields.

    ``main``: the rule's models and the user's own server, by base priority. ``reserve``: every
    other capable model, by quality. ``bound``: tokens that fit every one of ``main``.
    """

    rule: Rule
    main: tuple[Option, ...]
    reserve: tuple[Option, ...]
    conditional: bool
    bound: int


Wanted = tuple[Feature | Capability, ...]
PoolKey = tuple[Category, Wanted, str | None]


class OptionBook:
    """Options by category and request fields, rebuilt when something they follow from changes.

    ``catalog`` and ``rules`` may be replaced (R4.7); ``enabled`` and ``pays`` are asked by
    provider. ``generation`` counts the rebuilds, for those who cache what was built from it.
    """

    __slots__ = (
        "_catalog_seen",
        "_clock",
        "_day",
        "_enabled",
        "_marks",
        "_names",
        "_pays",
        "_pools",
        "catalog",
        "generation",
        "rules",
    )

    def __init__(
        self,
        catalog: CatalogView,
        rules: RuleSource,
        enabled: Callable[[str], bool],
        pays: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self.catalog = catalog
        self.rules = rules
        self.generation = 0
        self._enabled = enabled
        self._pays = pays
        self._clock = clock
        self._pools: dict[PoolKey, Pool] = {}
        self._catalog_seen: CatalogView | None = None
        self._names: tuple[str, ...] = ()
        self._marks: list[bool] = []
        self._day = -1

    def refresh(self) -> None:
        """Notice what has changed since the last request."""
        day = int(self._clock.wall()) // DAY_S
        if self.catalog is not self._catalog_seen:
            self._catalog_seen = self.catalog
            self._names = tuple(sorted({card.provider for card in self.catalog.all()}))
            self._day = -1
        enabled, pays = self._enabled, self._pays
        marks = [mark(name) for name in self._names for mark in (enabled, pays)]
        if day != self._day or marks != self._marks:
            self._day, self._marks = day, marks
            self.generation += 1
            self._pools.clear()

    def pool(self, category: Category, needs: tuple[Need, ...], effort: str | None) -> Pool:
        """The options of one category for requests with these fields."""
        rule = self.rules.rule(category)
        wanted: Wanted = tuple([need.feature for need in needs]) if needs else ()
        key = (category, wanted, effort)
        pool = self._pools.get(key)
        if pool is None or pool.rule is not rule:
            if len(self._pools) >= MAX_POOLS:
                self._pools.clear()
            pool = self._pools[key] = self._build(category, rule, wanted, effort)
        return pool

    def askable(self, card: ModelCard) -> bool:
        """Whether its provider and the model itself are switched on."""
        return self._enabled(card.provider) and self.catalog.enabled(card)

    def payable(self, card: ModelCard) -> bool:
        """Whether a call may be made without asking anybody for money (contract, Money)."""
        return card.free_tier in FREE_TIERS or card.provider == LOCAL or self._pays(card.provider)

    def paid_only(self, card: ModelCard) -> bool:
        """Whether it costs money that the operator has not allowed."""
        return card.free_tier == "none" and not self.payable(card)

    def usable(self, card: ModelCard) -> bool:
        """Living, switched on and payable today."""
        return (
            self.askable(card)
            and self.payable(card)
            and self.catalog.status(card) is not Lifecycle.DEAD
            and self.serves_itself(card)
        )

    def serves_itself(self, card: ModelCard) -> bool:
        """Whether the way of replacements and reroutes ends where it begins."""
        found = self.catalog.resolve(card).card
        return found is not None and found.id == card.id

    def option(
        self, card: ModelCard, priority: float, conditions: tuple[Condition, ...] = ()
    ) -> Option:
        """A living card as an option."""
        status = self.catalog.status(card)
        paid = self._pays(card.provider)
        window = card.context_window
        if not paid and card.context_window_free is not None:
            window = card.context_window_free
        if window is None:
            # The user's own server knows its window, and says so when it is passed.
            window = UNBOUNDED if card.provider == LOCAL else UNKNOWN_WINDOW
        return Option(
            Candidate(card, priority, status),
            conditions,
            window,
            card.max_output_tokens or UNBOUNDED,
            UNBOUNDED if paid else card.limits.tpm or UNBOUNDED,
            tuple(self.catalog.resolve(card).warnings) if status is Lifecycle.DYING else (),
        )

    def _build(self, category: Category, rule: Rule, wanted: Wanted, effort: str | None) -> Pool:
        made = _MEDIA.get(category, Capability.TEXT)
        if category in _MEDIA:
            wanted = ()  # the fields of a chat request say nothing about who can draw
        elif category is Category.VISION_IN:
            wanted = (*wanted, Capability.VISION)
        main: list[Option] = []
        taken: set[str] = set()
        for entry in sorted(rule.entries, key=lambda entry: -entry.priority):
            named = self.catalog.get(entry.model)
            card = self.catalog.resolve(named).card if named is not None else None
            if card is None or card.id in taken or not self.usable(card):
                continue
            if made in card.capabilities and honours(card, wanted, effort):
                main.append(self.option(card, float(entry.priority), entry.conditions))
                # A conditional entry may not apply, so a later one for the same model stays.
                if not entry.conditions:
                    taken.add(card.id)
        reserve: list[Option] = []
        if category not in _MEDIA:
            known = {option.card.id for option in main}
            others = [
                card
                for card in self.catalog.all()
                if card.id not in known
                and chats(card)
                and not card.capabilities & _OTHER_OUTPUT
                and honours(card, wanted, effort)
                and self.usable(card)
            ]
            others.sort(key=lambda card: -card.quality)
            for card in others:
                if card.provider == LOCAL:
                    main.append(self.option(card, LOCAL_PRIORITY + card.quality / 100))
                else:
                    # Below every entry of the rule, whose priorities start at 0.
                    reserve.append(self.option(card, card.quality - 101.0))
        return Pool(
            rule,
            tuple(main),
            tuple(reserve),
            any(option.conditions for option in main),
            min((min(option.window, option.tpm) for option in main), default=0),
        )


def honours(card: ModelCard, wanted: Iterable[Feature | Capability], effort: str | None) -> bool:
    """Whether the card says yes to every field; what it does not list is a no."""
    for feature in wanted:
        if feature is Feature.REASONING_EFFORT:
            if effort not in card.reasoning_efforts:
                return False
        elif feature not in card.features and feature not in card.capabilities:
            return False
    return True


def chats(card: ModelCard) -> bool:
    """Whether it answers ordinary chat: text out, and no guard, which only judges."""
    return Capability.TEXT in card.capabilities and card.chat
