"""Reads what matters for the category out of a request, whatever its shape.

Requests from the edge have been checked; those of tests and tools may be anything. What is not of
the expected type counts as absent, and nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from shared.classify.words import Pattern
from shared.messages import ChatRequest
from shared.tokens import TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, estimate_tokens

# User turns looked at, newest first: a follow-up refers to one of the last few.
MAX_TURNS = 5
_MAX_PARTS = 64  # of one message
_MAX_ATTACHMENTS = 32
_HINT_LENGTH = 300  # characters of a string in which a file name, type or address is sought

_IMAGE = Pattern(
    r"^(?:image|images|photo|picture|img|input_image|image_url|png|jpe?g|webp|gif|heic|heif)$"
    r"|^image/|^data:image/|\.(?:png|jpe?g|webp|gif|heic|heif|bmp|tiff?|avif)(?:$|[?#])",
    re.IGNORECASE,
)
_AUDIO = Pattern(
    r"^(?:audio|input_audio|voice|sound|recording|mp3|wav|m4a|flac|ogg)$"
    r"|^audio/|^data:audio/|\.(?:mp3|wav|m4a|webm|ogg|opus|flac|aac)(?:$|[?#])",
    re.IGNORECASE,
)
# The first bytes of PNG, JPEG and GIF, in base64 and raw.
_IMAGE_BASE64 = ("iVBORw0KGgo", "/9j/", "R0lGOD")
_IMAGE_BYTES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")


class Prompt(Struct):
    """What the classifier needs of a request.

    ``turns`` are the user's texts, newest first. ``attached``: anything that is not text came
    along. ``image_age`` counts user turns since the newest image (0: this turn), None without one.
    """

    turns: list[str] = field(default_factory=list)
    tokens: int = 1
    image_age: int | None = None
    audio: bool = False
    attached: bool = False
    tools: bool = False


def read_mapping(request: Mapping[str, object]) -> Prompt:
    """A request of any shape: ``messages``, ``tools``, ``attachments``."""
    prompt = Prompt(tools=_filled_list(request.get("tools")))
    messages = request.get("messages")
    known = messages if isinstance(messages, list) else []
    tokens = _read_messages(prompt, known, count=True)
    _read_attachments(prompt, request.get("attachments"), 0)
    if prompt.image_age is not None:
        tokens += TOKENS_PER_IMAGE
    prompt.tokens = max(1, tokens)
    return prompt


def read_chat(request: ChatRequest) -> Prompt:
    """A checked request. Its own token estimate is taken; nothing is copied."""
    prompt = Prompt(tools=_filled_list(request.body.get("tools")), tokens=request.input_tokens)
    _read_messages(prompt, request.messages, count=False)
    return prompt


def _filled_list(value: object) -> bool:
    return isinstance(value, list) and bool(value)


def _read_messages(prompt: Prompt, messages: Sequence[object], *, count: bool) -> int:
    """Fills ``prompt`` from the newest message back; estimated tokens where ``count``."""
    tokens = 0
    users = 0  # user turns passed
    other = ""  # the newest text of a message that names no known role
    for message in reversed(messages):
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        content = message.get("content")
        user = role == "user"
        wanted = user and len(prompt.turns) < MAX_TURNS
        if isinstance(content, str):
            text = content
        elif isinstance(content, list):
            text = _read_parts(prompt, content, users)
        else:
            text = ""
        if "attachments" in message:
            _read_attachments(prompt, message["attachments"], users)
        if count:
            tokens += TOKENS_PER_MESSAGE + (estimate_tokens(text) if text else 0)
        if wanted:
            prompt.turns.append(text)
        elif not other and text and role not in ("assistant", "system", "tool", "developer"):
            other = text
        users += user
    if not prompt.turns and other:
        prompt.turns.append(other)
    return tokens


def _read_parts(prompt: Prompt, parts: Sequence[object], age: int) -> str:
    """Joined text of content parts; pictures and sound among them are noted."""
    texts: list[str] = []
    for part in parts[:_MAX_PARTS]:
        if isinstance(part, str):
            texts.append(part)
        if not isinstance(part, dict):
            continue
        text = part.get("text")
        if isinstance(text, str):
            texts.append(text)
            continue
        _note(prompt, _kinds(part, 0), age)
    return texts[0] if len(texts) == 1 else "\n".join(texts)


def _read_attachments(prompt: Prompt, attachments: object, age: int) -> None:
    if not attachments:
        return
    prompt.attached = True
    listed = attachments if isinstance(attachments, (list, tuple)) else [attachments]
    for attachment in listed[:_MAX_ATTACHMENTS]:
        _note(prompt, _kinds(attachment, 0), age)


def _note(prompt: Prompt, kinds: tuple[bool, bool], age: int) -> None:
    image, audio = kinds
    prompt.attached = True
    prompt.audio = prompt.audio or audio
    if image and prompt.image_age is None:
        prompt.image_age = age


def _kinds(value: object, depth: int) -> tuple[bool, bool]:
    """Whether a part or attachment is an image, and whether it is sound, by any name in it."""
    if isinstance(value, str):
        start = value[:_HINT_LENGTH]
        image = start.startswith(_IMAGE_BASE64) or _IMAGE.found_in(start)
        return image, _AUDIO.found_in(start)
    if isinstance(value, bytes):
        return value.startswith(_IMAGE_BYTES), False
    image = audio = False
    below: list[object] = []
    if isinstance(value, dict):
        below = [*list(value.keys())[:12], *list(value.values())[:12]]
    elif isinstance(value, (list, tuple)):
        below = list(value[:12])
    if depth < 3:
        for item in below:
            found = _kinds(item, depth + 1)
            image, audio = image or found[0], audio or found[1]
    return image, audio
