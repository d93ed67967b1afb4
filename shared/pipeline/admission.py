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
from shared.errors import InjectionDetected
from shared.messages import ChatRequest
from shared.pipeline.context import RequestContext
from shared.pipeline.modes import Modes, wants_opinion
from shared.pipeline.turns import Turn, newest_turn
from shared.safety.guard import Judged
from shared.safety.refusals import unsafe
from shared.safety.verdict import Stage, Verdict

LET_BY = "no safety guard could judge this; it was let by, as SAFETY_FAIL_MODE=open says"
LOOKS_INJECTED = "the request looks like a prompt injection; it was let by, as configured"


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


class Admission(Struct, frozen=True):
    """Judges requests. ``screen`` is the screen for injections."""

    guard: Guard
    screen: Callable[[ChatRequest], Awaitable[InjectionVerdict]]
    second: SecondOpinion
    clock: Clock

    async def admit(
        self, request: ChatRequest, context: RequestContext, local: Classification, modes: Modes
    ) -> Classification:
        """The request's category, once it may be answered.

        Raises ``InjectionDetected``, ``SafetyViolation`` and ``SafetyUnavailable``.
        """
        context.safety.modes = modes
        if modes.injection != "off":
            await self._screened(request, context, modes.injection)
        opinion: asyncio.Task[Classification | None] | None = None
        if wants_opinion(request, local):
            opinion = asyncio.create_task(self._opinion(request, local, context.deadline))
        try:
            if modes.guard:
                await self._guarded(request, context)
            return local if opinion is None else await opinion or local
        finally:
            if opinion is not None and not opinion.done():
                opinion.cancel()
                await asyncio.gather(opinion, return_exceptions=True)

    async def reclassify(
        self, request: ChatRequest, context: RequestContext, failed: Classification
    ) -> Classification | None:
        """Another category for a request that every model failed; None: there is none."""
        if request.options.classifier == "local":
            return None
        found = await self.second.reclassify(request, failed, context.deadline)
        context.safety.reclassified = found is not None
        return found

    async def _opinion(
        self, request: ChatRequest, local: Classification, deadline: Deadline
    ) -> Classification | None:
        return await self.second.classify(request, local, deadline)

    async def _screened(self, request: ChatRequest, context: RequestContext, mode: str) -> None:
        found = await self.screen(request)
        trace = context.safety
        trace.injection, trace.flagged = found.score, found.flagged
        if not found.flagged:
            return
        if mode == "flag":
            context.trace.warnings.append(LOOKS_INJECTED)
            return
        trace.refused = "injection_blocked"
        raise InjectionDetected(
            "the request looks like an attempt to change the model's instructions (prompt "
            "injection), so it was not answered; remove such instructions from the messages",
            param="messages",
        )

    async def _guarded(self, request: ChatRequest, context: RequestContext) -> None:
        turn = newest_turn(request.messages)
        trace = context.safety
        trace.has_images = bool(turn.images)
        if not turn.text.strip() and not turn.images:
            return
        began = self.clock.monotonic()
        verdict = await self.guard.judge(judged_input(turn), context.deadline)
        now = self.clock.monotonic()
        trace.guard_ms = (now - began) * 1000.0
        context.guarded_at = now
        trace.input = verdict
        if not verdict.scanned:
            context.trace.warnings.append(LET_BY)
        if not verdict.safe:
            trace.refused = "blocked_input"
            raise unsafe(verdict, Stage.INPUT)


def judged_input(turn: Turn) -> Judged:
    """The newest turn as guards see it."""
    return Judged(Stage.INPUT, turn.text or "(an image without words)", turn.before, turn.images)
