"""Classifications of requests seen before (R13.5).

Applications ask the same things again: retries, regenerations, templates, polling. Only a 64-bit
hash of what was asked is kept (Python's keyed SipHash, another key in each process), never text.
"""

from __future__ import annotations

from shared.classify.local import classify_request
from shared.classify.result import Classification
from shared.messages import ChatRequest

MAX_ENTRIES = 4096
# Long conversations seldom repeat, and hashing them would cost what the cache saves.
MAX_MESSAGES = 8
MAX_TOKENS = 4000


class ClassificationCache:
    """Classifies, remembering the answers for plain text conversations."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, Classification] = {}

    def classify(self, request: ChatRequest) -> Classification:
        """The category of a request, out of the cache where the same was asked before."""
        key = _key(request)
        if key is None:
            return classify_request(request)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_ENTRIES:
                # The oldest half goes: dictionaries keep the order of insertion.
                for old in list(self._known)[: MAX_ENTRIES // 2]:
                    del self._known[old]
            known = self._known[key] = classify_request(request)
        return known


def _key(request: ChatRequest) -> int | None:
    """A hash of all that the local classifier looks at; None: not to be cached."""
    messages = request.messages
    if (
        request.image_count
        or len(messages) > MAX_MESSAGES
        or request.input_tokens > MAX_TOKENS
        or "tools" in request.body
    ):
        return None
    parts: list[str | int] = [request.input_tokens]
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            return None
        parts.append(role)
        parts.append(content)
    return hash(tuple(parts))
