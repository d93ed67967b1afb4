"""How a function serves requests that carry an Idempotency-Key: made when the first one comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.composition.services import Services
    from shared.edge.idempotency import Idempotency


def idempotency_of(services: Services, resumable: frozenset[str]) -> Callable[[], Idempotency]:
    """Gives the function's one ``Idempotency``. ``resumable``: the paths of requests a worker can
    finish."""
    made: list[Idempotency] = []

    def get() -> Idempotency:
        if not made:
            made.append(_make(services, resumable))
        return made[0]

    return get


def _make(services: Services, resumable: frozenset[str]) -> Idempotency:
    # Most instances never see a key, and a cold start should not pay for it.
    from shared.edge.idempotency import Idempotency, IdempotencyParts
    from shared.idempotency.store import RecordStore

    store = RecordStore(services.stores.documents, services.clock, services.rng)
    return Idempotency(
        IdempotencyParts(
            store=store,
            clock=services.clock,
            tasks=services.stores.tasks,
            resumable=resumable,
            stopping=lambda: services.stopping(),
            watch=lambda task: services.watch(task),
        )
    )
