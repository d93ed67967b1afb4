"""What safety did for one request: for its receipt, its log line and the figures."""

from __future__ import annotations

from msgspec import Struct, field

from shared.messages import JsonObject
from shared.pipeline.guarded_work import GuardWork
from shared.pipeline.modes import OFF, Modes
from shared.safety.verdict import Verdict
from shared.telemetry.record import NOT_SCANNED

# The receipt's word for what the guards did (``guard``).
_DONE = {"flag": "flagged", "redact": "redacted", "block": "blocked"}
UNGUARDED, CHECKED = "unguarded", "checked"


class SafetyTrace(Struct):
    """``guard_ms``: milliseconds to the input's verdict. ``injection``: the screen's score, None
    where it did not look. ``personal``: findings in the answer by kind. ``refused``: by what the
    request was refused, a figure's name; "" where it was not."""

    modes: Modes = OFF
    input: Verdict | None = None
    answer: GuardWork = field(default_factory=GuardWork)
    guard_ms: float = 0.0
    has_images: bool = False
    injection: float | None = None
    flagged: bool = False
    personal: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    reclassified: bool = False

    def refuse(self, figure: str) -> None:
        """It was refused by this."""
        self.refused = figure

    @property
    def used(self) -> bool:
        """Whether there is anything to tell."""
        return not self.modes.idle or self.reclassified

    @property
    def not_scanned(self) -> int:
        """Texts that were let by without a judgement."""
        return self.answer.not_scanned + (self.input is not None and not self.input.scanned)

    @property
    def tokens(self) -> int:
        """Tokens that were judged."""
        return self.answer.tokens + (self.input.tokens if self.input is not None else 0)

    @property
    def spent(self) -> int:
        """Tokens that the judgements took."""
        return self.answer.spent + (self.input.spent if self.input is not None else 0)

    @property
    def calls(self) -> int:
        """Calls that the judgements took."""
        return self.answer.calls + (self.input.calls if self.input is not None else 0)

    @property
    def word(self) -> str:
        """In one word."""
        if not self.modes.guard or (self.input is None and not self.answer.calls):
            return UNGUARDED
        return NOT_SCANNED if self.not_scanned else CHECKED

    def to_json(self) -> JsonObject | None:
        """The receipt's ``safety``; None where nothing was in force."""
        if self.modes.idle:
            return None
        images = None
        if self.has_images and self.modes.guard:
            images = "seen" if self.input is not None and self.input.images else "unseen"
        last = self.answer.last
        return {
            "input": self.input.to_json() if self.input is not None else None,
            "output": last.to_json() if last is not None else None,
            "calls": self.calls,
            "spent_tokens": self.spent,
            "guard_ms": round(self.guard_ms),
            "images": images,
            "injection": None
            if self.injection is None
            else {"score": round(self.injection, 3), "flagged": self.flagged},
            "personal": None
            if self.modes.personal == "off"
            else {"mode": self.modes.personal, "found": {**self.personal}},
        }

    def figures(self) -> dict[str, int]:
        """What is counted of it (R17), by name."""
        counted = {
            "guard_checks": int(self.input is not None),
            "guard_ms": round(self.guard_ms),
            "guard_calls": self.calls,
            "guard_tokens": self.spent,
            "not_scanned": self.not_scanned,
            "reclassified": int(self.reclassified),
            "injection_flagged": int(self.flagged and not self.refused),
        }
        if self.refused:
            counted[self.refused] = 1
            hazard = self._hazard()
            if hazard:
                counted[f"violation_{hazard}"] = 1
        elif self.personal:
            # Findings that were masked or told; where they end the answer, it is one that ended.
            mode, found = self.modes.personal, sum(self.personal.values())
            counted[f"personal_{_DONE[mode]}"] = 1 if mode == "block" else found
        return {name: count for name, count in counted.items() if count}

    def _hazard(self) -> str:
        """The category of what a guard refused; "" where it was not a guard."""
        verdict = self.input if self.refused == "blocked_input" else self.answer.last
        if not self.refused.startswith("blocked_") or verdict is None or verdict.hazard is None:
            return ""
        return verdict.hazard.value
