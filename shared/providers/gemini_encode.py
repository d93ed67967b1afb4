"""An OpenAI chat request written as Gemini's ``generateContent`` body.

Only what the model's card supports is written (contract, Chat); fields without a counterpart
(``user``, ``metadata``) are left out. Whether a model can honour what was asked is the router's
decision, made from the card beforehand.
"""

from __future__ import annotations

from shared.errors import FieldUnsupported
from shared.messages import JsonObject, JsonValue
from shared.model import Feature
from shared.providers.base import ProviderCall
from shared.providers.gemini_messages import encode_messages
from shared.providers.gemini_traits import Traits, thinking_config

# generationConfig.stopSequences takes at most five (API reference, GenerationConfig).
_MAX_STOPS = 5
# Ours, theirs, and the feature that the card must list.
_FIELDS = (
    ("seed", "seed", Feature.SEED),
    ("presence_penalty", "presencePenalty", Feature.PENALTIES),
    ("frequency_penalty", "frequencyPenalty", Feature.PENALTIES),
)
_SAMPLING_FIELDS = (("temperature", "temperature"), ("top_p", "topP"))
_FORMATS = {"json_object": Feature.JSON_OBJECT, "json_schema": Feature.JSON_SCHEMA}


def encode_request(call: ProviderCall, traits: Traits) -> JsonObject:
    """The body for ``generateContent`` and ``streamGenerateContent``.

    Raises ``FieldUnsupported`` where a part or tool has no form in Gemini's format.
    """
    request = call.request
    messages = request.messages if call.messages is None else call.messages
    instruction, contents = encode_messages(messages, sign=traits.signatures)
    body: JsonObject = {"contents": [*contents]}
    if instruction:
        body["systemInstruction"] = {"parts": [{"text": instruction}]}
    features = call.card.features
    if Feature.TOOLS in features:
        _add_tools(body, request.body)
    config = _generation_config(call, traits)
    if "tools" not in body or Feature.SCHEMA_WITH_TOOLS in features:
        _add_format(config, request.body.get("response_format"), features)
    if config:
        body["generationConfig"] = config
    return body


def _generation_config(call: ProviderCall, traits: Traits) -> JsonObject:
    request, card = call.request, call.card
    asked = request.body
    config: JsonObject = {}
    tokens = request.max_tokens if call.max_tokens is None else call.max_tokens
    if tokens is not None:
        # Above the model's own window Gemini answers 400 where OpenAI would cap.
        config["maxOutputTokens"] = min(tokens, card.max_output_tokens or tokens)
    for ours, theirs in _SAMPLING_FIELDS if traits.sampling else ():
        if asked.get(ours) is not None:
            config[theirs] = asked[ours]
    for ours, theirs, feature in _FIELDS:
        if asked.get(ours) is not None and feature in card.features:
            config[theirs] = asked[ours]
    stop = asked.get("stop")
    if stop and Feature.STOP in card.features:
        config["stopSequences"] = stop[:_MAX_STOPS] if isinstance(stop, list) else [stop]
    if request.n > 1 and Feature.N in card.features:
        config["candidateCount"] = request.n
    thinking = thinking_config(traits, card.reasoning_efforts, request.reasoning_effort)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    return config


def _add_format(config: JsonObject, wanted: JsonValue, features: frozenset[Feature]) -> None:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    feature = _FORMATS.get(kind) if isinstance(kind, str) else None
    if not isinstance(wanted, dict) or feature not in features:
        return
    config["responseMimeType"] = "application/json"
    named = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if kind == "json_schema" and schema is not None:
        config["responseJsonSchema"] = schema


def _add_tools(body: JsonObject, asked: JsonObject) -> None:
    tools = asked.get("tools")
    if not isinstance(tools, list) or not tools:
        return
    body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in tools]}]
    calling = _calling_config(asked.get("tool_choice"))
    if calling is not None:
        body["toolConfig"] = {"functionCallingConfig": calling}


def _declaration(tool: JsonValue) -> JsonObject:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        raise FieldUnsupported("only tools of type function are supported", param="tools")
    declaration: JsonObject = {"name": function.get("name")}
    if function.get("description") is not None:
        declaration["description"] = function["description"]
    if function.get("parameters") is not None:
        declaration["parametersJsonSchema"] = function["parameters"]
    return declaration


def _calling_config(choice: JsonValue) -> JsonObject | None:
    """OpenAI's ``tool_choice``; None where Gemini's default, AUTO, is meant."""
    if choice is None or choice == "auto":
        return None
    if choice == "none":
        return {"mode": "NONE"}
    if choice == "required":
        return {"mode": "ANY"}
    if isinstance(choice, dict):
        allowed = choice.get("allowed_tools")
        if isinstance(allowed, dict):
            # Names may be restricted under ANY and VALIDATED; VALIDATED still allows plain text.
            mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
            tools = allowed.get("tools")
            return _restricted(mode, tools if isinstance(tools, list) else [])
        return _restricted("ANY", [choice])
    raise FieldUnsupported("tool_choice has a form that is not known", param="tool_choice")


def _restricted(mode: str, tools: list[JsonValue]) -> JsonObject:
    names: list[JsonValue] = []
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            names.append(function.get("name"))
    return {"mode": mode, "allowedFunctionNames": names}
