"""What keeps harm, tampering and personal data out of requests and answers (R2, R18.8, R18.9).

The names of the contract are brought in on first use: a chat that needs no screen loads none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.safety.injection import InjectionVerdict, detect_injection
    from shared.safety.redaction import redact

__all__ = ["InjectionVerdict", "detect_injection", "redact"]


def __getattr__(name: str) -> object:
    if name == "redact":
        from shared.safety.redaction import redact

        return redact
    if name in ("detect_injection", "InjectionVerdict"):
        from shared.safety import injection

        return injection.detect_injection if name[0] == "d" else injection.InjectionVerdict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
