"""Embeddings and the list of models of the Google adapter, over real sockets."""

from __future__ import annotations

import pytest

from shared.errors import MalformedAnswer
from shared.messages import JsonObject
from shared.model import Capability
from shared.providers.gemini_embed import MAX_BATCH
from tests.contract.test_gemini_wire import PATIENT, bench, virtual
from tests.support.wire_server import Reply, plain
from tests.unit.test_gemini_encode import make_card

EMBEDDER = make_card("gemini-embedding-001", capabilities=frozenset({Capability.EMBEDDING}))
EMBEDDER_2 = make_card("gemini-embedding-2", capabilities=frozenset({Capability.EMBEDDING}))


@virtual
async def test_one_text_is_embedded_at_unit_length() -> None:
    async with bench(plain({"embedding": {"values": [3, 4.0]}})) as at:
        found = await at.google.embed(EMBEDDER, ["hello you"], 2, PATIENT, task="query")
        seen = at.server.requests[0]
    assert found.vectors == [[0.6, 0.8]]
    assert found.prompt_tokens == 3
    assert seen.path == "/v1beta/models/gemini-embedding-001:embedContent"
    assert seen.json() == {
        "model": "models/gemini-embedding-001",
        "taskType": "RETRIEVAL_QUERY",
        "content": {"parts": [{"text": "hello you"}]},
        "outputDimensionality": 2,
    }


@virtual
async def test_several_texts_and_the_second_model_has_its_task_in_the_text() -> None:
    told = {
        "embeddings": [{"values": [1.0, 0.0, 9.0]}, {"values": [0.0, 0.0, 0.0]}],
        "usageMetadata": {"promptTokenCount": 77},
    }
    async with bench(plain(told)) as at:
        found = await at.google.embed(EMBEDDER_2, ["a", "b"], 2, PATIENT, task="document")
        seen = at.server.requests[0]
    assert found.vectors == [[1.0, 0.0], [0.0, 0.0]]
    assert found.prompt_tokens == 77
    assert seen.path == "/v1beta/models/gemini-embedding-2:batchEmbedContents"
    requests = seen.json()["requests"]
    assert isinstance(requests, list)
    assert requests[0] == {
        "model": "models/gemini-embedding-2",
        "content": {"parts": [{"text": "title: none | text: a"}]},
        "outputDimensionality": 2,
    }


@virtual
async def test_more_texts_than_a_batch_takes_keep_their_order() -> None:
    def vectors(first: int, count: int) -> Reply:
        return plain(
            {"embeddings": [{"values": [1.0, n / 1000]} for n in range(first, first + count)]}
        )

    async with bench(vectors(0, MAX_BATCH), vectors(MAX_BATCH, 20)) as at:
        texts = [str(number) for number in range(MAX_BATCH + 20)]
        found = await at.google.embed(EMBEDDER, texts, None, PATIENT)
        assert len(at.server.requests) == 2
    ratios = [round(vector[1] / vector[0] * 1000) for vector in found.vectors]
    assert ratios == list(range(MAX_BATCH + 20))


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '{"embedding": {"values": []}}',
        '{"embedding": {"values": ["x"]}}',
        '{"embedding": {"values": [true, 1]}}',
        '{"embedding": {"values": [1]}}',
        '{"embedding": 3}',
        '{"embeddings": []}',
        "{}",
    ],
)
@virtual
async def test_malformed_embeddings(body: str) -> None:
    async with bench(plain(body)) as at:
        with pytest.raises(MalformedAnswer):
            await at.google.embed(EMBEDDER, ["a"], 2, PATIENT)


@virtual
async def test_the_list_of_models_over_its_pages() -> None:
    first: JsonObject = {
        "models": [{"name": "models/gemini-3.8-flash"}, {"name": 5}, 7, {"name": "other"}],
        "nextPageToken": "a+b/c=",
    }
    async with bench(plain(first), plain({"models": [{"name": "models/z"}]})) as at:
        found = await at.google.list_models(PATIENT)
        paths = [seen.path for seen in at.server.requests]
    assert found == ["gemini-3.8-flash", "other", "z"]
    assert paths == [
        "/v1beta/models?pageSize=1000",
        "/v1beta/models?pageSize=1000&pageToken=a%2Bb/c%3D",
    ]


@virtual
async def test_a_list_that_never_ends_is_left_after_its_repetition() -> None:
    page: JsonObject = {"models": [{"name": "models/a"}], "nextPageToken": "same"}
    async with bench(plain(page)) as at:
        assert await at.google.list_models(PATIENT) == ["a", "a"]


@pytest.mark.parametrize("body", ["[]", '{"models": 1}', "7", "nonsense"])
@virtual
async def test_a_malformed_list(body: str) -> None:
    async with bench(plain(body)) as at:
        with pytest.raises(MalformedAnswer):
            await at.google.list_models(PATIENT)
