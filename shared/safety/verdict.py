"""What a guard says of a text (R2.3, R2.4, R2.7, R2.8)."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from shared.messages import JsonObject


class Hazard(StrEnum):
    """R2.4: why a text is unsafe."""

    HATE_SPEECH = "HATE_SPEECH"
    VIOLENCE = "VIOLENCE"
    SEXUAL_CONTENT = "SEXUAL_CONTENT"
    SELF_HARM = "SELF_HARM"
    DANGEROUS_CONTENT = "DANGEROUS_CONTENT"
    HARASSMENT = "HARASSMENT"
    ILLEGAL_ACTIVITY = "ILLEGAL_ACTIVITY"


class Severity(StrEnum):
    """R2.8, least first."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class Stage(StrEnum):
    """Which side of the model a text stands on (contract, Errors)."""

    INPUT = "input"
    OUTPUT = "output"


class Verdict(Struct, frozen=True):
    """A judgement of one text.

    ``safe``: may pass. ``hazard`` and ``severity`` say why not; both may be set on a safe verdict
    whose hazard is too slight to stop anything. ``confidence`` in [0, 1]. ``judge`` is the guard's
    catalog id, "" where nobody was asked; ``scanned`` False: let by without a judgement, because
    no guard could answer and the operator chose to let such texts by. ``tokens``: how many were
    judged, ``spent``: how many the judgement took in ``calls`` calls that lasted
    ``latency_ms``; ``images`` says whether its images were seen.
    """

    safe: bool
    confidence: float
    hazard: Hazard | None = None
    severity: Severity | None = None
    judge: str = ""
    scanned: bool = True
    tokens: int = 0
    spent: int = 0
    images: bool = False
    calls: int = 0
    latency_ms: float = 0.0

    def to_json(self) -> JsonObject:
        """The receipt's form."""
        return {
            "safe": self.safe,
            "category": self.hazard.value if self.hazard is not None else None,
            "severity": self.severity.value if self.severity is not None else None,
            "confidence": self.confidence,
            "model": self.judge or None,
            "scanned": self.scanned,
        }
