"""Texts to vectors with ``embedContent`` and ``batchEmbedContents``.

gemini-embedding-001 takes what the vectors are for as ``taskType``; gemini-embedding-2 has no such
field and takes it as words around the text (reference: Gemini API, Embeddings). Both give 3,072
dimensions, of which any beginning is an embedding too, once it is brought to unit length.
"""

from __future__ import annotations

import math
from typing import Literal

from shared.messages import JsonObject, JsonValue
from shared.providers.gemini_decode import malformed
from shared.tokens import estimate_tokens

EmbeddingTask = Literal["query", "document", "similarity"]
# The most texts that one batchEmbedContents takes.
MAX_BATCH = 100
_TASK_TYPES = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
}
_PREFIXES = {
    "query": "task: search result | query: ",
    "document": "title: none | text: ",
    "similarity": "task: sentence similarity | query: ",
}
# A vector whose length differs from 1 by less needs no second look.
_UNIT_TOLERANCE = 1e-6


def encode_embedding(
    model_id: str, text: str, dimensions: int | None, task: EmbeddingTask | None
) -> JsonObject:
    """The request for one text; alone it is the body of ``embedContent``."""
    request: JsonObject = {"model": f"models/{model_id}"}
    if task is not None and _takes_task_type(model_id):
        request["taskType"] = _TASK_TYPES[task]
    elif task is not None:
        text = _PREFIXES[task] + text
    request["content"] = {"parts": [{"text": text}]}
    if dimensions is not None:
        request["outputDimensionality"] = dimensions
    return request


def _takes_task_type(model_id: str) -> bool:
    return "embedding-001" in model_id


def decode_embeddings(
    response: JsonValue, inputs: list[str], dimensions: int | None
) -> tuple[list[list[float]], int]:
    """The vectors of ``inputs`` in their order, and the prompt tokens (estimated if not told).

    Raises ``MalformedAnswer`` unless there is one vector of numbers for each text.
    """
    if not isinstance(response, dict):
        raise malformed("embeddings are not an object")
    found = response.get("embeddings")
    if found is None:
        found = [response.get("embedding")]
    if not isinstance(found, list) or len(found) != len(inputs):
        raise malformed("there is not one embedding for each text")
    vectors = [_vector(value, dimensions) for value in found]
    usage = response.get("usageMetadata")
    told = usage.get("promptTokenCount") if isinstance(usage, dict) else None
    if type(told) is int and told > 0:
        return vectors, told
    return vectors, sum(estimate_tokens(text) for text in inputs)


def _vector(value: JsonValue, dimensions: int | None) -> list[float]:
    values = value.get("values") if isinstance(value, dict) else None
    if not isinstance(values, list) or not values or not set(map(type, values)) <= {int, float}:
        raise malformed("an embedding is not a list of numbers")
    numbers = [number for number in values if isinstance(number, int | float)]
    if dimensions is not None:
        if len(numbers) < dimensions:
            raise malformed("an embedding has fewer dimensions than asked for")
        numbers = numbers[:dimensions]
    return unit(numbers)


def unit(vector: list[float]) -> list[float]:
    """``vector`` at length 1; only the full size comes so from the provider. Zero stays zero."""
    length = math.hypot(*vector)
    if length == 0 or abs(length - 1) < _UNIT_TOLERANCE or not math.isfinite(length):
        return vector
    return [number / length for number in vector]
