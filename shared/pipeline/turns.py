"""What of a conversation a guard judges: the newest turn whole, with a little of what led to it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from shared.messages import JsonObject, JsonValue

# Characters of the turns before that go along, so that "and how much of it?" can be understood.
CONTEXT = 2000
# Of an answer's question, when the answer is judged: every call of a stream carries it.
ASKED = 600


class Turn(Struct, frozen=True):
    """``text``: all that has come since the model last spoke (user messages and what tools
    returned). ``before``: the end of the conversation up to there. ``images`` are its parts."""

    text: str
    before: str
    images: tuple[JsonObject, ...]

    @property
    def asked(self) -> str:
        """The end of the turn, for whoever judges the answer to it."""
        return self.text[-ASKED:]


def newest_turn(messages: Sequence[JsonObject]) -> Turn:
    """The newest turn of a checked conversation. Instructions of the application (system and
    developer messages) are not the user's, and are left out."""
    first = len(messages)
    while first > 0 and messages[first - 1].get("role") != "assistant":
        first -= 1
    texts: list[str] = []
    images: list[JsonObject] = []
    for message in messages[first:]:
        if message.get("role") not in _INSTRUCTIONS:
            text = text_of(message.get("content"), images)
            if text:
                texts.append(text)
    return Turn("\n\n".join(texts), _before(messages[:first]), tuple(images))


def user_texts(messages: Sequence[JsonObject]) -> list[str]:
    """All that the user has written in the conversation."""
    return [
        text
        for message in messages
        if message.get("role") == "user" and (text := text_of(message.get("content")))
    ]


def text_of(content: JsonValue, images: list[JsonObject] | None = None) -> str:
    """The text of a message's content; its image parts are added to ``images``."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        text = part.get("text")
        if isinstance(text, str):
            texts.append(text)
        elif images is not None and part.get("type") == "image_url":
            images.append(part)
    return "\n".join(texts)


_INSTRUCTIONS = frozenset({"system", "developer"})


def _before(messages: Sequence[JsonObject]) -> str:
    """The end of what was said, newest last, at most ``CONTEXT`` characters."""
    said: list[str] = []
    left = CONTEXT
    for message in reversed(messages):
        role = message.get("role")
        if role in _INSTRUCTIONS or left <= 0:
            continue
        text = text_of(message.get("content"))[-left:]
        if text:
            said.append(f"{role}: {text}")
            left -= len(text)
    return "\n".join(reversed(said))
