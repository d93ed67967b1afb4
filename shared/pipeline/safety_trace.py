"""What safety did for one request: for its receipt, its log line and the figures."""

from __future__ import annotations

from msgspec import Struct, field

from shared.messages import JsonObject
from shared.safety.verdict import Verdict

# The receipt's word for what the guards did (``guard``).
UNGUARDED, CHECKED, NOT_SCANNED = "unguarded", "checked", "not_scanned"


class SafetyTrace(Struct):
    """``on``: guard or a screen is in force. ``guard_ms``: milliseconds to the input's verdict.

    ``tokens``: how many were judged, ``spent``: what the ``calls`` took. ``injection``: the
    screen's score, None where it did not look. ``personal``: findings by kind, under ``mode``.
    """

    on: bool = False
    guarded: bool = False
    input: Verdict | None = None
    output: Verdict | None = None
    calls: int = 0
    tokens: int = 0
    spent: int = 0
    not_scanned: int = 0
    guard_ms: float = 0.0
    has_images: bool = False
    injection: float | None = None
    injection_flagged: bool = False
    personal: dict[str, int] = field(default_factory=dict)
    mode: str = "off"

    def add(self, verdict: Verdict) -> None:
        """Count a judgement."""
        self.calls += verdict.calls
        self.tokens += verdict.tokens
        self.spent += verdict.spent
        self.not_scanned += not verdict.scanned

    @property
    def word(self) -> str:
        """In one word."""
        if not self.guarded:
            return UNGUARDED
        return NOT_SCANNED if self.not_scanned else CHECKED

    def to_json(self) -> JsonObject | None:
        """The receipt's ``safety``; None where nothing was in force."""
        if not self.on:
            return None
        images = None
        if self.has_images and self.guarded:
            seen = self.input is not None and self.input.images
            images = "seen" if seen else "unseen"
        return {
            "input": self.input.to_json() if self.input is not None else None,
            "output": self.output.to_json() if self.output is not None else None,
            "calls": self.calls,
            "spent_tokens": self.spent,
            "guard_ms": round(self.guard_ms),
            "images": images,
            "injection": None
            if self.injection is None
            else {"score": round(self.injection, 3), "flagged": self.injection_flagged},
            "personal": None
            if self.mode == "off"
            else {"mode": self.mode, "found": {**self.personal}},
        }
