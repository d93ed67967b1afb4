"""What keeps harm, tampering and personal data out of requests and answers (R2, R18.8, R18.9).

The names of the contract are brought in on first use: a chat that needs no screen loads none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.safety.redaction import redact

__all__ = ["redact"]


def __getattr__(name: str) -> object:
    if name == "redact":
        from shared.safety.redaction import redact

        return redact
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
