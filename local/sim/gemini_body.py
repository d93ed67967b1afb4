"""A Gemini ``generateContent`` body, read into a prompt; what Google would refuse is refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re

from local.sim.errors import WireError
from local.sim.prompt import SimImage, SimPrompt, SimTool
from shared.messages import JsonObject, JsonValue

_TOP_FIELDS = """
contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels
model
"""
_CONFIG_FIELDS = """
maxOutputTokens temperature topP topK stopSequences candidateCount seed presencePenalty
frequencyPenalty responseMimeType responseSchema responseJsonSchema responseLogprobs logprobs
responseModalities responseFormat speechConfig imageConfig mediaResolution thinkingConfig
"""
_TOP = frozenset(_TOP_FIELDS.split())
_CONFIG = frozenset(_CONFIG_FIELDS.split())
# Documented stand-ins for a signature that another provider's history cannot have.
_SIGNATURE_STAND_INS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def generation(model_id: str) -> tuple[int, int]:
    """(3, 8) for gemini-3.8-flash; (0, 0) for models that do not think, such as Gemma."""
    match = _GENERATION.match(model_id)
    return (int(match.group(1)), int(match.group(2) or 0)) if match else (0, 0)


def signature(name: str, arguments: JsonObject) -> str:
    """The thought signature the simulator gives a call, and wants back unchanged."""
    seed = json.dumps([name, arguments], sort_keys=True)
    return base64.b64encode(hashlib.sha256(seed.encode()).digest()).decode()


def read_generate(body: JsonObject, model: str) -> SimPrompt:
    """The prompt in ``body``. Raises ``WireError`` 400 where Google would."""
    _known(body, _TOP, "")
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise WireError(400, "* GenerateContentRequest.contents: contents is not specified")
    prompt = SimPrompt(model)
    history: list[str] = []
    pending = 0  # calls of the last model turn that wait for their results
    for content in contents:
        role = content.get("role", "user") if isinstance(content, dict) else None
        if not isinstance(content, dict) or role not in ("user", "model", "function"):
            raise WireError(400, "Please use a valid role: user, model.")
        turn = _Turn(prompt, model)
        history.append(f"{role}: {turn.read(content.get('parts'), role == 'model')}")
        if pending and turn.results != pending:
            raise WireError(
                400,
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn.",
            )
        pending = turn.calls
    system = body.get("systemInstruction")
    if isinstance(system, dict):
        prompt.system = _Turn(prompt, model).read(system.get("parts"), False, system=True)
        history.insert(0, prompt.system)
    prompt.history = "\n".join(history)
    _read_tools(body, prompt)
    _read_config(body.get("generationConfig"), prompt)
    return prompt


class _Turn:
    """One entry of ``contents``."""

    def __init__(self, prompt: SimPrompt, model: str) -> None:
        self._prompt = prompt
        self._signed = generation(model) >= (3, 0)
        self.calls = 0
        self.results = 0

    def read(self, parts: JsonValue, by_model: bool, *, system: bool = False) -> str:
        """The text of the turn; the rest goes into the prompt."""
        prompt = self._prompt
        if not isinstance(parts, list) or not parts:
            raise WireError(400, "* contents.parts: must not be empty.")
        texts: list[str] = []
        results: list[tuple[str, str]] = []
        for part in parts:
            if not isinstance(part, dict):
                raise WireError(400, "* contents.parts: wrong type.")
            if isinstance(part.get("text"), str):
                texts.append(str(part["text"]))
            elif "inlineData" in part:
                prompt.images.append(_inline(part["inlineData"]))
            elif "fileData" in part:
                prompt.images.append(SimImage("file", None))
            elif "functionCall" in part:
                self._call(part)
            elif "functionResponse" in part:
                results.append(_result(part["functionResponse"]))
            else:
                raise WireError(
                    400, "* contents.parts.data: required oneof field 'data' must be set"
                )
        self.results = len(results)
        text = "\n".join(texts)
        if system:
            return text
        prompt.prefix = text if by_model and not self.calls else ""
        if results:
            prompt.tool_results = [*prompt.tool_results, *results]
        elif not by_model:
            prompt.user, prompt.tool_results = text, []
        return text

    def _call(self, part: JsonObject) -> None:
        call = part["functionCall"]
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise WireError(400, "* functionCall.name: must be set")
        self.calls += 1
        if not self._signed or self.calls > 1:  # only the first call of a step is signed
            return
        given, arguments = part.get("thoughtSignature"), call.get("args")
        own = signature(str(call["name"]), arguments if isinstance(arguments, dict) else {})
        if given not in (own, *_SIGNATURE_STAND_INS):
            raise WireError(
                400,
                "Function call is missing a thought_signature in functionCall parts. This is "
                "required for tools to work correctly.",
            )


def _inline(described: JsonValue) -> SimImage:
    data = described.get("data") if isinstance(described, dict) else None
    kind = described.get("mimeType") if isinstance(described, dict) else None
    if not isinstance(data, str) or not isinstance(kind, str):
        raise WireError(400, "* inlineData: mimeType and data must be set")
    try:
        return SimImage(kind, len(base64.b64decode(data, validate=True)))
    except (binascii.Error, ValueError):
        raise WireError(400, "Invalid value at 'inline_data.data' (TYPE_BYTES)") from None


def _result(described: JsonValue) -> tuple[str, str]:
    name = described.get("name") if isinstance(described, dict) else None
    response = described.get("response") if isinstance(described, dict) else None
    if not isinstance(name, str) or not isinstance(response, dict):
        raise WireError(400, "* functionResponse: name and response (an object) must be set")
    return name, json.dumps(response, ensure_ascii=False)


def _read_tools(body: JsonObject, prompt: SimPrompt) -> None:
    tools = body.get("tools")
    for tool in tools if isinstance(tools, list) else []:
        declared = tool.get("functionDeclarations") if isinstance(tool, dict) else None
        for function in declared if isinstance(declared, list) else []:
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise WireError(400, "* tools.functionDeclarations.name: must be set")
            schema = function.get("parametersJsonSchema") or function.get("parameters")
            description = str(function.get("description") or "")
            schema = schema if isinstance(schema, dict) else {}
            prompt.tools.append(SimTool(str(function["name"]), description, schema))
    config = body.get("toolConfig")
    calling = config.get("functionCallingConfig") if isinstance(config, dict) else None
    mode = calling.get("mode") if isinstance(calling, dict) else None
    if mode == "NONE":
        prompt.tools = []
    elif mode == "ANY" and prompt.tools and isinstance(calling, dict):
        allowed = calling.get("allowedFunctionNames")
        named = allowed[0] if isinstance(allowed, list) and len(allowed) == 1 else ""
        prompt.force_tool = str(named)


def _read_config(config: JsonValue, prompt: SimPrompt) -> None:
    if config is None:
        prompt.thinks = generation(prompt.model) >= (2, 5)
        return
    if not isinstance(config, dict):
        raise WireError(400, "Invalid value at 'generation_config'")
    _known(config, _CONFIG, " at 'generation_config'")
    limit = config.get("maxOutputTokens")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise WireError(400, "max_output_tokens must be positive.")
    prompt.max_tokens = limit
    stops = config.get("stopSequences")
    if isinstance(stops, list):
        if len(stops) > 5:
            raise WireError(400, "The number of stop sequences must be at most 5.")
        prompt.stop = tuple(str(stop) for stop in stops)
    _read_thinking(config.get("thinkingConfig"), prompt)
    if config.get("responseMimeType") == "application/json":
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        prompt.output = "json_schema" if isinstance(schema, dict) else "json_object"
        prompt.schema = schema if isinstance(schema, dict) else {}
    elif config.get("responseSchema") or config.get("responseJsonSchema"):
        raise WireError(400, "response_schema needs response_mime_type application/json.")


def _read_thinking(thinking: JsonValue, prompt: SimPrompt) -> None:
    version = generation(prompt.model)
    prompt.thinks = version >= (2, 5)
    if not isinstance(thinking, dict):
        return
    if "thinkingLevel" in thinking and "thinkingBudget" in thinking:
        raise WireError(400, "You can only set only one of thinking budget and thinking level.")
    if "thinkingLevel" in thinking and version < (3, 0):
        raise WireError(400, "Thinking level is not supported for this model.")
    if thinking.get("thinkingBudget") == 0:
        prompt.thinks = False


def _known(described: JsonObject, known: frozenset[str], where: str) -> None:
    for name in described:
        if name not in known:
            raise WireError(
                400,
                f'Invalid JSON payload received. Unknown name "{name[:80]}"{where}: Cannot find '
                "field.",
            )
