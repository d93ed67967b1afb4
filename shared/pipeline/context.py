"""What travels with one request from the edge through the pipeline and back."""

from __future__ import annotations

from msgspec import Struct, field

from shared.classify import Classification
from shared.clock import Clock, Deadline
from shared.messages import JsonObject
from shared.pipeline.safety_trace import SafetyTrace
from shared.routing.plan import Plan, Trace


class RequestContext(Struct):
    """The state of one chat request. Times are readings of the injected monotonic clock."""

    request_id: str
    clock: Clock
    started: float
    deadline: Deadline
    tier: str = "free"
    uid: str = ""
    trace: Trace = field(default_factory=Trace)
    classification: Classification | None = None
    plan: Plan | None = None
    classified_at: float | None = None
    planned_at: float | None = None
    guarded_at: float | None = None
    safety: SafetyTrace = field(default_factory=SafetyTrace)

    def warnings(self) -> list[str]:
        """Plan and trace warnings in order, each once."""
        planned = self.plan.warnings if self.plan is not None else ()
        return list(dict.fromkeys((*planned, *self.trace.warnings)))

    def timings_ms(self) -> JsonObject:
        """Milliseconds from the request's start to each point that was reached."""
        timings: JsonObject = {}
        if self.classified_at is not None:
            timings["classified"] = _ms(self.classified_at - self.started)
        if self.guarded_at is not None:
            timings["guarded"] = _ms(self.guarded_at - self.started)
        if self.planned_at is not None:
            timings["planned"] = _ms(self.planned_at - self.started)
        if self.trace.first_token_ms is not None:
            timings["first_token"] = self.trace.first_token_ms
        if self.trace.waited_ms:
            timings["waited_for_capacity"] = self.trace.waited_ms
        timings["total"] = _ms(self.clock.monotonic() - self.started)
        return timings

    def receipt(self) -> JsonObject:
        """The ``codeex`` object of an answer (contract, Chat)."""
        plan, classification = self.plan, self.classification
        return {
            "request_id": self.request_id,
            "classification": classification.to_json() if classification is not None else None,
            "routing": {
                "reason": plan.reason if plan is not None else "",
                "chain": plan.shown_chain() if plan is not None else [],
                "attempts": [attempt.to_json() for attempt in self.trace.attempts],
            },
            "guard": self.safety.word,
            "guarded_tokens": self.safety.tokens,
            "safety": self.safety.to_json(),
            "warnings": list(self.warnings()),
            "memories_used": 0,
            "timings_ms": self.timings_ms(),
        }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
