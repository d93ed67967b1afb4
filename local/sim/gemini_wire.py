"""Google's Gemini REST wire: generateContent, its stream (no ``[DONE]``), embeddings, models."""

from __future__ import annotations

import hashlib
import json
import math
import re

from local.sim.answers import answer, work_of
from local.sim.errors import WireError
from local.sim.gemini_body import generation, read_generate, signature
from local.sim.models import ServedModels
from local.sim.prompt import SimPrompt, SimReply, count_tokens, pieces
from local.sim.wire import SimAnswer, SimRequest, Target
from shared.messages import JsonObject, JsonValue
from shared.model import Capability, ModelCard
from shared.tokens import estimate_tokens

_CALL = re.compile(r"/v1(?:beta)?/models/([^/:]+):(\w+)\Z")
_MODEL = re.compile(r"/v1(?:beta)?/models(?:/([^/:]+))?\Z")
_DIMENSIONS = 3072
_DIMENSIONS_OF_A_WORD = 48


class GeminiWire:
    """The provider ``google``."""

    base_path = ""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    def key_of(self, request: SimRequest) -> str | None:
        """The header, or ``?key=``."""
        return request.headers.get("x-goog-api-key") or request.query.get("key")

    def target(self, request: SimRequest) -> Target:
        """The model in the path."""
        match = _CALL.search(request.path)
        if match is None or request.method != "POST":
            return Target()
        card = self._models.find("google", match.group(1))
        return Target(match.group(1), card, match.group(2) == "streamGenerateContent")

    def answer(self, request: SimRequest, target: Target) -> SimAnswer:
        """Any of the methods. Raises ``WireError``."""
        listed = _MODEL.search(request.path)
        if listed is not None and request.method == "GET":
            return SimAnswer([_bytes(self._models_answer(listed.group(1)))])
        match = _CALL.search(request.path)
        if match is None or target.model_id is None:
            raise WireError(404, "The requested URL was not found on this server.")
        if target.card is None:
            raise WireError(
                404,
                f"models/{target.model_id} is not found for API version v1beta, or is no longer "
                "available.",
            )
        body = request.object()
        if body is None:
            raise WireError(400, "Invalid JSON payload received.")
        method = match.group(2)
        if method in ("generateContent", "streamGenerateContent"):
            return self._generate(request, body, target.card, stream=target.stream)
        if method in ("embedContent", "batchEmbedContents"):
            return SimAnswer([_bytes(_embed(method, body, target.card))], work="text")
        if method == "countTokens":
            return SimAnswer([_bytes({"totalTokens": estimate_tokens(request.body.decode())})])
        raise WireError(404, f"Method {method} is not found.")

    # ------------------------------------------------------------------------------ generate

    def _generate(
        self, request: SimRequest, body: JsonObject, card: ModelCard, *, stream: bool
    ) -> SimAnswer:
        if Capability.TEXT not in card.capabilities:
            raise WireError(400, f"{card.provider_model_id} does not support generateContent.")
        prompt = read_generate(body, card.provider_model_id)
        window = card.context_window
        if window is not None and estimate_tokens(prompt.history) > window:
            raise WireError(
                400,
                f"The input token count ({estimate_tokens(prompt.history)}) exceeds the maximum "
                f"number of tokens allowed ({window}).",
            )
        if prompt.images and Capability.VISION not in card.capabilities:
            raise WireError(400, "Image input modality is not enabled for this model.")
        writer = _Writer(prompt, answer(prompt), self._models.answering(card), _thoughts(body))
        work = work_of(prompt)
        if not stream:
            return SimAnswer([_bytes(writer.whole())], work=work)
        if request.query.get("alt") == "sse":
            frames = [b"data: " + _bytes(part) + b"\r\n\r\n" for part in writer.parts()]
            return SimAnswer(frames, "text/event-stream", stream=True, work=work)
        return SimAnswer([_bytes(list(writer.parts()))], stream=True, work=work)

    # -------------------------------------------------------------------------------- models

    def _models_answer(self, model_id: str | None) -> JsonObject:
        if model_id is None:
            return {"models": [_entry(card) for card in self._models.living("google")]}
        card = self._models.find("google", model_id)
        if card is None:
            raise WireError(404, f"models/{model_id} is not found for API version v1beta.")
        return _entry(card)


def _thoughts(body: JsonObject) -> bool:
    config = body.get("generationConfig")
    thinking = config.get("thinkingConfig") if isinstance(config, dict) else None
    return isinstance(thinking, dict) and thinking.get("includeThoughts") is True


