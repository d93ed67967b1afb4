"""A small world for routing tests: cards, a catalog and rules of one's own, and the real rooms."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from shared.clock import Clock, Deadline
from shared.config import Rule, RuleEntry, TimeoutConfig
from shared.limits.waiting import WaitingLine
from shared.messages import ChatRequest, Need, RequestOptions
from shared.model import Capability, Category, Feature, Lifecycle, Limits, ModelCard
from shared.providers.base import ChatProvider, ProviderCall
from shared.routing.executor import Executor
from shared.routing.health import HealthBook
from shared.routing.plan import Candidate, Plan
from shared.routing.ports import Quotas
from shared.routing.router import Router
from tests.support.counting_quotas import CountingQuotas
from tests.support.fake_provider import Act, FakeProvider

Script = Act | list[Act] | Callable[[ProviderCall], Act]
STANDARD = frozenset({Feature.STREAMING, Feature.TOOLS, Feature.SEED})


def card(
    model_id: str,
    provider: str = "",
    *,
    features: Iterable[Feature] = STANDARD,
    capabilities: Iterable[Capability] = (Capability.TEXT,),
    window: int | None = 100_000,
    free_tier: str = "quota",
    own_id: str = "",
    quality: int = 50,
    limits: Limits | None = None,
    replacement: str | None = None,
    accepts_prefix: bool = False,
    chat: bool = True,
    efforts: tuple[str, ...] = (),
    latency_ms: int = 500,
    window_free: int | None = None,
) -> ModelCard:
    """A card; its provider is the part of the id before the first hyphen."""
    return ModelCard(
        id=model_id,
        name=(own_id or model_id).title(),
        provider=provider or model_id.partition("-")[0],
        provider_model_id=own_id or model_id,
        capabilities=frozenset(capabilities),
        source="test",
        free_tier=free_tier,
        features=frozenset(features),
        context_window=window,
        context_window_free=window_free,
        limits=limits or Limits(),
        quality=quality,
        replacement=replacement,
        accepts_prefix=accepts_prefix,
        chat=chat,
        reasoning_efforts=efforts,
        latency_ms=latency_ms,
    )


@dataclass(frozen=True)
class Found:
    """A resolution."""

    card: ModelCard | None
    warnings: tuple[str, ...] = ()


class SmallCatalog:
    """The catalog's questions answered from a list; ``dead`` and ``off`` are model ids."""

    def __init__(
        self, cards: Iterable[ModelCard], dead: Iterable[str] = (), off: Iterable[str] = ()
    ) -> None:
        self.cards = {one.id: one for one in cards}
        self.dead = set(dead)
        self.off = set(off)

    def get(self, model_id: str) -> ModelCard | None:
        return self.cards.get(model_id)

    def find(self, name: str) -> tuple[ModelCard, ...]:
        return tuple(one for one in self.cards.values() if name in (one.id, one.provider_model_id))

    def status(self, card: ModelCard) -> Lifecycle:
        return Lifecycle.DEAD if card.id in self.dead else Lifecycle.ACTIVE

    def resolve(self, card: ModelCard) -> Found:
        warnings: list[str] = []
        here: ModelCard | None = card
        while here is not None and here.id in self.dead:
            warnings.append(f"{here.id} is gone; {here.replacement} replaces it")
            here = self.cards.get(here.replacement or "")
        return Found(here, tuple(warnings))

    def enabled(self, card: ModelCard) -> bool:
        return card.id not in self.off

    def all(self) -> Iterable[ModelCard]:
        return self.cards.values()


class SmallRules:
    """One rule for every category unless it has its own."""

    def __init__(self, rule: Rule, own: Mapping[Category, Rule] | None = None) -> None:
        self.default = rule
        self.own = dict(own or {})

    def rule(self, category: Category) -> Rule:
        return self.own.get(category, self.default)


def rule(*models: str, max_attempts: int = 6) -> Rule:
    """A rule with priorities 100, 95, 90, ..."""
    entries = tuple(
        RuleEntry(model=model, priority=100 - 5 * place) for place, model in enumerate(models)
    )
    return Rule(entries=entries, max_attempts=max_attempts)


def request(
    model: str = "auto",
    *,
    tokens: int = 100,
    max_tokens: int | None = None,
    stream: bool = False,
    needs: tuple[Need, ...] = (),
    effort: str | None = None,
    n: int = 1,
    options: RequestOptions | None = None,
) -> ChatRequest:
    """A chat request of one short message."""
    return ChatRequest(
        body={},
        model=model,
        messages=[{"role": "user", "content": "hello"}],
        input_tokens=tokens,
        stream=stream,
        needs=needs,
        max_tokens=max_tokens,
        reasoning_effort=effort,
        n=n,
        options=options or RequestOptions(),
    )


def plan_of(
    cards: Iterable[ModelCard],
    *,
    max_attempts: int = 6,
    fallback: bool = True,
    named: bool = False,
    waits_for_head: bool = False,
) -> Plan:
    """A plan that asks the cards in this order."""
    chain = tuple(Candidate(one, 100.0 - place) for place, one in enumerate(cards))
    return Plan(
        Category.MEDIUM,
        "test",
        chain if fallback else chain[:1],
        100,
        max_attempts,
        fallback=fallback,
        named=named,
        waits_for_head=waits_for_head,
    )


@dataclass
class World:
    """The real health book, line, router and executor over fake providers; ``quotas`` None:
    permits without limits, counted in ``meter``.

    ``acts`` scripts each model: an ``Act`` for every call, a list whose last act repeats, or a
    function of the call.
    """

    clock: Clock
    cards: list[ModelCard]
    acts: dict[str, Script] = field(default_factory=dict)
    timeouts: TimeoutConfig = field(default_factory=TimeoutConfig)
    rule: Rule | None = None
    catalog: SmallCatalog | None = None
    pays: Callable[[str], bool] = lambda provider: False
    enabled: Callable[[str], bool] = lambda provider: True
    quotas: Quotas | None = None

    def __post_init__(self) -> None:
        self.catalog = self.catalog or SmallCatalog(self.cards)
        self.rules = SmallRules(self.rule or rule(*(one.id for one in self.cards)))
        self.health = HealthBook(self.clock)
        self.meter = CountingQuotas()
        self.line = WaitingLine(self.clock)
        quotas = self.quotas or self.meter
        self.log: list[str] = []
        self.providers = {
            name: FakeProvider(name, self._act, log=self.log)
            for name in {one.provider for one in self.cards}
        }
        self.router = Router(
            self.catalog,
            self.rules,
            self.health,
            quotas,
            self.enabled,
            self.pays,
            self.clock,
        )
        self.executor = Executor(
            self.provider,
            self.health,
            quotas,
            self.line,
            self.clock,
            random.Random(7),
            lambda: self.timeouts,
        )

    def _act(self, call: ProviderCall, nth: int) -> Act:
        acts = self.acts.get(call.card.id, Act())
        if isinstance(acts, Act):
            return acts
        if not isinstance(acts, list):
            return acts(call)
        return acts[min(nth, len(acts) - 1)]

    def provider(self, name: str) -> ChatProvider | None:
        """The fake behind that name."""
        return self.providers.get(name)

    def asked(self) -> list[str]:
        """Model ids in the order in which they were asked, over all providers."""
        return list(self.log)

    def deadline(self, seconds: float = 50.0) -> Deadline:
        """A deadline from now."""
        return Deadline.after(self.clock, seconds)
