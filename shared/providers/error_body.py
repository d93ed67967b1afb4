"""What an error body says, whatever its shape: read once, for every provider (R22.9).

Shapes met in the field: ``{"error": {...}}``, ``{"error": "text"}``, the bare
``{"message", "type", "code"}`` (Cerebras), ``{"detail": ...}`` (FastAPI, ElevenLabs), a list
with one of these, plain text, an HTML page of a proxy, nothing at all.
"""

from __future__ import annotations

import re

import orjson
from msgspec import Struct

from shared.messages import JsonValue

MAX_MESSAGE_CHARS = 300
# Phrases are looked for in the beginning only: some providers echo the request behind it.
MAX_SEARCHED_CHARS = 2_000

# Strings, which `re` compiles at their first use and keeps: an instance starts without them.
_TITLE = r"(?i)<title[^>]*>([^<]{1,200})"
_SECRETS = r"""(?ix)
      \b(?:bearer|basic)\s+\S+                                  # credentials in a header
    | \b(?:gsk|csk|hf|sk|xi|ck|pk)[-_][a-z0-9*._-]{6,}
    | \b(?:dev|key|token|org|proj|project|user|acct|req)[-_](?=[a-z*._-]*\d)[a-z0-9*._-]{4,}
    | \bAIza[0-9a-z_*-]{8,}
    | \beyJ[0-9a-z_-]{8,}[0-9a-z_.-]*                           # a signed token
    """
_URL = r"(?i)\b[a-z][a-z0-9+.-]{1,10}://[^\s\"'<>`)\]]+"
_CONTROL = r"[\x00-\x1f\x7f\s]+"


class ErrorFacts(Struct, frozen=True):
    """The facts of an error, lower-cased where they are compared.

    ``message`` as the provider wrote it (never shown unsanitised), ``code`` and ``kind`` (OpenAI's
    ``type``) empty where absent, ``status`` the body's own HTTP status where it names one,
    ``structured`` whether the body was an error object of an API and not a page or nothing.
    """

    message: str = ""
    code: str = ""
    kind: str = ""
    param: str | None = None
    status: int | None = None
    structured: bool = False
    wait_s: float | None = None

    @property
    def searched(self) -> str:
        """The message, ready to look for phrases in."""
        return self.message[:MAX_SEARCHED_CHARS].lower()


def read_error(body: bytes) -> ErrorFacts:
    """The facts of an error body of any shape. Never raises."""
    try:
        parsed: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _page(body)
    return error_facts(parsed)


def error_facts(parsed: JsonValue) -> ErrorFacts:
    """The facts of a parsed error body or event."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        text = parsed if isinstance(parsed, str) else ""
        return ErrorFacts(message=text, structured=bool(text))
    for key in ("error", "detail"):
        inner = parsed.get(key)
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, dict):
            return _object(inner, parsed)
        if isinstance(inner, str) and inner:
            return _object({"message": inner}, parsed)
    return _object(parsed, parsed)


def _object(inner: dict[str, JsonValue], outer: dict[str, JsonValue]) -> ErrorFacts:
    message = _text(inner, "message") or _text(inner, "msg") or _text(outer, "message")
    code = inner.get("code")
    status = _status(code) or _status(inner.get("status_code")) or _status(outer.get("status_code"))
    status = status or _status(inner.get("status")) or _status(outer.get("status"))
    word = code if isinstance(code, str) else _text(inner, "status")
    kind = _text(inner, "type") or _text(outer, "error_type")
    param = inner.get("param")
    estimated = outer.get("estimated_time")
    return ErrorFacts(
        message=message,
        code="" if word.isdigit() else word.lower(),
        kind=kind.lower(),
        param=param[:100] if isinstance(param, str) and param else None,
        status=status,
        structured=bool(message or word or kind),
        wait_s=float(estimated)
        if isinstance(estimated, int | float) and 0 <= estimated < 86_400
        else None,
    )


def _text(container: dict[str, JsonValue], key: str) -> str:
    value = container.get(key)
    return value if isinstance(value, str) else ""


def _status(value: JsonValue) -> int | None:
    """An HTTP error status written as a number or as digits."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return value
    return None


def _page(body: bytes) -> ErrorFacts:
    """Plain text, or the title of an HTML page."""
    text = body[: 4 * MAX_SEARCHED_CHARS].decode("utf-8", "replace").strip()
    if text[:1] == "<":
        title = re.search(_TITLE, text)
        text = title.group(1) if title else "an HTML page"
    return ErrorFacts(message=text)


def sanitise(text: str, secret: str = "") -> str:
    """A provider's message as a client may see it: without keys, ids of the operator's account,
    addresses or control characters, at most ``MAX_MESSAGE_CHARS`` (R18.2, P77)."""
    text = text[: 4 * MAX_SEARCHED_CHARS]
    if len(secret) >= 4:
        text = text.replace(secret, "[key]")
    text = re.sub(_URL, "[link]", text)
    text = re.sub(_SECRETS, "[hidden]", text)
    text = re.sub(_CONTROL, " ", text).strip()
    if len(text) > MAX_MESSAGE_CHARS:
        text = text[: MAX_MESSAGE_CHARS - 1] + "…"
    return text
