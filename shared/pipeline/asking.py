"""Our own questions to models, sent the way of every request: with a permit, one attempt, a clock.

Guard and classifier spend what their providers allow like anybody else (R6), so a call of theirs
goes through the same executor, and a failure teaches health and quotas the same.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.asking import NotAnswered, Question, Reply
from shared.clock import Clock, Deadline
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    ContentFiltered,
    DeadlineExceeded,
    StoreUnavailable,
)
from shared.messages import ChatRequest, JsonObject, RequestOptions
from shared.model import Capability, Category, ModelCard
from shared.pipeline.routing_state import LOCAL, RoutingState
from shared.routing.executor import Executor
from shared.routing.plan import Candidate, Plan, Trace
from shared.telemetry.counters import Counters

# The highest priority there is: whoever waits for an answer waits for its verdict first.
OWN_PRIORITY = 10


class ModelAsker:
    """Answers ``shared.asking.Asker``. ``has_key`` and ``pays`` take a provider's name."""

    __slots__ = ("_clock", "_counters", "_executor", "_has_key", "_pays", "_state")

    def __init__(
        self,
        state: RoutingState,
        executor: Executor,
        has_key: Callable[[str], bool],
        pays: Callable[[str], bool],
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._state = state
        self._executor = executor
        self._has_key = has_key
        self._pays = pays
        self._clock = clock
        self._counters = counters

    def living(self, model_id: str) -> ModelCard | None:
        """See ``Asker.living``."""
        catalog = self._state.catalog
        found = catalog.get(model_id)
        card = catalog.resolve(found).card if found is not None else None
        if card is None or not catalog.enabled(card) or not self._has_key(card.provider):
            return None
        if card.free_tier == "none" and not self._pays(card.provider):
            return None
        return card

    def own(self) -> ModelCard | None:
        """See ``Asker.own``."""
        catalog = self._state.catalog
        if not self._has_key(LOCAL):
            return None
        speaking = (
            card
            for card in catalog.by_provider(LOCAL)
            if Capability.TEXT in card.capabilities and catalog.enabled(card)
        )
        return next(speaking, None)

    async def ask(self, question: Question, deadline: Deadline) -> Reply:
        """See ``Asker.ask``."""
        card = question.card
        request = _request(question)
        plan = Plan(
            category=Category.SIMPLE,
            reason="a question of the router's own",
            chain=(Candidate(card, 0.0),),
            estimated_latency_ms=1,
            max_attempts=1,
            fallback=False,
        )
        trace = Trace()
        began = self._clock.monotonic()
        try:
            result = await self._executor.complete(plan, request, deadline, trace)
        except CodeexError as error:
            raise _not_answered(error, trace) from None
        finally:
            self._counters.record("", trace.attempts, usage=trace.usage)
        choice = result.choices[0] if result.choices else {}
        message = choice.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        finish = choice.get("finish_reason")
        return Reply(
            card,
            content if isinstance(content, str) else "",
            finish if isinstance(finish, str) else "",
            result.usage,
            (self._clock.monotonic() - began) * 1000.0,
            choice.get("logprobs"),
        )


def _request(question: Question) -> ChatRequest:
    body: JsonObject = {**question.fields, "max_tokens": question.max_tokens}
    body["messages"] = list(question.messages)
    effort = question.fields.get("reasoning_effort")
    return ChatRequest(
        body=body,
        model=question.card.id,
        messages=question.messages,
        input_tokens=max(1, question.input_tokens),
        max_tokens=question.max_tokens,
        reasoning_effort=effort if isinstance(effort, str) else None,
        options=RequestOptions(patience_s=0.0, priority=OWN_PRIORITY, fallback=False),
    )


def _not_answered(error: CodeexError, trace: Trace) -> NotAnswered:
    match error:
        case CapacityExhausted():
            return NotAnswered("capacity", full=True)
        case DeadlineExceeded():
            return NotAnswered("deadline")
        case StoreUnavailable():
            return NotAnswered("store")
        case ContentFiltered():
            return NotAnswered("refused")
        case _:
            return NotAnswered(trace.attempts[-1].outcome if trace.attempts else "failed")
