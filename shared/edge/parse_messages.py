"""The ``messages`` of a chat request: shapes checked in one pass, text counted on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from msgspec import Struct, field

from shared.edge.json_body import array, json_object, kind, string, wrong, wrong_type
from shared.edge.parse_images import check_image_part
from shared.messages import JsonObject, JsonValue
from shared.tokens import TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, estimate_tokens

# Far above any real conversation; it bounds what one body of tiny messages can cost.
MAX_MESSAGES = 10_000

_NOT_IN_CHAT = {
    "input_audio": "audio is not taken in chat: send it to POST /v1/audio/transcriptions and put "
    "the text it returns here",
    "file": "files are not taken in chat: put the file's text into a text part",
    "video_url": "video is not taken in chat: send single frames as image_url parts",
}


class MessagesSeen(Struct):
    """What one pass over the messages found. ``image_param`` and ``https_param`` name the first
    image part and the first https address; ``tokens`` is an estimate (texts, images, roles)."""

    tokens: int = 0
    images: int = 0
    image_param: str | None = None
    https_param: str | None = None
    call_ids: set[str] = field(default_factory=set)


def check_messages(value: JsonValue) -> tuple[list[JsonObject], MessagesSeen]:
    """The message objects of the field ``messages`` and what was found in them.

    Raises ``InvalidRequest`` naming the field by path.
    """
    if not isinstance(value, list):
        wrong_type("messages", "a non-empty array of messages", value)
    if not value:
        wrong("messages", 'is empty: send at least one message, {"role": "user", "content": ...}')
    if len(value) > MAX_MESSAGES:
        wrong("messages", f"has {len(value):,} messages and the limit is {MAX_MESSAGES:,}")
    seen = MessagesSeen()
    messages: list[JsonObject] = []
    for index, message in enumerate(value):
        if not isinstance(message, dict):
            wrong_type(f"messages[{index}]", "a message object", message)
        role = message.get("role")
        check = _ROLES.get(role) if isinstance(role, str) else None
        if check is None:
            _bad_role(role, f"messages[{index}].role")
        check(message, index, seen)
        if "name" in message and message["name"] is not None:
            string(message["name"], f"messages[{index}].name")
        messages.append(message)
    seen.tokens += TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_IMAGE * seen.images
    return messages, seen


def _bad_role(role: JsonValue, param: str) -> NoReturn:
    if role == "function":
        wrong(param, "the role function is no longer taken: use tools and the role tool")
    known = ", ".join(_ROLES)
    if isinstance(role, str):
        wrong(param, f"must be one of {known}")
    wrong_type(param, f"one of {known}", role)


def _system(message: JsonObject, index: int, seen: MessagesSeen) -> None:
    _content(message.get("content"), index, seen, _SYSTEM_PARTS)


def _user(message: JsonObject, index: int, seen: MessagesSeen) -> None:
    content = message.get("content")
    if type(content) is str:  # by far the most common message
        seen.tokens += estimate_tokens(content)
    else:
        _content(content, index, seen, _USER_PARTS)


def _assistant(message: JsonObject, index: int, seen: MessagesSeen) -> None:
    """Content may be absent only beside tool calls or a refusal (OpenAI's rule)."""
    if message.get("function_call") is not None:
        wrong(
            f"messages[{index}].function_call",
            "is no longer taken: use tool_calls and the role tool",
        )
    calls = message.get("tool_calls")
    refusal = message.get("refusal")
    if calls is not None:
        _tool_calls(calls, f"messages[{index}].tool_calls", seen)
    if refusal is not None:
        seen.tokens += estimate_tokens(string(refusal, f"messages[{index}].refusal"))
    content = message.get("content")
    if content is None and (calls is not None or refusal is not None):
        return
    _content(content, index, seen, _ASSISTANT_PARTS)


def _tool(message: JsonObject, index: int, seen: MessagesSeen) -> None:
    param = f"messages[{index}].tool_call_id"
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str):
        wrong_type(param, "the id of the tool call that this message answers", call_id)
    if call_id not in seen.call_ids:
        wrong(
            param,
            "no assistant message before this one has a tool call with this id: send that message "
            "with its tool_calls too",
        )
    _content(message.get("content"), index, seen, _TOOL_PARTS)


def _content(content: JsonValue, index: int, seen: MessagesSeen, allowed: tuple[str, ...]) -> None:
    if isinstance(content, str):
        seen.tokens += estimate_tokens(content)
        return
    path = f"messages[{index}].content"
    if not isinstance(content, list):
        wrong(path, f"expected a string or an array of parts, found {kind(content)}")
    if not content:
        wrong(path, "is an empty array: send a string or at least one part")
    for number, part in enumerate(content):
        if not isinstance(part, dict):
            wrong_type(f"{path}[{number}]", "a part object", part)
        name = part.get("type")
        if not isinstance(name, str) or name not in allowed:
            _bad_part(name, f"{path}[{number}].type", allowed)
        _PARTS[name](part, f"{path}[{number}]", seen)


def _bad_part(name: JsonValue, param: str, allowed: tuple[str, ...]) -> NoReturn:
    if not isinstance(name, str):
        wrong_type(param, f"one of {', '.join(allowed)}", name)
    if name in _NOT_IN_CHAT:
        wrong(param, _NOT_IN_CHAT[name])
    if name == "image_url":
        wrong(param, "images are taken in user messages only")
    wrong(param, f"must be one of {', '.join(allowed)}")


def _text_part(part: JsonObject, path: str, seen: MessagesSeen) -> None:
    seen.tokens += estimate_tokens(string(part.get("text"), f"{path}.text"))


def _refusal_part(part: JsonObject, path: str, seen: MessagesSeen) -> None:
    seen.tokens += estimate_tokens(string(part.get("refusal"), f"{path}.refusal"))


def _image_part(part: JsonObject, path: str, seen: MessagesSeen) -> None:
    is_https = check_image_part(part, path)
    seen.images += 1
    if seen.image_param is None:
        seen.image_param = path
    if is_https and seen.https_param is None:
        seen.https_param = f"{path}.image_url.url"


def _tool_calls(value: JsonValue, path: str, seen: MessagesSeen) -> None:
    calls = array(value, path)
    if not calls:
        wrong(path, "is an empty array: leave the field out where no tool was called")
    for number, call in enumerate(calls):
        here = f"{path}[{number}]"
        found = json_object(call, here)
        call_id = string(found.get("id"), f"{here}.id")
        if not call_id:
            wrong(f"{here}.id", "must not be empty")
        if found.get("type") != "function":
            wrong(f"{here}.type", 'must be "function"')
        function = json_object(found.get("function"), f"{here}.function")
        name = string(function.get("name"), f"{here}.function.name")
        if not name:
            wrong(f"{here}.function.name", "must not be empty")
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            wrong(
                f"{here}.function.arguments",
                f"must be a string that holds JSON, found {kind(arguments)}: send it as it came "
                "from the model",
            )
        seen.call_ids.add(call_id)
        seen.tokens += estimate_tokens(name) + estimate_tokens(arguments)


_SYSTEM_PARTS = ("text",)
_USER_PARTS = ("text", "image_url")
_ASSISTANT_PARTS = ("text", "refusal")
_TOOL_PARTS = ("text",)
_PARTS: dict[str, Callable[[JsonObject, str, MessagesSeen], None]] = {
    "text": _text_part,
    "image_url": _image_part,
    "refusal": _refusal_part,
}
_ROLES: dict[str, Callable[[JsonObject, int, MessagesSeen], None]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}
