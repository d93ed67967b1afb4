"""A guarded stream on virtual time: a guard that knows a phrase, and a client that notes when
every piece came."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from shared.clock import Clock, Deadline
from shared.errors import SafetyUnavailable
from shared.messages import ChatRequest, Chunk, Usage
from shared.model import ModelCard
from shared.pipeline.guarded import GuardedStream
from shared.pipeline.guarded_filter import MakeFilter
from shared.pipeline.guarded_screen import ScreeningGate
from shared.pipeline.guarded_work import GuardWork
from shared.routing.plan import Trace
from shared.routing.ports import Gate
from shared.safety.verdict import Hazard, Severity, Verdict
from shared.tokens import estimate_tokens
from tests.support.fake_provider import Act
from tests.support.routing_world import Script, World, plan_of, request
from tests.support.virtual_time import VirtualClock


@dataclass
class PhraseGuard:
    """Takes ``seconds`` for a verdict: unsafe wherever ``phrase`` stands in the text.

    ``down_after``: so many verdicts are given before nobody can judge any more; ``blind``: such
    texts are let by instead.
    """

    clock: Clock
    phrase: str | None = None
    seconds: float = 0.15
    down_after: int | None = None
    blind: bool = False
    texts: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    cancelled: int = 0

    async def __call__(self, text: str, deadline: Deadline) -> Verdict:
        self.texts.append(text)
        self.times.append(self.clock.monotonic())
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await self.clock.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if self.down_after is not None and len(self.texts) > self.down_after:
            if self.blind:
                return Verdict(True, 0.0, scanned=False)
            raise SafetyUnavailable("no guard can judge")
        tokens = estimate_tokens(text)
        if self.phrase is not None and self.phrase in text:
            return Verdict(
                False, 0.9, Hazard.VIOLENCE, Severity.HIGH, "guard", tokens=tokens, spent=tokens + 9
            )
        return Verdict(True, 0.9, judge="guard", tokens=tokens, spent=tokens + 9)


class GuardedClient:
    """Streams one request past a guard. ``heard``: every chunk with the second it came."""

    def __init__(
        self,
        cards: Sequence[ModelCard],
        acts: dict[str, Script],
        *,
        phrase: str | None = None,
        seconds: float = 0.15,
        make_filter: MakeFilter | None = None,
    ) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.cards = list(cards)
        self.world = World(self.clock, self.cards, acts)
        self.guard = PhraseGuard(self.clock, phrase, seconds)
        self.make_filter = make_filter
        self.trace = Trace()
        self.work = GuardWork()
        self.heard: list[tuple[float, Chunk]] = []

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for _, chunk in self.heard]

    @property
    def text(self) -> str:
        return self.text_of(0)

    def text_of(self, index: int) -> str:
        return "".join(chunk.text for chunk in self.chunks if chunk.index == index)

    @property
    def reasoning(self) -> str:
        return "".join(chunk.reasoning for chunk in self.chunks)

    @property
    def ends(self) -> list[str]:
        return [chunk.finish_reason for chunk in self.chunks if chunk.finish_reason]

    @property
    def usages(self) -> list[Usage]:
        return [chunk.usage for chunk in self.chunks if chunk.usage is not None]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(line.model, line.outcome) for line in self.trace.attempts]

    @property
    def said_at(self) -> list[float]:
        """When text came."""
        return [at for at, chunk in self.heard if chunk.text or chunk.reasoning]

    async def listen(
        self,
        asked: ChatRequest | None = None,
        seconds: float = 300.0,
        pause: float = 0.0,
        *,
        guarded: bool = True,
    ) -> None:
        """Read the whole stream, ``pause`` seconds after each batch."""
        asked = asked or request(stream=True)
        deadline = self.world.deadline(seconds)
        gate: Gate = GuardedStream(self.guard, deadline, self.work, asked.n, self.make_filter)
        if self.make_filter is not None and not guarded:
            gate = ScreeningGate(self.make_filter)
        source = self.world.executor.stream(
            plan_of(self.cards, max_attempts=20),
            asked,
            deadline,
            self.trace,
            gate if guarded or self.make_filter is not None else None,
        )
        async with aclosing(source) as batches:
            async for batch in batches:
                assert batch
                self.heard += [(self.clock.monotonic(), chunk) for chunk in batch]
                if pause:
                    await self.clock.sleep(pause)


def tokens_of(text: str, per_token: int = 4) -> list[str]:
    """The text in pieces of so many characters."""
    return [text[at : at + per_token] for at in range(0, len(text), per_token)]


def steady(pieces: Sequence[str], rate: float, finish: str = "stop") -> Act:
    """A provider that writes ``rate`` pieces a second, beginning at once."""
    chunks = [Chunk(text=piece) for piece in pieces]
    end = Chunk(finish_reason=finish, usage=Usage(7, len(pieces)))
    return Act(chunks=(*chunks, end), gap=1.0 / rate)
