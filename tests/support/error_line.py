"""One line of the error table's test."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.errors import ProviderFailure


@dataclass(frozen=True)
class Line:
    """``inside``: what the same body means without its status (None: the same)."""

    name: str
    status: int
    body: object
    expected: type[ProviderFailure]
    wait_s: float | None = None
    window: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    inside: type[ProviderFailure] | None = None
    content_type: str = "application/json"


def openai(message: str, kind: str, code: str | None = None, **extra: object) -> dict[str, object]:
    """An error body in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "code": code, **extra}}
