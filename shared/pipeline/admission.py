"""What happens to a request before a model that would answer is asked: screens, guard, category.

Guard and classification run at the same time, each in its own budget (R13.8). Only the guard can
stop a request (R2.2, P6): its "unsafe" ends the classification under way, and nothing starts after
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from shared.classify import Classification
from shared.clock import Clock, Deadline
from shared.errors import InjectionDetected, SafetyViolation
from shared.messages import ChatRequest
from shared.pipeline.context import RequestContext
from shared.pipeline.modes import Modes
from shared.pipeline.turns import Turn, newest_turn
from shared.safety.guard import Judged
from shared.safety.verdict import Stage, Verdict

Note = Callable[[str, int], None]


class Guard(Protocol):
    """Who judges texts."""

    async def judge(self, judged: Judged, deadline: Deadline, /) -> Verdict:
        """The verdict. Raises ``SafetyUnavailable``."""
        ...


class InjectionVerdict(Protocol):
    """What the screen for injections says."""

    @property
    def flagged(self) -> bool:
        """Whether the score is high."""
        ...

    @property
    def score(self) -> float:
        """In [0, 1]."""
        ...


class SecondOpinion(Protocol):
    """A model that classifies what the local classifier is unsure of (R3.1, R3.9)."""

    async def classify(
        self, request: ChatRequest, local: Classification, deadline: Deadline, /
    ) -> Classification | None:
        """Its classification; None: the local one stands."""
        ...

    async def reclassify(
        self, request: ChatRequest, failed: Classification, deadline: Deadline, /
    ) -> Classification | None:
        """Another category, seen with more of the conversation; None: there is none."""
        ...


class Reports(Protocol):
    """Where violations are written down (R2.9)."""

    def __call__(self, uid: str, report: Report, /) -> Awaitable[None]:
        """Keep it. Never fails."""
        ...


class Report(Struct, frozen=True):
    """One violation, without a word of the text. ``kind``: ``guard``, ``injection`` or
    ``personal``."""

    kind: str
    category: str
    severity: str
    stage: str
    request_id: str


class Admission(Struct, frozen=True):
    """Judges requests. ``note`` counts by name; ``screen`` is the screen for injections."""

    guard: Guard
    screen: Callable[[ChatRequest], InjectionVerdict]
    reports: Reports
    note: Note
    clock: Clock
    second: SecondOpinion | None = None

    async def admit(
        self, request: ChatRequest, context: RequestContext, local: Classification, modes: Modes
    ) -> Classification:
        """The request's category, once it may be answered.

        Raises ``InjectionDetected``, ``SafetyViolation`` and ``SafetyUnavailable``.
        """
        trace = context.safety
        trace.on = not modes.idle
        if modes.injection != "off":
            await self._screened(request, context, modes.injection)
        opinion = self._ask_second(request, local, context.deadline)
        try:
            if modes.guard:
                await self._guarded(request, context)
            if opinion is None:
                self.note("classified_local", 1)
                return local
            found = await opinion
            self.note(f"classified_{found.source if found is not None else 'local'}", 1)
            return found or local
        finally:
            if opinion is not None and not opinion.done():
                opinion.cancel()
                await asyncio.gather(opinion, return_exceptions=True)

    def _ask_second(
        self, request: ChatRequest, local: Classification, deadline: Deadline
    ) -> asyncio.Task[Classification | None] | None:
        if (
            self.second is None
            or request.model.lower() != "auto"
            or not local.unsure
            or request.options.classifier == "local"
        ):
            return None
        return asyncio.create_task(self._opinion(self.second, request, local, deadline))

    async def _opinion(
        self,
        second: SecondOpinion,
        request: ChatRequest,
        local: Classification,
        deadline: Deadline,
    ) -> Classification | None:
        return await second.classify(request, local, deadline)

    async def _screened(self, request: ChatRequest, context: RequestContext, mode: str) -> None:
        found = self.screen(request)
        trace = context.safety
        trace.injection, trace.injection_flagged = found.score, found.flagged
        if not found.flagged:
            return
        if mode == "flag":
            self.note("injection_flagged", 1)
            context.trace.warnings.append(
                "the request looks like a prompt injection; it was let by, as configured"
            )
            return
        self.note("injection_blocked", 1)
        await self._report(context, "injection", "PROMPT_INJECTION", "HIGH", Stage.INPUT)
        raise InjectionDetected(
            "the request looks like an attempt to change the model's instructions (prompt "
            "injection), so it was not answered; remove such instructions from the messages",
            param="messages",
        )

    async def _guarded(self, request: ChatRequest, context: RequestContext) -> None:
        turn = newest_turn(request.messages)
        trace = context.safety
        trace.guarded = True
        trace.has_images = bool(turn.images)
        if not turn.text and not turn.images:
            return
        began = self.clock.monotonic()
        verdict = await self.guard.judge(judged_input(turn), context.deadline)
        now = self.clock.monotonic()
        trace.guard_ms = (now - began) * 1000.0
        context.guarded_at = now
        trace.input = verdict
        trace.add(verdict)
        self._count(verdict, trace.guard_ms)
        if not verdict.safe:
            await self.refuse(context, verdict, Stage.INPUT)

    def _count(self, verdict: Verdict, milliseconds: float) -> None:
        self.note("guard_checks", 1)
        self.note("guard_ms", round(milliseconds))
        self.note("guard_calls", verdict.calls)
        self.note("guard_tokens", verdict.spent)
        if not verdict.scanned:
            self.note("not_scanned", 1)

    async def refuse(self, context: RequestContext, verdict: Verdict, stage: Stage) -> None:
        """Write the violation down and end the request. Raises ``SafetyViolation``."""
        hazard = verdict.hazard.value if verdict.hazard is not None else ""
        severity = verdict.severity.value if verdict.severity is not None else "HIGH"
        self.note(f"blocked_{stage.value}", 1)
        self.note(f"violation_{hazard}", 1)
        await self._report(context, "guard", hazard, severity, stage)
        raise violation(hazard, severity, stage)

    async def _report(
        self, context: RequestContext, kind: str, category: str, severity: str, stage: Stage
    ) -> None:
        if context.uid:
            report = Report(kind, category, severity, stage.value, context.request_id)
            await self.reports(context.uid, report)


def judged_input(turn: Turn) -> Judged:
    """The newest turn as guards see it."""
    return Judged(Stage.INPUT, turn.text or "(an image without words)", turn.before, turn.images)


def violation(category: str, severity: str, stage: Stage) -> SafetyViolation:
    """The error of an unsafe text (contract, Errors; R2.3)."""
    what = category.replace("_", " ").lower()
    if stage is Stage.INPUT:
        message = f"the request was judged unsafe ({what}), so it was not answered; rephrase it"
    else:
        message = f"the answer was judged unsafe ({what}), so the rest of it is withheld; ask again"
    return SafetyViolation(
        message, details={"category": category, "severity": severity, "stage": stage.value}
    )
