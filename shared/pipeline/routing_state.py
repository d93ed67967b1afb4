"""The catalog and router in force, and how they change while the instance serves.

Both are immutable values that are swapped whole: a request sees one state from begin to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from shared.catalog.registry import Catalog, local_card
from shared.clock import Clock
from shared.config import ModelOverride
from shared.errors import ProviderFailure
from shared.providers.base import ChatProvider, Timeouts
from shared.routing.router import Router

LOCAL = "local"
# A local server that does not answer is asked again for its models after this many seconds.
RETRY_S = 30.0
# Listing models on one's own machine is a matter of milliseconds; nobody waits longer.
LIST_TIMEOUT_S = 2.0
# One part in so many of a request's time may be spent on it.
LIST_SHARE = 4


class RoutingState(Struct):
    """Holds what routing rests on; ``make_router`` builds a router for a catalog."""

    catalog: Catalog
    router: Router
    make_router: Callable[[Catalog], Router]

    def use(self, catalog: Catalog) -> None:
        """Route by this catalog from the next request on."""
        self.catalog = catalog
        self.router = self.make_router(catalog)


class LocalModels:
    """Finds the models of the user's own OpenAI-compatible server (contract, Environment)."""

    __slots__ = ("_clock", "_due", "_overrides", "_provider", "_state")

    def __init__(
        self,
        provider: ChatProvider,
        state: RoutingState,
        overrides: Callable[[], Mapping[str, ModelOverride]],
        clock: Clock,
    ) -> None:
        self._provider = provider
        self._state = state
        self._overrides = overrides
        self._clock = clock
        self._due = clock.monotonic()

    async def ensure(self, model: str, left_s: float = LIST_TIMEOUT_S * LIST_SHARE) -> None:
        """Ask the server which models it has: at first, and when a ``local-`` model that is not
        known is asked for. A server that is down costs one short wait per ``RETRY_S``, of which a
        request with ``left_s`` seconds to its deadline spends a small part."""
        known = self._state.catalog.by_provider(LOCAL)
        wanted = model.startswith(f"{LOCAL}-") and self._state.catalog.get(model) is None
        now = self._clock.monotonic()
        if now < self._due or (known and not wanted):
            return
        self._due = now + RETRY_S
        wait = min(LIST_TIMEOUT_S, left_s / LIST_SHARE)
        limits = Timeouts(first_byte=wait, stall=wait, total=wait)
        try:
            names = await self._provider.list_models(limits)
        except ProviderFailure:
            return
        overrides = self._overrides()
        cards = [local_card(name, overrides.get(f"{LOCAL}-{name}")) for name in names]
        self._state.use(self._state.catalog.replace(extra_cards=cards))
