"""The body of ``POST /v1/embeddings`` (OpenAI's shape)."""

from __future__ import annotations

from msgspec import Struct

from shared.edge.json_body import integer_in, kind, load_object, one_of, string, wrong
from shared.messages import JsonValue

# OpenAI's limit on the inputs of one request.
MAX_INPUTS = 2048
# The largest vector of the Google embedders (3,072 for gemini-embedding-001).
MAX_DIMENSIONS = 3072


class EmbeddingsRequest(Struct, frozen=True):
    """Texts to embed. ``dimensions`` None: the model's own; ``encoding_format``: "float" or
    "base64" (little-endian float32, what OpenAI's SDKs ask for by themselves)."""

    model: str
    inputs: list[str]
    dimensions: int | None = None
    encoding_format: str = "float"


def parse_embeddings_request(body: bytes) -> EmbeddingsRequest:
    """The embeddings request that ``body`` (JSON, UTF-8, at most 24 MiB) holds.

    Raises ``InvalidRequest`` with the field's path in ``param``, and ``PayloadTooLarge``.
    """
    loaded = load_object(body)
    if loaded.get("model") is None:
        wrong("model", 'is required: send "auto" or the id of an embedding model')
    model = string(loaded["model"], "model")
    if not model or len(model) > 256 or not model.isprintable():
        wrong("model", "must be 1 to 256 printable characters")
    dimensions = loaded.get("dimensions")
    encoding = loaded.get("encoding_format")
    return EmbeddingsRequest(
        model=model,
        inputs=_inputs(loaded.get("input")),
        dimensions=(
            None if dimensions is None else integer_in(dimensions, "dimensions", 1, MAX_DIMENSIONS)
        ),
        encoding_format=(
            "float"
            if encoding is None
            else one_of(encoding, "encoding_format", ("float", "base64"))
        ),
    )


def _inputs(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [_text(value, "input")]
    if not isinstance(value, list):
        wrong("input", f"expected a string or an array of strings, found {kind(value)}")
    if not 1 <= len(value) <= MAX_INPUTS and not _is_token(value[:1]):
        wrong("input", f"must hold 1 to {MAX_INPUTS:,} strings")
    return [_text(item, f"input[{index}]") for index, item in enumerate(value)]


def _is_token(first: list[JsonValue]) -> bool:
    return bool(first) and isinstance(first[0], (int, list)) and not isinstance(first[0], bool)


def _text(value: JsonValue, param: str) -> str:
    if not isinstance(value, str):
        if _is_token([value]):
            wrong(param, "token arrays are not taken: send the text itself as a string")
        wrong(param, f"expected a string, found {kind(value)}")
    if not value:
        wrong(param, "is empty: send a text of at least one character")
    return value
