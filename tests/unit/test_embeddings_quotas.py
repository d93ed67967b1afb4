"""Embeddings draw from the ledger as chats do: a permit a call, settled, and the same closures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from shared.clock import Deadline
from shared.config import TimeoutConfig
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    InvalidRequest,
    KeyRejected,
    Overloaded,
    PaymentRequired,
    ProviderError,
    ProviderFailure,
    QuotaExceeded,
)
from shared.model import Capability, ModelCard
from shared.permits import NONE_ALLOWED, TOO_LARGE, Refusal
from shared.pipeline.embeddings import EmbeddingPipeline
from shared.providers.base import EmbeddingResult, Timeouts
from tests.support.counting_quotas import CountingQuotas
from tests.support.fake_provider import OK, FakeProvider
from tests.support.routing_world import SmallCatalog, card
from tests.support.virtual_time import VirtualClock, run_virtual

EMBEDDER = card("alpha-embed", capabilities=[Capability.EMBEDDING])


@dataclass
class Embedder(FakeProvider):
    """Fails as told, then gives a vector a text."""

    failures: list[ProviderFailure] = field(default_factory=list)

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        if self.failures:
            raise self.failures.pop(0)
        return EmbeddingResult([[0.5]] * len(inputs), 33)


def embed(quotas: CountingQuotas, *failures: ProviderFailure) -> CodeexError | None:
    """One request of 40 characters; how it ended."""

    async def main() -> CodeexError | None:
        provider = Embedder("alpha", lambda _card, _nth: OK, failures=list(failures))
        pipeline = EmbeddingPipeline(
            lambda: SmallCatalog([EMBEDDER]),  # type: ignore[arg-type, return-value]
            lambda _: provider,
            lambda _: False,
            TimeoutConfig,
            quotas,
        )
        deadline = Deadline.after(VirtualClock(asyncio.get_running_loop()), 50.0)
        try:
            await pipeline.embed(
                EMBEDDER, ["forty characters of a text to be embedded"], 3, deadline
            )
        except CodeexError as error:
            return error
        return None

    return run_virtual(main())


def test_a_permit_is_settled_with_what_the_provider_counted() -> None:
    quotas = CountingQuotas()
    assert embed(quotas) is None
    assert quotas.settlements() == [[33]]


def test_each_call_has_its_own() -> None:
    quotas = CountingQuotas()
    assert embed(quotas, Overloaded("down"), QuotaExceeded("full", wait_s=4.0)) is not None
    first, second = quotas.settlements()
    assert (len(first), second) == (1, [0])
    assert first[0] == next(iter(quotas.kept.values())).tokens > 0


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (QuotaExceeded("full", wait_s=4.0), ("alpha-embed", "limit", 4.0)),
        (KeyRejected("no"), ("alpha", "key", 300.0)),
        (PaymentRequired("no credit"), ("alpha", "payment", 3600.0)),
    ],
)
def test_failures_close_for_everybody(
    failure: ProviderFailure, told: tuple[str, str, float]
) -> None:
    quotas = CountingQuotas()
    embed(quotas, failure, failure)
    assert told in quotas.told


@pytest.mark.parametrize(
    ("refusal", "error", "retry_after"),
    [
        (Refusal(30.0, "full"), CapacityExhausted, 30.0),
        (Refusal(30.0, "limit"), CapacityExhausted, 30.0),
        (Refusal(200.0, "key"), ProviderError, 200.0),
        (TOO_LARGE, InvalidRequest, None),
        (NONE_ALLOWED, CapacityExhausted, 10.0),
    ],
)
def test_refusals_are_told_and_nothing_is_sent(
    refusal: Refusal, error: type[CodeexError], retry_after: float | None
) -> None:
    quotas = CountingQuotas()
    quotas.refusals[EMBEDDER.id] = refusal
    told = embed(quotas)
    assert isinstance(told, error)
    assert told.retry_after == retry_after
    assert quotas.settlements() == []
