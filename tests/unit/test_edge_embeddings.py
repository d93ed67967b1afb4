"""``POST /v1/embeddings``: choosing the model, both encodings, and how failures are told."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.clock import Clock, Deadline
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    DeadlineExceeded,
    FeatureDisabled,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    ProviderError,
    ProviderFailure,
    QuotaExceeded,
    RequestRejected,
)
from shared.model import ModelCard
from shared.providers.base import EmbeddingResult, Timeouts
from tests.support.edge_driver import House, Sent
from tests.support.fake_provider import OK, FakeProvider
from tests.support.virtual_time import run_virtual

EMBEDDER = "google-gemini-embedding-001"


@dataclass
class Embedder(FakeProvider):
    """Fails as told, then gives unit vectors."""

    failures: list[ProviderFailure] = field(default_factory=list)
    calls: list[Timeouts] = field(default_factory=list)

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        """One vector of ``dimensions`` a text."""
        self.calls.append(timeouts)
        if self.failures:
            raise self.failures.pop(0)
        return EmbeddingResult([[0.5] * (dimensions or 4) for _ in inputs], 3 * len(inputs))


def _house(*failures: ProviderFailure) -> tuple[House, Embedder]:
    house = House()
    embedder = Embedder("google", lambda _card, _nth: OK, failures=list(failures))
    house.services.providers.providers["google"] = embedder
    return house, embedder


def _ask(make: Callable[[], tuple[House, Embedder]], **fields: object) -> Sent:
    async def main() -> Sent:
        house, _ = make()
        body = {"model": "auto", "input": ["one", "two"], **fields}
        return await house.call("/v1/embeddings", body)  # type: ignore[arg-type]

    return run_virtual(main())


@pytest.mark.parametrize("model", ["auto", "gemini-embedding-001", EMBEDDER])
def test_vectors_come_in_order_with_usage_and_the_catalog_id(model: str) -> None:
    answer = _ask(_house, model=model)
    body = answer.json()
    assert answer.status == 200
    assert body["model"] == EMBEDDER
    assert body["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert answer.headers["x-codeex-provider"] == "google"
    data = body["data"]
    assert isinstance(data, list)
    assert [item["index"] for item in data if isinstance(item, dict)] == [0, 1]


def test_base64_is_little_endian_float32() -> None:
    data = _ask(_house, encoding_format="base64", dimensions=2).json()["data"]
    assert isinstance(data, list)
    first = data[0]
    assert isinstance(first, dict)
    assert struct.unpack("<2f", base64.b64decode(str(first["embedding"]))) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("no-such-model", 404, "model_not_found"),
        ("groq-gpt-oss-120b", 400, "invalid_request"),
    ],
)
def test_what_is_no_embedding_model_is_refused(model: str, status: int, code: str) -> None:
    answer = _ask(_house, model=model)
    assert (answer.status, answer.error()["code"]) == (status, code)
    assert EMBEDDER in str(answer.error()["message"])


def test_one_failure_is_mended_by_asking_again_with_more_time() -> None:
    embedder: list[Embedder] = []

    def make() -> tuple[House, Embedder]:
        made = _house(Overloaded("busy", provider="google"))
        embedder.append(made[1])
        return made

    assert _ask(make).status == 200
    first, second = embedder[0].calls
    assert second.total > first.total


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Overloaded("busy"), 502, "provider_error"),
        (QuotaExceeded("full", wait_s=20.0), 429, "capacity_exhausted"),
        (RequestRejected("too many texts", param="input"), 400, "invalid_request"),
    ],
)
def test_a_failure_that_stays_is_told(failure: ProviderFailure, status: int, code: str) -> None:
    answer = _ask(lambda: _house(failure, failure))
    assert (answer.status, answer.error()["code"]) == (status, code)
    if status == 429:
        assert answer.headers["retry-after"] == "20"


def test_no_time_left_is_a_504() -> None:
    async def main() -> None:
        house, _ = _house()
        pipeline = house.services.embedder
        card = pipeline.choose("auto")
        clock: Clock = house.clock
        await pipeline.embed(card, ["x"], None, Deadline(clock, clock.monotonic()))

    with pytest.raises(DeadlineExceeded):
        run_virtual(main())


@pytest.mark.parametrize(
    ("paid", "google", "error"),
    [(True, False, FeatureDisabled), (False, True, None)],
)
def test_a_provider_without_a_key_is_said_so(
    paid: bool, google: bool, error: type[CodeexError] | None
) -> None:
    async def main() -> None:
        house, _ = _house()
        if not google:
            del house.services.providers.providers["google"]
        house.services.embedder.pays = lambda _name: paid
        house.services.embedder.choose("auto")

    if error is None:
        run_virtual(main())
    else:
        with pytest.raises(error, match="key of google"):
            run_virtual(main())


def test_errors_here_are_the_taxonomys() -> None:
    told = {ModelNotFound, InvalidRequest, CapacityExhausted, ProviderError, FeatureDisabled}
    assert {kind.status for kind in told} == {404, 400, 429, 502, 403}
