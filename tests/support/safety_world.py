"""The chat pipeline with a guard, a screen and a second opinion by script, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from shared.classify import Classification, classify_local
from shared.clock import Clock, Deadline
from shared.errors import SafetyUnavailable
from shared.messages import ChatRequest, JsonObject
from shared.model import Category
from shared.pipeline.admission import Admission
from shared.pipeline.answers import Answers
from shared.pipeline.chat import ChatPipeline
from shared.pipeline.context import RequestContext
from shared.pipeline.modes import Modes
from shared.pipeline.routing_state import RoutingState
from shared.pipeline.safety import Safety
from shared.safety.guard import Judged
from shared.safety.verdict import Hazard, Severity, Verdict
from tests.support.routing_world import Script, World, card

ON = Modes(guard=True, injection="block", personal="redact")
UNSAFE = Verdict(False, 0.9, Hazard.VIOLENCE, Severity.HIGH, "guard", tokens=5, spent=50, calls=1)
SAFE = Verdict(True, 0.9, judge="guard", tokens=5, spent=50, calls=1)
NOT_SCANNED = Verdict(True, 0.0, scanned=False)


@dataclass
class PhraseGuard:
    """Unsafe wherever ``phrase`` stands; ``down``: nobody can judge; ``blind``: lets by."""

    clock: Clock
    phrase: str = "harm"
    seconds: float = 0.15
    down: bool = False
    blind: bool = False
    seen: list[Judged] = field(default_factory=list)

    async def judge(self, judged: Judged, _: Deadline) -> Verdict:
        self.seen.append(judged)
        await self.clock.sleep(self.seconds)
        if self.down:
            raise SafetyUnavailable("no guard can judge", retry_after=5.0)
        if self.blind:
            return NOT_SCANNED
        return UNSAFE if self.phrase in judged.text else SAFE


@dataclass
class Screened:
    """A screen's word."""

    flagged: bool
    score: float


@dataclass
class Opinion:
    """A second classifier; ``found`` None: the local one stands. ``other`` after a failure."""

    clock: Clock
    found: Category | None = None
    other: Category | None = None
    seconds: float = 0.3
    asked: int = 0
    cancelled: int = 0

    async def classify(
        self, _: ChatRequest, local: Classification, __: Deadline
    ) -> Classification | None:
        self.asked += 1
        try:
            await self.clock.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return None if self.found is None else _as(local, self.found)

    async def reclassify(
        self, _: ChatRequest, failed: Classification, __: Deadline
    ) -> Classification | None:
        self.asked += 1
        return None if self.other is None else _as(failed, self.other)


def _as(local: Classification, category: Category) -> Classification:
    return replace(local, category=category, confidence=0.9, source="llm", reasoning="a model")


class SafetyWorld:
    """One pipeline over two models of two providers. ``unsure`` makes every prompt one that the
    local classifier is unsure of (a bare word)."""

    def __init__(
        self, clock: Clock, acts: dict[str, Script] | None = None, modes: Modes = ON
    ) -> None:
        self.clock = clock
        self.modes = modes
        cards = [card("a-one"), card("b-two")]
        self.world = World(clock, cards, acts or {})
        self.guard = PhraseGuard(clock)
        self.opinion = Opinion(clock)
        self.injected: Callable[[ChatRequest], Screened] = lambda _: Screened(False, 0.01)
        safety = Safety(
            Admission(self.guard, self._screen, self.opinion, clock),
            Answers(self.guard),
        )
        router = self.world.router
        self.state = RoutingState(self.world.catalog, router, lambda _: router)  # type: ignore[arg-type]
        self.pipeline = ChatPipeline(
            self.state, self.world.executor, clock, modes=lambda: self.modes, safety=lambda: safety
        )

    @property
    def asked(self) -> list[str]:
        """Models that were asked to answer, in order."""
        return self.world.asked()

    async def _screen(self, request: ChatRequest) -> Screened:
        return self.injected(request)

    async def begin(self, request: ChatRequest) -> RequestContext:
        """A context from now."""
        return await self.pipeline.begin(request, "req_1", self.clock.monotonic(), "free", "u1")


def ask(text: str, *, model: str = "a-one", stream: bool = False, **body: object) -> ChatRequest:
    """A request of one message."""
    return conversation([{"role": "user", "content": text}], model=model, stream=stream, **body)


def conversation(
    messages: list[JsonObject], *, model: str = "a-one", stream: bool = False, **body: object
) -> ChatRequest:
    """A request of several."""
    whole: JsonObject = {"model": model, "messages": [*messages]}
    whole.update(body)  # type: ignore[arg-type]
    return ChatRequest(whole, model, messages, 20, stream=stream)


def sure(text: str) -> bool:
    """Whether the local classifier is sure of a text."""
    return not classify_local({"messages": [{"role": "user", "content": text}]}).unsure