class _Writer:
    """A reply in Gemini's shapes."""

    def __init__(
        self, prompt: SimPrompt, reply: SimReply, answering: ModelCard, with_thoughts: bool
    ) -> None:
        self._prompt = prompt
        self._reply = reply
        self._version = answering.provider_model_id
        self._thoughts = with_thoughts
        self._id = hashlib.sha256(f"{prompt.model}\0{prompt.history}".encode()).hexdigest()[:22]

    def whole(self) -> JsonObject:
        """The answer of ``generateContent``."""
        reply = self._reply
        parts: list[JsonValue] = []
        if reply.reasoning and self._thoughts:
            parts.append({"text": reply.reasoning, "thought": True})
        if reply.text:
            parts.append({"text": reply.text})
        return self._response([*parts, *self._calls()], self._finish())

    def parts(self) -> list[JsonValue]:
        """The events of ``streamGenerateContent``."""
        reply = self._reply
        made: list[list[JsonValue]] = []
        if self._thoughts:
            made += [[{"text": piece, "thought": True}] for piece in pieces(reply.reasoning)]
        made += [[{"text": piece}] for piece in pieces(reply.text)]
        made += [[call] for call in self._calls()]
        if not made:
            made = [[{"text": ""}]]
        responses: list[JsonValue] = [self._response(parts, None) for parts in made[:-1]]
        responses.append(self._response(made[-1], self._finish()))
        return responses

    def _calls(self) -> list[JsonValue]:
        made: list[JsonValue] = []
        for number, call in enumerate(self._reply.tool_calls):
            part: JsonObject = {
                "functionCall": {"id": call.id, "name": call.name, "args": call.arguments}
            }
            if number == 0 and generation(self._version) >= (3, 0):
                part["thoughtSignature"] = signature(call.name, call.arguments)
            made.append(part)
        return made

    def _finish(self) -> str:
        return "MAX_TOKENS" if self._reply.cut_off else "STOP"

    def _response(self, parts: list[JsonValue], finish: str | None) -> JsonObject:
        candidate: JsonObject = {"content": {"role": "model", "parts": parts}, "index": 0}
        usage: JsonObject = {"promptTokenCount": count_tokens(self._prompt)}
        if finish is not None:
            candidate["finishReason"] = finish
            reply = self._reply
            usage["candidatesTokenCount"] = reply.completion_tokens - reply.reasoning_tokens
            if reply.reasoning:
                usage["thoughtsTokenCount"] = reply.reasoning_tokens
        usage["totalTokenCount"] = sum(v for v in usage.values() if isinstance(v, int))
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": self._version,
            "responseId": self._id,
        }


# ------------------------------------------------------------------------------------ embeddings


def _embed(method: str, body: JsonObject, card: ModelCard) -> JsonObject:
    if Capability.EMBEDDING not in card.capabilities:
        raise WireError(404, f"models/{card.provider_model_id} is not supported for {method}.")
    if method == "embedContent":
        return {"embedding": {"values": _vector(body)}}
    requests = body.get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= 100:
        raise WireError(400, "* BatchEmbedContentsRequest.requests: 1 to 100 requests are needed")
    vectors: list[JsonValue] = []
    for request in requests:
        if (
            not isinstance(request, dict)
            or request.get("model") != f"models/{card.provider_model_id}"
        ):
            raise WireError(400, "* requests.model: must be the model of the path")
        vectors.append({"values": _vector(request)})
    return {"embeddings": vectors}


def _vector(body: JsonObject) -> list[JsonValue]:
    """Unit length at full size; shorter ones are cut from it and not normalised, as Google's."""
    content = body.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    texts = (
        [str(p.get("text") or "") for p in parts or [] if isinstance(p, dict)]
        if isinstance(parts, list)
        else []
    )
    text = " ".join(texts).strip()
    if not text:
        raise WireError(400, "* content.parts: content contains an empty Part.")
    wanted = body.get("outputDimensionality", _DIMENSIONS)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= _DIMENSIONS:
        raise WireError(400, f"output_dimensionality must be between 1 and {_DIMENSIONS}.")
    values = [0.0] * _DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or [text]:
        # Each word has dimensions of its own, so texts that share words point the same way.
        seed = hashlib.shake_128(word.encode()).digest(2 * _DIMENSIONS_OF_A_WORD)
        for at in range(0, len(seed), 2):
            place = int.from_bytes(seed[at : at + 2]) % _DIMENSIONS
            values[place] += 1.0 if seed[at] & 1 else -1.0
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [round(value / length, 8) for value in values[:wanted]]


def _entry(card: ModelCard) -> JsonObject:
    methods: list[JsonValue] = []
    if Capability.TEXT in card.capabilities:
        methods = ["generateContent", "countTokens"]
    elif Capability.EMBEDDING in card.capabilities:
        methods = ["embedContent", "batchEmbedContents"]
    return {
        "name": f"models/{card.provider_model_id}",
        "version": "simulated",
        "displayName": card.name,
        "inputTokenLimit": card.context_window,
        "outputTokenLimit": card.max_output_tokens,
        "supportedGenerationMethods": methods,
    }


def _bytes(value: JsonValue) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
