"""``POST /v1/embeddings`` in OpenAI's shape, from the catalog's embedding models."""

from __future__ import annotations

import base64
import struct

from starlette.types import Send

from shared.clock import Clock, Deadline
from shared.edge.asgi import HttpRequest, refuse_form_bodies, send_json, unless_client_leaves
from shared.edge.call import Call
from shared.edge.embeddings_request import parse_embeddings_request
from shared.messages import JsonObject, JsonValue
from shared.pipeline.chat import PLAIN_DEADLINE_S
from shared.pipeline.embeddings import EmbeddingPipeline


class EmbeddingsEndpoint:
    """Vectors of texts."""

    __slots__ = ("_clock", "_pipeline")

    def __init__(self, pipeline: EmbeddingPipeline, clock: Clock) -> None:
        self._pipeline = pipeline
        self._clock = clock

    async def create(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Embed every input, in order, with one model."""
        refuse_form_bodies(http)
        request = parse_embeddings_request(await http.body())
        card = self._pipeline.choose(request.model)
        deadline = Deadline(self._clock, call.started + PLAIN_DEADLINE_S)
        result = await unless_client_leaves(
            http.receive,
            self._pipeline.embed(card, request.inputs, request.dimensions, deadline),
        )
        as_base64 = request.encoding_format == "base64"
        data: list[JsonValue] = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, as_base64)}
            for index, vector in enumerate(result.vectors)
        ]
        usage: JsonObject = {
            "prompt_tokens": result.prompt_tokens,
            "total_tokens": result.prompt_tokens,
        }
        headers = [
            *call.headers(),
            (b"x-codeex-model", card.id.encode()),
            (b"x-codeex-provider", card.provider.encode()),
        ]
        body: JsonObject = {"object": "list", "data": data, "model": card.id, "usage": usage}
        await send_json(send, 200, headers, body)


def _encoded(vector: list[float], as_base64: bool) -> JsonValue:
    """Floats, or little-endian float32 in base64 as OpenAI's SDKs ask for by default."""
    if not as_base64:
        return list(vector)
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
