"""The real executor over the real ledger: instances that share one store, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.errors import CodeexError
from shared.limits.effective import EffectiveLimits
from shared.limits.ledger import QuotaLedger
from shared.limits.quota_documents import QuotaDocuments
from shared.limits.quota_limits import QuotaLimits
from shared.messages import ChatRequest, RequestOptions
from shared.model import Limits, ModelCard
from shared.routing.plan import Plan, Trace
from tests.support.quota_world import SimulatedStore
from tests.support.routing_world import Script, World, request
from tests.support.virtual_time import VirtualClock


def ledger_over(
    documents: QuotaDocuments,
    clock: VirtualClock,
    name: str,
    ceilings: Mapping[str, Limits] | None = None,
) -> QuotaLedger:
    """An instance's ledger; limits are the cards' own under the providers' ``ceilings``."""
    limits = QuotaLimits(EffectiveLimits({}, ceilings or {}), {})
    return QuotaLedger(documents, limits.of, clock, name, random.Random(name))


@dataclass
class Ended:
    """How one request ended, and when (virtual seconds)."""

    name: str
    trace: Trace
    began: float
    error: CodeexError | None = None
    at: float = 0.0

    @property
    def took(self) -> float:
        return self.at - self.began


@dataclass
class Instances:
    """Worlds that share a store. ``arrivals``: (second, model) of every provider call."""

    cards: list[ModelCard]
    acts: dict[str, Script] = field(default_factory=dict)
    ceilings: Mapping[str, Limits] = field(default_factory=dict)
    count: int = 1
    documents: QuotaDocuments | None = None

    def __post_init__(self) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.store = SimulatedStore(random.Random(3))
        documents = self.documents or self.store
        self.worlds = [
            World(
                self.clock,
                self.cards,
                dict(self.acts),
                quotas=ledger_over(documents, self.clock, f"i{place}", self.ceilings),
            )
            for place in range(self.count)
        ]
        self.ended: list[Ended] = []

    def ledger(self, place: int = 0) -> QuotaLedger:
        """Of one instance."""
        found = self.worlds[place].quotas
        assert isinstance(found, QuotaLedger)
        return found

    def arrivals(self) -> list[tuple[float, str]]:
        """Every call that reached a provider, in order."""
        return sorted(
            (asked.at, asked.model)
            for world in self.worlds
            for provider in world.providers.values()
            for asked in provider.asked
        )

    async def ask(
        self,
        plan: Plan,
        *,
        at: int = 0,
        name: str = "",
        priority: int = 5,
        patience: float = 10.0,
        asked: ChatRequest | None = None,
        deadline: float = 50.0,
    ) -> Ended:
        """One whole request at an instance."""
        world = self.worlds[at]
        options = RequestOptions(patience_s=patience, priority=priority)
        ended = Ended(name, Trace(), self.clock.monotonic())
        try:
            await world.executor.complete(
                plan, asked or request(options=options), world.deadline(deadline), ended.trace
            )
        except CodeexError as error:
            ended.error = error
        finally:
            ended.at = self.clock.monotonic()
            self.ended.append(ended)
        return ended


def most_in_a_minute(times: Iterable[float]) -> int:
    """The most of ``times`` (s) in any 60 s."""
    ordered = sorted(times)
    return max(
        (sum(1 for at in ordered if first <= at < first + 60.0 - 1e-9) for first in ordered),
        default=0,
    )
