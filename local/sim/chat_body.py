"""An OpenAI chat body, read into a prompt; what the provider would refuse is refused."""

from __future__ import annotations

import base64
import binascii
import json
import re

from local.sim.errors import WireError
from local.sim.prompt import SimImage, SimPrompt, SimTool
from shared.messages import JsonObject, JsonValue

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
_ROLES = ("system", "developer", "user", "assistant", "tool")


def read_chat(body: JsonObject, model: str, *, thinks: bool) -> SimPrompt:
    """The prompt in ``body``. Raises ``WireError`` 400 for a shape no provider takes."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise WireError(400, "'messages' : minimum number of items is 1", param="messages")
    prompt = SimPrompt(model, thinks=thinks)
    history: list[str] = []
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise WireError(400, f"'messages.{number}' : unknown role", param="messages")
        history.append(_read_message(message, prompt, number))
    prompt.history = "\n".join(history)
    _read_options(body, prompt)
    return prompt


def _read_message(message: JsonObject, prompt: SimPrompt, number: int) -> str:
    role, text = message["role"], _text(message.get("content"), prompt, number)
    prompt.prefix = ""
    if role in ("system", "developer"):
        prompt.system += text
    elif role == "user":
        prompt.user = text
        prompt.tool_results = []
    elif role == "tool":
        if not isinstance(message.get("tool_call_id"), str):
            raise WireError(400, f"'messages.{number}' : tool_call_id is missing", param="messages")
        call_id = str(message["tool_call_id"])
        prompt.tool_results.append((prompt.called.get(call_id, "the tool"), text))
    elif message.get("tool_calls"):
        _note_calls(message["tool_calls"], prompt)
    else:
        prompt.prefix = text
    return f"{role}: {text}"


def _note_calls(calls: JsonValue, prompt: SimPrompt) -> None:
    """Remember which tool each call id stands for: results carry the id only."""
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(call, dict) and isinstance(function, dict):
            prompt.called[str(call.get("id"))] = str(function.get("name"))


def _text(content: JsonValue, prompt: SimPrompt, number: int) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise WireError(400, f"'messages.{number}.content' : wrong type", param="messages")
    texts: list[str] = []
    for part in content:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(str(part["text"]))
        elif isinstance(part, dict) and part.get("type") == "image_url":
            prompt.images.append(_image(part.get("image_url"), number))
        else:
            raise WireError(400, f"'messages.{number}.content' : unknown part", param="messages")
    return "\n".join(texts)


def _image(described: JsonValue, number: int) -> SimImage:
    url = described.get("url") if isinstance(described, dict) else None
    if not isinstance(url, str):
        raise WireError(400, f"'messages.{number}' : image_url needs a url", param="messages")
    match = _DATA_URI.match(url)
    if match is None:
        if url.startswith("https://"):
            return SimImage("image", None)
        raise WireError(400, f"'messages.{number}' : invalid image url", param="messages")
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise WireError(400, "invalid base64 in image data", param="messages") from None
    return SimImage(match.group(1), len(data))


def _read_options(body: JsonObject, prompt: SimPrompt) -> None:
    prompt.tools = _tools(body.get("tools"))
    prompt.parallel_tools = body.get("parallel_tool_calls") is not False
    choice = body.get("tool_choice")
    if choice == "none":
        prompt.tools = []
    elif choice == "required" and prompt.tools:
        prompt.force_tool = ""
    elif isinstance(choice, dict):
        function = choice.get("function")
        prompt.force_tool = str(function.get("name")) if isinstance(function, dict) else ""
        if prompt.force_tool not in [tool.name for tool in prompt.tools]:
            raise WireError(400, "Tool choice names an unknown tool", param="tool_choice")
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    prompt.stop = tuple(item for item in stops if isinstance(item, str))
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise WireError(400, "'max_completion_tokens' : must be at least 1", param="max_tokens")
    prompt.max_tokens = limit
    _read_format(body.get("response_format"), prompt)


def _tools(described: JsonValue) -> list[SimTool]:
    if described is None:
        return []
    if not isinstance(described, list) or len(described) > 128:
        raise WireError(400, "'tools' : must be a list of at most 128", param="tools")
    tools: list[SimTool] = []
    for item in described:
        function = item.get("function") if isinstance(item, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            raise WireError(400, "'tools' : each needs a function with a name", param="tools")
        parameters = function.get("parameters")
        tools.append(
            SimTool(
                name,
                str(function.get("description") or ""),
                parameters if isinstance(parameters, dict) else {},
            )
        )
    return tools


def _read_format(described: JsonValue, prompt: SimPrompt) -> None:
    if not isinstance(described, dict) or described.get("type") == "text":
        return
    if described.get("type") == "json_object":
        if "json" not in json.dumps(prompt.system + prompt.history).lower():
            raise WireError(
                400,
                "'messages' must contain the word 'json' in some form, to use 'response_format' "
                "of type 'json_object'.",
                param="messages",
            )
        prompt.output = "json_object"
        return
    wrapped = described.get("json_schema")
    schema = wrapped.get("schema") if isinstance(wrapped, dict) else None
    if described.get("type") != "json_schema" or not isinstance(schema, dict):
        raise WireError(400, "'response_format' : not supported", param="response_format")
    prompt.output, prompt.schema = "json_schema", schema
