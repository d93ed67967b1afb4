"""``tools``, ``tool_choice`` and ``response_format``: what a model is asked to produce."""

from __future__ import annotations

import re

import orjson

from shared.edge.json_body import array, boolean, json_object, kind, one_of, string, wrong
from shared.messages import JsonObject, JsonValue
from shared.model import Feature
from shared.tokens import BYTES_PER_TOKEN_ASCII

# OpenAI's limits, which Groq shares.
MAX_TOOLS = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME_RULE = "must be 1 to 64 characters out of letters, digits, _ and -"
_CHOICES = ("none", "auto", "required")


def check_tools(value: JsonValue) -> tuple[frozenset[str], int]:
    """The names of the functions in ``tools``, and an estimate of the tokens they cost.

    Raises ``InvalidRequest`` naming the field by path.
    """
    tools = array(value, "tools")
    if not 1 <= len(tools) <= MAX_TOOLS:
        wrong("tools", f"must hold 1 to {MAX_TOOLS} tools: leave the field out for none")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        name = _tool(tool, f"tools[{index}]")
        if name in names:
            wrong(f"tools[{index}].function.name", "is the name of an earlier tool too: rename one")
        names.add(name)
    return frozenset(names), json_tokens(tools)


def _tool(tool: JsonValue, path: str) -> str:
    found = json_object(tool, path)
    if found.get("type") != "function":
        wrong(f"{path}.type", 'must be "function": other kinds of tools are not taken in chat')
    function = json_object(found.get("function"), f"{path}.function")
    name = _name(function.get("name"), f"{path}.function.name")
    _optional_text(function, "description", f"{path}.function")
    if function.get("parameters") is not None:
        json_object(function["parameters"], f"{path}.function.parameters")
    if function.get("strict") is not None:
        boolean(function["strict"], f"{path}.function.strict")
    return name


def check_tool_choice(value: JsonValue, names: frozenset[str]) -> None:
    """``tool_choice`` against the ``names`` of the tools given (empty: none given).

    Raises ``InvalidRequest``: an unknown form, a function that is not among the tools, or no tools.
    """
    if not names:
        wrong("tool_choice", "is only taken together with tools")
    if isinstance(value, str):
        one_of(value, "tool_choice", _CHOICES)
        return
    if not isinstance(value, dict):
        wrong(
            "tool_choice",
            f'expected one of {", ".join(_CHOICES)} or {{"type": "function", "function": '
            f'{{"name": ...}}}}, found {kind(value)}',
        )
    if value.get("type") != "function":
        wrong("tool_choice.type", 'must be "function"')
    function = json_object(value.get("function"), "tool_choice.function")
    name = string(function.get("name"), "tool_choice.function.name")
    if name not in names:
        wrong("tool_choice.function.name", "must be the name of one of the tools in this request")


def check_response_format(value: JsonValue) -> tuple[Feature | None, int]:
    """The feature that ``response_format`` asks for (None: plain text), and its tokens.

    Raises ``InvalidRequest`` naming the field by path.
    """
    asked = json_object(value, "response_format")
    name = one_of(asked.get("type"), "response_format.type", ("text", "json_object", "json_schema"))
    if name == "text":
        return None, 0
    if name == "json_object":
        return Feature.JSON_OBJECT, 0
    path = "response_format.json_schema"
    schema = json_object(asked.get("json_schema"), path)
    _name(schema.get("name"), f"{path}.name")
    json_object(schema.get("schema"), f"{path}.schema")
    _optional_text(schema, "description", path)
    if schema.get("strict") is not None:
        boolean(schema["strict"], f"{path}.strict")
    return Feature.JSON_SCHEMA, json_tokens(schema)


def json_tokens(value: JsonValue) -> int:
    """Estimated tokens of ``value`` written as JSON, at least 1."""
    return int(len(orjson.dumps(value)) / BYTES_PER_TOKEN_ASCII) + 1


def _name(value: JsonValue, param: str) -> str:
    name = string(value, param)
    if _NAME.fullmatch(name) is None:
        wrong(param, _NAME_RULE)
    return name


def _optional_text(holder: JsonObject, key: str, path: str) -> None:
    if holder.get(key) is not None:
        string(holder[key], f"{path}.{key}")
