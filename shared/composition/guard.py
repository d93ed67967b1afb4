"""The guard chain of an instance, made when the first text is to be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.pipeline.asking import ModelAsker
from shared.routing.executor import Executor
from shared.safety.guard import GuardChain

if TYPE_CHECKING:
    from shared.composition.services import Services


def guard_of(services: Services) -> GuardChain:
    """Guards that are asked out of the instance's own quotas. Never open: who asks for a judgement
    is not told one that nobody made."""
    executor = Executor(
        services.providers.get,
        services.health,
        services.ledger,
        services.line,
        services.clock,
        services.rng,
        services.runtime.timeouts,
    )
    asker = ModelAsker(
        services.state,
        executor,
        services.providers.enabled,
        services.runtime.pays,
        services.clock,
    )
    return GuardChain(asker, services.clock, lambda: False)
