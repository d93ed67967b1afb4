"""What happens to an answer before its reader gets it: the guard's verdict, then the screen for
personal data (R2.5, R18.9)."""

from __future__ import annotations

from msgspec import Struct

from shared.clock import Deadline
from shared.messages import ChatRequest, ChatResult
from shared.pipeline.admission import LET_BY, Guard
from shared.pipeline.context import RequestContext
from shared.pipeline.guarded import GuardedStream
from shared.pipeline.guarded_filter import MakeFilter
from shared.pipeline.guarded_result import judge_result
from shared.pipeline.guarded_screen import ScreeningGate
from shared.pipeline.guarded_work import GuardWork, Judge
from shared.pipeline.modes import Modes
from shared.pipeline.turns import newest_turn, user_texts
from shared.routing.ports import Gate
from shared.safety.guard import Judged
from shared.safety.verdict import Stage, Verdict

# Characters of the user's texts, newest first, in which his own data is looked for: the loop waits
# for it (70 ms where every word is a number), and whoever pastes more is not telling of himself.
OWN_CHARACTERS = 16_384


class Answers(Struct, frozen=True):
    """Judges answers."""

    guard: Guard

    def gate(self, request: ChatRequest, context: RequestContext, modes: Modes) -> Gate | None:
        """What a stream passes through; None: nothing looks at it."""
        make = self._filter(request, context, modes)
        if not modes.guard:
            return ScreeningGate(make) if make is not None else None
        work = context.safety.answer
        judge = self._judge(request, context)
        return GuardedStream(judge, context.deadline, work, request.n, make)

    async def whole(
        self, result: ChatResult, request: ChatRequest, context: RequestContext, modes: Modes
    ) -> ChatResult:
        """A whole answer as it may leave.

        Raises ``SafetyViolation``, ``SafetyUnavailable`` or ``DeadlineExceeded``.
        """
        judge = self._judge(request, context) if modes.guard else _let_by
        work = context.safety.answer if modes.guard else GuardWork()
        make = self._filter(request, context, modes)
        return await judge_result(result, judge, context.deadline, work, make)

    def _judge(self, request: ChatRequest, context: RequestContext) -> Judge:
        asked = newest_turn(request.messages).asked
        trace = context.safety

        async def judge(text: str, deadline: Deadline) -> Verdict:
            verdict = await self.guard.judge(Judged(Stage.OUTPUT, text, asked), deadline)
            if not verdict.scanned and LET_BY not in context.trace.warnings:
                context.trace.warnings.append(LET_BY)
            if not verdict.safe:
                trace.refused = "blocked_output"
            return verdict

        return judge

    def _filter(
        self, request: ChatRequest, context: RequestContext, modes: Modes
    ) -> MakeFilter | None:
        """Makes the filter of each text; None where nobody looks for personal data."""
        if modes.personal == "off":
            return None
        # Its patterns cost tens of milliseconds, once; by now the request has been judged.
        from shared.pipeline.guarded_personal import personal_filters
        from shared.safety.own_values import own_values
        from shared.safety.personal_screen import PersonalScreen

        # What the user wrote himself is no disclosure to him (R18.9, decision).
        own: set[str] = set()
        left = OWN_CHARACTERS
        for text in reversed(user_texts(request.messages)):
            own |= own_values(text[:left])
            left -= len(text)
            if left <= 0:
                break
        screen = PersonalScreen(modes.personal, own)
        context.safety.personal = screen.counts
        return personal_filters(screen)


async def _let_by(text: str, _: Deadline) -> Verdict:
    """Without a guard only the screen looks."""
    return Verdict(safe=True, confidence=1.0, tokens=0 if not text else 1)
