"""What happens to one chat request, in order: classify and judge, plan, execute, judge the answer.

Everything here reads top to bottom; the work itself is done in the rooms below.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from shared.accounts.known_preferences import KnownPreferences
from shared.classify import Classification, ClassificationCache
from shared.clock import Clock, Deadline
from shared.errors import AllModelsFailed, InvalidRequest, ProviderError, ProviderFailure
from shared.messages import ChatRequest, ChatResult, Chunk
from shared.model import Category
from shared.pipeline.context import RequestContext
from shared.pipeline.modes import OFF, Modes, wants_opinion
from shared.pipeline.routing_state import LocalModels, RoutingState
from shared.routing.executor import Executor
from shared.routing.plan import Plan

if TYPE_CHECKING:
    from shared.pipeline.safety import Safety

# Contract, Chat: seconds a request may take when the client sets no deadline of its own.
PLAIN_DEADLINE_S = 50.0
STREAM_DEADLINE_S = 300.0

_OTHER_MEDIA = {
    Category.IMAGE_GEN: "a picture",
    Category.VIDEO_GEN: "a video",
}


class ChatPipeline:
    """Runs chat requests over one router and one executor."""

    __slots__ = (
        "_classifier",
        "_clock",
        "_executor",
        "_local",
        "_modes",
        "_preferences",
        "_safety",
        "_state",
    )

    def __init__(
        self,
        state: RoutingState,
        executor: Executor,
        clock: Clock,
        local: LocalModels | None = None,
        preferences: KnownPreferences | None = None,
        modes: Callable[[], Modes] = lambda: OFF,
        safety: Callable[[], Safety] | None = None,
    ) -> None:
        """``safety`` makes what guards and second opinions need, when first needed; None: there is
        nothing of the kind."""
        self._state = state
        self._executor = executor
        self._clock = clock
        self._local = local
        self._preferences = preferences
        self._modes = modes
        self._safety = safety
        self._classifier = ClassificationCache()

    async def begin(
        self, request: ChatRequest, request_id: str, started: float, tier: str, uid: str = ""
    ) -> RequestContext:
        """The request's context with its one deadline, counted from ``started`` (monotonic s).

        The stored preferences of ``uid`` stand in for what the request does not say.
        """
        seconds = request.options.deadline_s
        if seconds is None:
            seconds = STREAM_DEADLINE_S if request.stream else PLAIN_DEADLINE_S
        deadline = Deadline(self._clock, started + seconds)
        if self._local is not None:
            await self._local.ensure(request.model, deadline.left())
        if self._preferences is not None and uid:
            (await self._preferences.of(uid)).stand_in(request.options)
        return RequestContext(request_id, self._clock, started, deadline, tier, uid)

    def plan(self, request: ChatRequest, context: RequestContext) -> tuple[Classification, Plan]:
        """Classify by ourselves and route, executing nothing.

        Raises ``ModelNotFound``, ``FeatureDisabled``, ``InvalidRequest`` (a field nobody
        honours) and ``AllModelsFailed`` (nothing left to ask).
        """
        classification = self._classifier.classify(request)
        context.classified_at = self._clock.monotonic()
        return classification, self._routed(request, context, classification)

    async def classified(
        self, request: ChatRequest, context: RequestContext
    ) -> tuple[Classification, Plan]:
        """As ``plan``, with a model's opinion where we are unsure. Judges nothing."""
        local, plan = self.plan(request, context)
        safety = self._safety_for(request, local, OFF)
        if safety is None:
            return local, plan
        found = await safety.admission.admit(request, context, local, OFF)
        return found, self._again(request, context, found, plan)

    async def complete(self, request: ChatRequest, context: RequestContext) -> ChatResult:
        """A whole answer. Raises a ``CodeexError`` when there is none by the deadline."""
        local, plan = self.plan(request, context)
        modes = self._modes()
        safety = self._safety_for(request, local, modes)
        if safety is None:
            _refuse_other_media(plan)
            return await self._executor.complete(plan, request, context.deadline, context.trace)
        plan = await self._admitted(safety, request, context, modes, local, plan)
        try:
            result = await self._executor.complete(plan, request, context.deadline, context.trace)
        except AllModelsFailed:
            other = await self._otherwise(safety, request, context, plan)
            if other is None:
                raise
            result = await self._executor.complete(other, request, context.deadline, context.trace)
        if modes.idle:
            return result
        return await safety.answers.whole(result, request, context, modes)

    def stream(
        self, request: ChatRequest, context: RequestContext
    ) -> AsyncGenerator[list[Chunk], None]:
        """The answer in batches of chunks; the first comes when a model surely answers.

        Plans at once, so a request nobody can serve fails here, before anything is sent.
        """
        local, plan = self.plan(request, context)
        modes = self._modes()
        safety = self._safety_for(request, local, modes)
        if safety is None:
            _refuse_other_media(plan)
            return self._executor.stream(plan, request, context.deadline, context.trace)
        return self._guarded_stream(safety, request, context, modes, local, plan)

    async def _guarded_stream(
        self,
        safety: Safety,
        request: ChatRequest,
        context: RequestContext,
        modes: Modes,
        local: Classification,
        plan: Plan,
    ) -> AsyncGenerator[list[Chunk], None]:
        plan = await self._admitted(safety, request, context, modes, local, plan)
        began = False
        while True:
            gate = None if modes.idle else safety.answers.gate(request, context, modes)
            answer = self._executor.stream(plan, request, context.deadline, context.trace, gate)
            try:
                async with aclosing(answer) as batches:
                    async for batch in batches:
                        began = True
                        yield batch
                return
            except AllModelsFailed:
                other = None if began else await self._otherwise(safety, request, context, plan)
                if other is None:
                    raise
                plan = other

    def _safety_for(
        self, request: ChatRequest, local: Classification, modes: Modes
    ) -> Safety | None:
        """What judges and classifies beside us; None where this request needs nothing of it."""
        if self._safety is None or (modes.idle and not wants_opinion(request, local)):
            return None
        return self._safety()

    async def _admitted(
        self,
        safety: Safety,
        request: ChatRequest,
        context: RequestContext,
        modes: Modes,
        local: Classification,
        plan: Plan,
    ) -> Plan:
        """The plan of a request that may be answered."""
        found = await safety.admission.admit(request, context, local, modes)
        plan = self._again(request, context, found, plan)
        _refuse_other_media(plan)
        return plan

    async def _otherwise(
        self, safety: Safety, request: ChatRequest, context: RequestContext, failed: Plan
    ) -> Plan | None:
        """After every model failed: the models of another category that were not asked yet, where
        a second look at the conversation finds one (R3.9); None where it does not."""
        before = context.classification
        seen = context.safety.reclassified
        if seen or before is None or request.model.lower() != "auto" or not failed.fallback:
            return None
        found = await safety.admission.reclassify(request, context, before)
        if found is None:
            return None
        plan = self._routed(request, context, found)
        asked = {attempt.model for attempt in context.trace.attempts}
        chain = tuple(one for one in plan.chain if one.card.id not in asked)
        if not chain or plan.category in _OTHER_MEDIA:
            return None
        plan = replace(plan, chain=chain, shown=[])
        plan.warnings = (
            *plan.warnings,
            f"every model for {before.category.value} failed; taken as {found.category.value}",
        )
        context.plan = plan
        return plan

    def _again(
        self, request: ChatRequest, context: RequestContext, found: Classification, plan: Plan
    ) -> Plan:
        """The plan for what was found; a new one where that is another category."""
        if found.category is plan.category or plan.named:
            context.classification = found
            return plan
        return self._routed(request, context, found)

    def _routed(self, request: ChatRequest, context: RequestContext, found: Classification) -> Plan:
        context.classification = found
        plan = self._state.router.plan(request, found.category, tier=context.tier)
        context.plan = plan
        context.planned_at = self._clock.monotonic()
        return plan


def broken_stream(failure: ProviderFailure) -> ProviderError:
    """What the client is told when a stream breaks after text has left and nobody can go on."""
    return ProviderError(
        f"{failure.provider or 'the provider'} broke off the answer ({failure.outcome}); the text "
        "so far is not complete: ask again",
        details={"provider": failure.provider, "outcome": failure.outcome},
    )


def _refuse_other_media(plan: Plan) -> None:
    """``auto`` that asks for a picture or a video: the chat function makes neither."""
    wanted = _OTHER_MEDIA.get(plan.category)
    if wanted is not None and not plan.named:
        raise InvalidRequest(
            f"this asks for {wanted}, which chat cannot make; ask for text, or name a chat model "
            "(POST /v1/route shows how it would be routed)",
            param="messages",
        )
