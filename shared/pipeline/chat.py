"""What happens to one chat request, in order: classify, plan, execute.

Everything here reads top to bottom; the work itself is done in the rooms below.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from shared.accounts.known_preferences import KnownPreferences
from shared.classify import Classification, ClassificationCache
from shared.clock import Clock, Deadline
from shared.errors import InvalidRequest, ProviderError, ProviderFailure
from shared.messages import ChatRequest, ChatResult, Chunk
from shared.model import Category
from shared.pipeline.context import RequestContext
from shared.pipeline.routing_state import LocalModels, RoutingState
from shared.routing.executor import Executor
from shared.routing.plan import Plan

# Contract, Chat: seconds a request may take when the client sets no deadline of its own.
PLAIN_DEADLINE_S = 50.0
STREAM_DEADLINE_S = 300.0

_OTHER_MEDIA = {
    Category.IMAGE_GEN: "a picture",
    Category.VIDEO_GEN: "a video",
}


class ChatPipeline:
    """Runs chat requests over one router and one executor."""

    __slots__ = ("_classifier", "_clock", "_executor", "_local", "_preferences", "_state")

    def __init__(
        self,
        state: RoutingState,
        executor: Executor,
        clock: Clock,
        local: LocalModels | None = None,
        preferences: KnownPreferences | None = None,
    ) -> None:
        self._state = state
        self._executor = executor
        self._clock = clock
        self._local = local
        self._preferences = preferences
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
        return RequestContext(request_id, self._clock, started, deadline, tier)

    def plan(self, request: ChatRequest, context: RequestContext) -> tuple[Classification, Plan]:
        """Classify and route, executing nothing.

        Raises ``ModelNotFound``, ``FeatureDisabled``, ``InvalidRequest`` (a field nobody
        honours) and ``AllModelsFailed`` (nothing left to ask).
        """
        classification = self._classifier.classify(request)
        context.classification = classification
        context.classified_at = self._clock.monotonic()
        plan = self._state.router.plan(request, classification.category, tier=context.tier)
        context.plan = plan
        context.planned_at = self._clock.monotonic()
        return classification, plan

    async def complete(self, request: ChatRequest, context: RequestContext) -> ChatResult:
        """A whole answer. Raises a ``CodeexError`` when there is none by the deadline."""
        _, plan = self.plan(request, context)
        _refuse_other_media(plan)
        return await self._executor.complete(plan, request, context.deadline, context.trace)

    def stream(
        self, request: ChatRequest, context: RequestContext
    ) -> AsyncGenerator[list[Chunk], None]:
        """The answer in batches of chunks; the first comes when a model surely answers.

        Plans at once, so a request nobody can serve fails here, before anything is sent.
        """
        _, plan = self.plan(request, context)
        _refuse_other_media(plan)
        return self._executor.stream(plan, request, context.deadline, context.trace)


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
