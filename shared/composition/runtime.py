"""The runtime configuration in force at one instance, and what follows from it.

A new one is applied whole: catalog, rules and limits are made from it first, and only then does
anybody see any of them. Requests under way end under the one they began with.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.catalog.load import CatalogError, load_catalog, provider_terms
from shared.catalog.registry import Catalog, local_card
from shared.catalog.rules import RuleBook
from shared.clock import Clock
from shared.config import ClientLimits, RuntimeConfig, TimeoutConfig
from shared.limits.effective import EffectiveLimits
from shared.limits.quota_limits import CardLimits, QuotaLimits
from shared.model import ModelCard
from shared.pipeline.routing_state import LOCAL, RoutingState
from shared.routing.router import Router


class InForce(Struct, frozen=True):
    """One configuration and the parts made from it."""

    config: RuntimeConfig
    rules: RuleBook
    effective: EffectiveLimits
    limits: QuotaLimits


class Runtime:
    """Answers what the configuration says now. ``make_router`` builds a router for a catalog,
    its rules and who is paid for."""

    __slots__ = ("_clock", "_in_force", "_make_router", "state")

    def __init__(
        self,
        config: RuntimeConfig,
        clock: Clock,
        make_router: Callable[[Catalog, RuleBook, Callable[[str], bool]], Router],
    ) -> None:
        """Raises ``CatalogError`` where the configuration does not fit the catalog."""
        self._clock = clock
        self._make_router = make_router
        catalog, rules = load_catalog(clock, config)
        self._in_force = _in_force(config, rules)
        self.state = RoutingState(catalog, self._router(catalog), self._router)

    def apply(self, config: RuntimeConfig) -> None:
        """Serve by this configuration from the next request on. Raises ``CatalogError``, and then
        the earlier one stays in force."""
        catalog, rules = load_catalog(self._clock, config)
        found = self.state.catalog.by_provider(LOCAL)
        extra = [local_card(card.name, config.models.get(card.id)) for card in found]
        self._in_force = _in_force(config, rules)
        self.state.use(catalog.replace(extra_cards=extra) if extra else catalog)

    def problems(self, config: RuntimeConfig) -> list[str]:
        """Everything that keeps this configuration from being applied, a line each."""
        try:
            load_catalog(self._clock, config)
        except CatalogError as error:
            return list(error.problems)
        return []

    @property
    def config(self) -> RuntimeConfig:
        """The whole configuration."""
        return self._in_force.config

    def timeouts(self) -> TimeoutConfig:
        """Seconds for attempts."""
        return self._in_force.config.timeouts

    def client_limits(self) -> ClientLimits:
        """Requests a minute a caller may make."""
        return self._in_force.config.client_limits

    def pays(self, provider: str) -> bool:
        """Whether the provider's key may be billed."""
        return self._in_force.config.pays(provider)

    @property
    def effective(self) -> EffectiveLimits:
        """The limits by provider and model."""
        return self._in_force.effective

    def limits_of(self, card: ModelCard) -> CardLimits:
        """The limits that bind a model; the same object as long as they are the same."""
        return self._in_force.limits.of(card)

    def _router(self, catalog: Catalog) -> Router:
        return self._make_router(catalog, self._in_force.rules, self._in_force.config.pays)


def _in_force(config: RuntimeConfig, rules: RuleBook) -> InForce:
    terms = provider_terms()
    effective = EffectiveLimits(config.limits, {n: one.ceiling for n, one in terms.items()})
    day_resets = {name: one.day_reset for name, one in terms.items()}
    return InForce(config, rules, effective, QuotaLimits(effective, day_resets))
