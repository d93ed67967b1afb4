"""The model registry: every card, its status today, and who serves in its place (R1, R11).

Status is a pure function of a card's dates, the administrator's overrides and the wall clock;
nothing has to run at midnight. What follows from it is remembered until the UTC day turns, since
routing asks many times a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import structs

from shared.catalog.lifecycle import (
    NOTICE_DAYS,
    SECONDS_PER_DAY,
    Life,
    LifecycleInfo,
    Resolution,
    Transition,
    day_of,
    format_day,
)
from shared.clock import Clock
from shared.config import ModelOverride
from shared.model import Capability, Feature, Lifecycle, ModelCard

LOCAL_PREFIX = "local-"
_NO_OVERRIDES: Mapping[str, ModelOverride] = MappingProxyType({})
_NO_OVERRIDE = ModelOverride()
_TEXT_ONLY = frozenset({Capability.TEXT})


def local_card(model_id: str, override: ModelOverride | None = None) -> ModelCard:
    """The card of a model found on the user's own OpenAI-compatible server.

    ``model_id`` is the server's own id. TEXT and streaming unless the override's capabilities say
    more (contract, Environment); the lowest quality, so that it comes last.
    """
    capabilities = override.capabilities if override and override.capabilities else _TEXT_ONLY
    features = {Feature.STREAMING} if Capability.TEXT in capabilities else set()
    return ModelCard(
        id=LOCAL_PREFIX + model_id,
        name=model_id,
        provider="local",
        provider_model_id=model_id,
        capabilities=capabilities,
        source="model list of the server at LOCAL_BASE_URL",
        free_tier="quota",
        features=frozenset(features),
        latency_ms=1500,
        tokens_per_s=30,
        quality=0,
    )


class Catalog:
    """All cards with the overrides applied. Immutable; ``replace`` makes a changed one."""

    def __init__(
        self,
        cards: Iterable[ModelCard],
        clock: Clock,
        overrides: Mapping[str, ModelOverride] = _NO_OVERRIDES,
        extra_cards: Iterable[ModelCard] = (),
    ) -> None:
        """Raises ``ValueError`` for an id given twice or a date that is no ISO day.

        ``extra_cards`` come from other people's servers: of equal ids among them the first counts.
        """
        self._base = tuple(cards)
        self._extra = tuple({card.id: card for card in reversed(tuple(extra_cards))}.values())[::-1]
        self._clock = clock
        self._overrides = overrides
        self._cards: dict[str, ModelCard] = {}
        for card in (*self._base, *self._extra):
            if card.id in self._cards:
                raise ValueError(f"model id {card.id!r} is given twice")
            self._cards[card.id] = overridden(card, overrides.get(card.id))
        self._lives = {card.id: Life.of(card) for card in self._cards.values()}
        self._by_provider_id: dict[str, tuple[ModelCard, ...]] = {}
        for card in sorted(self._cards.values(), key=_best_first):
            same = self._by_provider_id.get(card.provider_model_id, ())
            self._by_provider_id[card.provider_model_id] = (*same, card)
        self._day = -1
        self._statuses: dict[str, Lifecycle] = {}
        self._resolutions: dict[str, Resolution] = {}

    # ------------------------------------------------------------------------------- queries

    def get(self, model_id: str) -> ModelCard | None:
        """The card of a catalog id."""
        return self._cards.get(model_id)

    def find(self, name: str) -> tuple[ModelCard, ...]:
        """Cards of a catalog id, else of a provider's own id: every provider that has it, best
        quality first. Empty when nobody has it. The dead are found too (R11.9)."""
        card = self._cards.get(name)
        return (card,) if card is not None else self._by_provider_id.get(name, ())

    def elsewhere(self, card: ModelCard) -> tuple[ModelCard, ...]:
        """The same model at other providers (cards of the same name), best first."""
        same = [
            other
            for other in self._cards.values()
            if other.name == card.name and other.provider != card.provider
        ]
        return tuple(sorted(same, key=_best_first))

    def all(self) -> tuple[ModelCard, ...]:
        """Every card, in the order of the data."""
        return tuple(self._cards.values())

    def with_capability(self, capability: Capability) -> tuple[ModelCard, ...]:
        """Every card that has it, living or not (R1.6)."""
        return tuple(card for card in self._cards.values() if capability in card.capabilities)

    def by_provider(self, provider: str) -> tuple[ModelCard, ...]:
        """Every card of a provider, living or not."""
        return tuple(card for card in self._cards.values() if card.provider == provider)

    def by_status(self, status: Lifecycle) -> tuple[ModelCard, ...]:
        """Every card that has this status today."""
        return tuple(card for card in self._cards.values() if self.status(card) is status)

    def enabled(self, card: ModelCard) -> bool:
        """False where an administrator switched the model off."""
        return self._overrides.get(card.id, _NO_OVERRIDE).enabled

    # ----------------------------------------------------------------------------- lifecycle

    def status(self, card: ModelCard) -> Lifecycle:
        """ACTIVE, DYING or DEAD today. A rerouted id has its target's status (R15, decision)."""
        self._turn_day()
        known = self._statuses.get(card.id)
        if known is None:
            if card.id not in self._cards:
                return self._alone(card).status(card)
            known = self._statuses[card.id] = self._status_on(card.id, self._day)
        return known

    def describe(self, card: ModelCard) -> LifecycleInfo:
        """Status with the time left, the replacement and a warning for people (R11.3, R11.4)."""
        if card.id not in self._cards:
            return self._alone(card).describe(card)
        card = self._cards[card.id]
        status = self.status(card)
        seconds_left = days_left = dead_since = None
        shutdown = self._shutdown(card.id, self._day)
        if status is Lifecycle.DYING and shutdown is not None:
            seconds_left = shutdown * SECONDS_PER_DAY - self._clock.wall()
            days_left = shutdown - self._day
        gone = self._gone(card.id, self._day)
        if gone is not None and gone <= self._day:
            dead_since = format_day(gone)
        return LifecycleInfo(
            status=status,
            seconds_left=seconds_left,
            days_left=days_left,
            dead_since=dead_since,
            replacement=card.replacement,
            served_by=card.serves if self._rerouted(card.id, self._day) else None,
            warning=self._warning(card, status),
        )

    def resolve(self, card: ModelCard) -> Resolution:
        """Who serves a request for ``card`` today: itself, or the first living model on the way
        through reroutes and replacements (R11.2). Never a DEAD or disabled one (R11.7)."""
        self._turn_day()
        known = self._resolutions.get(card.id)
        if known is None:
            if card.id not in self._cards:
                return self._alone(card).resolve(card)
            known = self._resolutions[card.id] = self._follow(self._cards[card.id])
        return known

    def transitions(self, since_wall: float, until_wall: float) -> list[Transition]:
        """Every change of status by date in (since, until], oldest first (R11.5).

        Both are Unix seconds. Marks set by an administrator are no transitions: they begin with
        the configuration that holds them, and its audit entry has their time.
        """
        first, last = day_of(since_wall) + 1, day_of(until_wall)
        days = {day for life in self._lives.values() for day in life.turning_days()}
        # A rerouted id takes over its target's days, so every card is looked at on each of them.
        found = []
        for day in sorted(day for day in days if first <= day <= last):
            for model_id in self._cards:
                before = self._status_on(model_id, day - 1)
                after = self._status_on(model_id, day)
                if before is not after:
                    found.append(Transition(model_id, before, after, float(day * SECONDS_PER_DAY)))
        return found

    def replace(
        self,
        *,
        overrides: Mapping[str, ModelOverride] | None = None,
        extra_cards: Iterable[ModelCard] | None = None,
    ) -> Catalog:
        """The same catalog with other overrides or other discovered cards; None keeps them."""
        return Catalog(
            self._base,
            self._clock,
            self._overrides if overrides is None else overrides,
            self._extra if extra_cards is None else extra_cards,
        )

    # ------------------------------------------------------------------------------- inside

    def _turn_day(self) -> None:
        day = day_of(self._clock.wall())
        if day != self._day:
            self._day = day
            self._statuses.clear()
            self._resolutions.clear()

    def _alone(self, card: ModelCard) -> Catalog:
        """For a card that left the catalog while a request held it (a discovered local model)."""
        return Catalog((card,), self._clock, self._overrides)

    def _marked_dead(self, model_id: str) -> bool:
        return self._overrides.get(model_id, _NO_OVERRIDE).dead

    def _rerouted(self, model_id: str, day: int) -> bool:
        rerouted = self._lives[model_id].rerouted
        return rerouted is not None and rerouted <= day

    def _answering(self, model_id: str, day: int) -> list[str]:
        """The id and, from its reroute on, the ids that answer for it (a cycle ends the walk)."""
        ids = [model_id]
        while self._rerouted(ids[-1], day):
            target = self._cards[ids[-1]].serves
            if target is None or target in ids or target not in self._cards:
                break
            ids.append(target)
        return ids

    def _gone(self, model_id: str, day: int) -> int | None:
        """The first day on which one of the models that answer for this id is DEAD."""
        days = [self._lives[one].gone for one in self._answering(model_id, day)]
        return min((one for one in days if one is not None), default=None)

    def _shutdown(self, model_id: str, day: int) -> int | None:
        days = [self._lives[one].shutdown for one in self._answering(model_id, day)]
        return min((one for one in days if one is not None), default=None)

    def _status_on(self, model_id: str, day: int) -> Lifecycle:
        if any(self._marked_dead(one) for one in self._answering(model_id, day)):
            return Lifecycle.DEAD
        gone = self._gone(model_id, day)
        if gone is not None and gone <= day:
            return Lifecycle.DEAD
        shutdown = self._shutdown(model_id, day)
        if shutdown is not None and shutdown - day <= NOTICE_DAYS:
            return Lifecycle.DYING
        return Lifecycle.ACTIVE

    def _ended_itself(self, model_id: str) -> bool:
        gone = self._lives[model_id].gone
        return self._marked_dead(model_id) or (gone is not None and gone <= self._day)

    def _next(self, card: ModelCard) -> str | None:
        """The id to follow from here; None: this card serves, or nothing follows it."""
        if self._ended_itself(card.id):
            return card.replacement
        if self._rerouted(card.id, self._day):
            return card.serves
        return card.replacement

    def _serves_itself(self, card: ModelCard) -> bool:
        return (
            not self._ended_itself(card.id)
            and not self._rerouted(card.id, self._day)
            and self.enabled(card)
        )

    def _follow(self, card: ModelCard) -> Resolution:
        hops: list[str] = []
        warnings: list[str] = []
        here = card
        while not self._serves_itself(here):
            target_id = self._next(here)
            target = self._cards.get(target_id) if target_id else None
            warnings.append(self._why_left(here, target))
            if target is None or target.id == card.id or target.id in hops:
                return Resolution(None, tuple(hops), tuple(warnings))
            hops.append(target.id)
            here = target
        ahead = self._warning(here, self.status(here))
        return Resolution(here, tuple(hops), (*warnings, ahead) if ahead else tuple(warnings))

    def _why_left(self, card: ModelCard, target: ModelCard | None) -> str:
        """Why ``card`` does not serve; used only for cards that do not."""
        if self._ended_itself(card.id) or self._rerouted(card.id, self._day):
            return self._warning(card, self.status(card)) or f"{card.id} has ended."
        instead = f"; {target.id} is used instead" if target else ""
        return f"{card.id} is switched off by the administrator{instead}."

    def _warning(self, card: ModelCard, status: Lifecycle) -> str | None:
        """One sentence on a past or coming end or reroute. Holds for the whole UTC day."""
        instead = f"{card.replacement} replaces it" if card.replacement else "nothing replaces it"
        life = self._lives[card.id]
        if self._marked_dead(card.id):
            return f"{card.id} is marked dead by the administrator; {instead}."
        if life.gone is not None and life.gone <= self._day:
            return f"{card.id} is gone since {format_day(life.gone)}; {instead}."
        if self._rerouted(card.id, self._day):
            return f"{card.provider} answers {card.id} with {card.serves} since {card.serves_from}."
        if status is Lifecycle.DYING and life.shutdown is not None:
            left = life.shutdown - self._day
            days = "1 day" if left == 1 else f"{left} days"
            return f"{card.id} ends on {format_day(life.shutdown)}, in {days}; {instead}."
        if life.rerouted is not None:
            return (
                f"From {card.serves_from} on, {card.provider} answers {card.id} with {card.serves}."
            )
        return None


def overridden(card: ModelCard, override: ModelOverride | None) -> ModelCard:
    """The card with an administrator's replacement and capabilities in place of its own."""
    if override is None or (override.replacement is None and override.capabilities is None):
        return card
    return structs.replace(
        card,
        replacement=override.replacement or card.replacement,
        capabilities=card.capabilities if override.capabilities is None else override.capabilities,
    )


def _best_first(card: ModelCard) -> tuple[int, str]:
    return -card.quality, card.id
