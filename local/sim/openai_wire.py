"""The OpenAI wire as Groq, Cerebras and Hugging Face speak it, with what differs between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from local.sim.answers import answer, work_of
from local.sim.chat_body import read_chat
from local.sim.errors import WireError
from local.sim.limit_headers import LimitHeaders
from local.sim.models import ServedModels
from local.sim.openai_frames import Completion, plain_answer, stream_frames
from local.sim.prompt import SimPrompt, count_tokens
from local.sim.wire import SimAnswer, SimRequest, Target
from shared.messages import JsonObject, JsonValue
from shared.model import Capability, Feature, ModelCard
from shared.tokens import estimate_tokens

_BASE_PATHS = {"groq": "/openai/v1", "cerebras": "/v1", "huggingface": "/v1"}
# Fields a model must list on its card; the providers answer 400 where it does not.
_GATED: dict[str, Feature] = {
    "tools": Feature.TOOLS,
    "logprobs": Feature.LOGPROBS,
    "top_logprobs": Feature.LOGPROBS,
    "presence_penalty": Feature.PENALTIES,
    "frequency_penalty": Feature.PENALTIES,
}


class OpenAiWire:
    """One of the three. ``now`` gives Unix seconds."""

    def __init__(
        self,
        provider: str,
        models: ServedModels,
        limits: LimitHeaders,
        now: Callable[[], float],
    ) -> None:
        self.base_path = _BASE_PATHS[provider]
        self._provider = provider
        self._models = models
        self._limits = limits
        self._now = now

    def key_of(self, request: SimRequest) -> str | None:
        """The bearer token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def target(self, request: SimRequest) -> Target:
        """The body's ``model``."""
        body = request.object() or {}
        model_id = body.get("model")
        if request.method != "POST" or not isinstance(model_id, str):
            return Target()
        own = model_id.split(":")[0] if self._provider == "huggingface" else model_id
        card = self._models.find(self._provider, own)
        return Target(model_id, card, body.get("stream") is True)

    def answer(self, request: SimRequest, target: Target) -> SimAnswer:
        """Chat completions and the model list. Raises ``WireError``."""
        path = request.path.removeprefix(self.base_path)
        if path == "/models" and request.method == "GET":
            return SimAnswer([_bytes(self._listing())])
        if path.startswith("/models/") and request.method == "GET":
            card = self._models.find(self._provider, path.removeprefix("/models/"))
            if card is None:
                raise self._gone(path.removeprefix("/models/"))
            return SimAnswer([_bytes(self._entry(card))])
        if path != "/chat/completions" or request.method != "POST":
            raise WireError(
                404, f"Unknown request URL: {request.method} {request.path}.", "unknown_url"
            )
        return self._chat(request, target)

    # ---------------------------------------------------------------------------------- chat

    def _chat(self, request: SimRequest, target: Target) -> SimAnswer:
        body = request.object()
        if body is None:
            raise WireError(400, "The body is not a JSON object.")
        if target.model_id is None:
            raise WireError(400, "'model' : property is required", param="model")
        card = target.card
        if card is None:
            raise self._gone(target.model_id)
        self._refuse(body, card)
        thinks = _can_think(card) and body.get("reasoning_effort") != "none"
        prompt = read_chat(body, target.model_id, thinks=thinks)
        self._refuse_prompt(prompt, card, len(request.body))
        completion = self._completion(body, prompt)
        headers = self._limits.headers(self._provider, card, completion.total_tokens)
        work = work_of(prompt)
        if target.stream:
            frames = stream_frames(self._provider, completion, wants_usage=_wants_usage(body))
            return SimAnswer(frames, "text/event-stream", 200, headers, stream=True, work=work)
        return SimAnswer(
            [_bytes(plain_answer(self._provider, completion))], headers=headers, work=work
        )

    def _completion(self, body: JsonObject, prompt: SimPrompt) -> Completion:
        seed = hashlib.sha256(f"{self._provider}\0{prompt.model}\0{prompt.history}".encode())
        n = body.get("n")
        count = n if isinstance(n, int) and not isinstance(n, bool) else 1
        return Completion(
            id=f"chatcmpl-{seed.hexdigest()[:24]}",
            created=int(self._now()),
            model=prompt.model,
            replies=[answer(prompt) for _ in range(count)],
            prompt_tokens=count_tokens(prompt),
            logprobs=body.get("logprobs") is True,
        )

    # ------------------------------------------------------------------------------ refusals

    def _gone(self, model_id: str) -> WireError:
        if self._provider == "huggingface":
            return WireError(
                400,
                f"The requested model '{model_id}' is not supported by any provider you have "
                "enabled.",
                "model_not_supported",
                "model",
            )
        kind = "invalid_request_error" if self._provider == "groq" else "not_found_error"
        return WireError(
            404,
            f"The model `{model_id}` does not exist or you do not have access to it.",
            "model_not_found",
            "model",
            kind=kind,
        )

    def _refuse(self, body: JsonObject, card: ModelCard) -> None:
        if Capability.TEXT not in card.capabilities:
            raise WireError(
                400,
                f"The model `{card.provider_model_id}` does not support chat completions",
                param="model",
            )
        for field, feature in _GATED.items():
            if body.get(field) not in (None, False, [], 0) and feature not in card.features:
                raise WireError(400, f"`{field}` is not supported with this model", param=field)
        n = body.get("n")
        if n not in (None, 1) and Feature.N not in card.features:
            raise WireError(400, "'n' : number must be at most 1", param="n")
        if n is not None and (not isinstance(n, int) or not 1 <= n <= 8):
            raise WireError(400, "'n' : must be a whole number from 1 to 8", param="n")
        effort = body.get("reasoning_effort")
        if effort is not None and effort not in card.reasoning_efforts:
            raise WireError(
                400,
                f"`reasoning_effort` must be one of {list(card.reasoning_efforts)}",
                param="reasoning_effort",
            )
        self._refuse_format(body, card)

    def _refuse_format(self, body: JsonObject, card: ModelCard) -> None:
        described = body.get("response_format")
        kind = described.get("type") if isinstance(described, dict) else None
        needed = {"json_object": Feature.JSON_OBJECT, "json_schema": Feature.JSON_SCHEMA}
        if isinstance(kind, str) and kind in needed and needed[kind] not in card.features:
            raise WireError(
                400,
                f"This model does not support response format `{kind}`.",
                param="response_format",
            )
        if (
            kind == "json_schema"
            and body.get("tools")
            and Feature.SCHEMA_WITH_TOOLS not in card.features
        ):
            raise WireError(
                400, "json_schema cannot be combined with tool calling", param="response_format"
            )
        if kind == "json_schema" and body.get("stream") is True and self._provider == "groq":
            raise WireError(
                400, "json_schema cannot be combined with streaming", param="response_format"
            )

    def _refuse_prompt(self, prompt: SimPrompt, card: ModelCard, size: int) -> None:
        if prompt.images and Capability.VISION not in card.capabilities:
            raise WireError(
                400, "'messages' : images are not supported with this model", param="messages"
            )
        if self._provider == "cerebras" and any(i.size_bytes is None for i in prompt.images):
            raise WireError(400, "Only base64 data URIs are supported for images", param="messages")
        if self._provider == "groq" and prompt.images and size > 4 * 1024 * 1024:
            raise WireError(413, "Request Entity Too Large", "request_too_large")
        window, used = card.context_window, estimate_tokens(prompt.history)
        if window is not None and used > window:
            raise WireError(
                400,
                "Please reduce the length of the messages or completion. Current length is "
                f"{used} while limit is {window}",
                "context_length_exceeded",
                "messages",
            )
        most = card.max_output_tokens
        if most is not None and prompt.max_tokens is not None and prompt.max_tokens > most:
            raise WireError(
                400,
                f"`max_completion_tokens` must be less than or equal to `{most}`",
                param="max_completion_tokens",
            )

    # ------------------------------------------------------------------------------- models

    def _listing(self) -> JsonObject:
        entries: list[JsonValue] = [
            self._entry(card) for card in self._models.living(self._provider)
        ]
        return {"object": "list", "data": entries}

    def _entry(self, card: ModelCard) -> JsonObject:
        entry: JsonObject = {
            "id": card.provider_model_id,
            "object": "model",
            "created": 1_735_689_600,
            "owned_by": "simulator",
        }
        if self._provider == "groq":
            entry["active"] = True
            entry["context_window"] = card.context_window
        elif self._provider == "huggingface":
            images = Capability.VISION in card.capabilities
            inputs: list[JsonValue] = ["text", "image"] if images else ["text"]
            backend: JsonObject = {
                "provider": "simulator",
                "status": "live",
                "context_length": card.context_window,
                "supports_tools": Feature.TOOLS in card.features,
                "supports_structured_output": Feature.JSON_SCHEMA in card.features,
            }
            entry["architecture"] = {"input_modalities": inputs, "output_modalities": ["text"]}
            entry["providers"] = [backend]
        return entry


def _can_think(card: ModelCard) -> bool:
    # gpt-oss always thinks; who serves it decides whether the effort can be set.
    return bool(card.reasoning_efforts) or "gpt-oss" in card.provider_model_id


def _wants_usage(body: JsonObject) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _bytes(value: JsonValue) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
