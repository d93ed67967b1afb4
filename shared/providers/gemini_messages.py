"""OpenAI messages written as Gemini contents (``contents`` and ``systemInstruction``)."""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

import orjson

from shared.errors import FieldUnsupported
from shared.messages import JsonObject, JsonValue
from shared.providers.gemini_signature import SKIP_VALIDATION, Signing, bare_id, signature_of

_IMAGE_TYPES = {
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "bmp": "image/bmp",
}
_DEFAULT_IMAGE_TYPE = "image/jpeg"


def encode_messages(messages: list[JsonObject], *, sign: Signing) -> tuple[str, list[JsonObject]]:
    """The system instruction ("" for none) and the contents.

    Gemini knows the roles user and model, has no turn for instructions and wants turns to
    alternate: system and developer messages are joined, neighbours of one role become one turn.
    The results of one step's tools stay a turn of their own, as their number must equal that of
    the calls before them. ``sign``: "needed": tool calls without a signature get the one that
    skips its check; "kept": only what came back is sent. Raises ``FieldUnsupported`` for content
    parts Gemini's chat cannot take.
    """
    system: list[str] = []
    contents: list[JsonObject] = []
    names: dict[str, str] = {}
    last_kind = ""
    parts: list[JsonValue] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system.append(_text(message.get("content")))
            continue
        if role == "assistant":
            kind, new = "model", _model_parts(message, names, sign)
        elif role in ("tool", "function"):
            kind, new = "tool", [_tool_result(message, names)]
        else:
            kind, new = "user", _user_parts(message.get("content"))
        if not new:
            continue
        if kind == last_kind:
            parts.extend(new)
            continue
        parts, last_kind = new, kind
        contents.append({"role": "model" if kind == "model" else "user", "parts": parts})
    instruction = "\n\n".join(text for text in system if text)
    if not contents:  # Gemini refuses a request without a turn, OpenAI's format allows it
        return "", [{"role": "user", "parts": [{"text": instruction}]}]
    return instruction, contents


def _text(content: JsonValue) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") or part.get("refusal") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _user_parts(content: JsonValue) -> list[JsonValue]:
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        return []
    return [_user_part(part) for part in content if isinstance(part, dict)]


def _user_part(part: JsonObject) -> JsonObject:
    kind = part.get("type")
    if kind == "text":
        text = part.get("text")
        return {"text": text if isinstance(text, str) else ""}
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str):
            return _image(url)
    raise FieldUnsupported(
        f"content parts of type {str(kind)[:40]!r} are not supported", param="messages"
    )


def _image(url: str) -> JsonObject:
    """An image as inline data, or by its address, whose type Gemini wants named."""
    if url[:5].lower() != "data:":
        suffix = url.partition("?")[0].rpartition(".")[2].lower()
        mime = _IMAGE_TYPES.get(suffix, _DEFAULT_IMAGE_TYPE)
        return {"fileData": {"mimeType": mime, "fileUri": url}}
    header, _, data = url[5:].partition(",")
    mime, *options = header.split(";")
    if "base64" not in options:
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
    return {"inlineData": {"mimeType": mime or _DEFAULT_IMAGE_TYPE, "data": data}}


def _model_parts(message: JsonObject, names: dict[str, str], sign: Signing) -> list[JsonValue]:
    """Text and tool calls of an assistant message; ``names`` learns which call has which name.

    Only the first call of a step is signed by Gemini, so only the first needs a stand-in.
    """
    text = _text(message.get("content"))
    parts: list[JsonValue] = [{"text": text}] if text else []
    calls = message.get("tool_calls")
    first = True
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict):
            continue
        name, call_id = str(function.get("name") or ""), str(call.get("id") or "")
        names[call_id] = name
        body: JsonObject = {"name": name, "args": _arguments(function.get("arguments"))}
        if call_id:
            body["id"] = bare_id(call_id)
        part: JsonObject = {"functionCall": body}
        signature = signature_of(call) if sign != "none" else None
        if signature is None and first and sign == "needed":
            signature = SKIP_VALIDATION
        if signature is not None:
            part["thoughtSignature"] = signature
        parts.append(part)
        first = False
    return parts


def _arguments(arguments: JsonValue) -> JsonObject:
    """Gemini takes an object. What a model wrote badly is kept as text, never lost or refused."""
    if not isinstance(arguments, str):
        return arguments if isinstance(arguments, dict) else {}
    if not arguments.strip():
        return {}
    parsed = _parsed(arguments)
    return parsed if isinstance(parsed, dict) else {"arguments": arguments}


def _tool_result(message: JsonObject, names: dict[str, str]) -> JsonObject:
    """A tool's answer. Gemini takes an object, so anything else is wrapped as ``result``."""
    call_id = message.get("tool_call_id")
    call_id = call_id if isinstance(call_id, str) else ""
    name = names.get(call_id) or message.get("name") or bare_id(call_id) or "tool"
    text = _text(message.get("content"))
    parsed = _parsed(text) if text[:1] in "{ \n\t\r" else None
    response: JsonObject = parsed if isinstance(parsed, dict) else {"result": text}
    body: JsonObject = {"name": name, "response": response}
    if call_id:
        body["id"] = bare_id(call_id)
    return {"functionResponse": body}


def _parsed(text: str) -> JsonValue:
    try:
        parsed: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed
