"""Plan -> answer: ask one model after another until one answers or the deadline comes (R5).

Each step is small and stands elsewhere: who is next (``ordering``), what an attempt may take
(``attempt``), what is written down (``run``), what a client is told at the end (``endings``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from shared.clock import Clock, Deadline
from shared.errors import ProviderFailure, StreamCut
from shared.messages import ChatRequest, ChatResult, Chunk, Usage
from shared.providers.base import ChatProvider
from shared.providers.collect import as_stream, collect
from shared.routing.attempt import AttemptClocks, close
from shared.routing.backoff import Backoff
from shared.routing.endings import deadline_passed
from shared.routing.health import HealthBook
from shared.routing.plan import Plan, Trace
from shared.routing.ports import Utilization
from shared.routing.run import Parts, Run, Running
from shared.settings import TimeoutConfig


@dataclass(slots=True)
class Opened:
    """A stream that a model surely answers. ``source`` is None where all of it is ``first``."""

    running: Running
    first: list[Chunk]
    source: AsyncIterator[list[Chunk]] | None


class Executor:
    """Runs plans. One for an instance; every request has a ``Run`` of its own."""

    __slots__ = ("_parts",)

    def __init__(
        self,
        providers: Callable[[str], ChatProvider | None],
        health: HealthBook,
        utilization: Utilization,
        clock: Clock,
        rng: random.Random,
        timeouts: Callable[[], TimeoutConfig],
    ) -> None:
        self._parts = Parts(
            providers, health, utilization, clock, AttemptClocks(timeouts), Backoff(rng)
        )

    async def complete(
        self, plan: Plan, request: ChatRequest, deadline: Deadline, trace: Trace
    ) -> ChatResult:
        """A whole answer from the first model of the plan that gives one.

        Raises a ``CodeexError`` by the deadline (plus 250 ms at most, P73). Cancelling the task
        aborts the provider call at once.
        """
        run = Run(self._parts, plan, request, deadline, trace)
        try:
            async with asyncio.timeout(deadline.left()) as scope:
                while True:
                    running = await run.begin()
                    try:
                        result = await _fetch(running)
                    except ProviderFailure as failure:
                        run.failed(running, failure)
                    else:
                        run.answered(running, result.usage, result.upstream_model)
                        return result
                    finally:
                        run.ended(running)
        except TimeoutError:
            if not scope.expired():
                raise
            raise deadline_passed(run.order.asked) from None

    async def stream(
        self, plan: Plan, request: ChatRequest, deadline: Deadline, trace: Trace
    ) -> AsyncGenerator[list[Chunk], None]:
        """An answer in batches of chunks.

        The first batch comes with the first meaningful event; until then failures fall back
        unseen and a ``CodeexError`` ends the request. Afterwards a stream that breaks raises its
        ``ProviderFailure``, the deadline ``DeadlineExceeded``. Closing the generator or
        cancelling the task aborts the provider call at once.
        """
        run = Run(self._parts, plan, request, deadline, trace)
        opened = await self._open(run)
        running, source = opened.running, opened.source
        outcome = "cancelled"
        usage: Usage | None = None
        now = self._parts.clock.monotonic
        try:
            batch = opened.first
            while True:
                for chunk in batch:
                    if chunk.usage is not None:
                        usage = running.usage = chunk.usage
                yield batch
                if source is None:
                    break
                if now() > deadline.at:
                    raise deadline_passed(run.order.asked)
                try:
                    batch = await anext(source)
                except StopAsyncIteration:
                    break
            outcome = "ok"
            run.answered(running, usage or Usage(request.input_tokens, estimated=True))
        except ProviderFailure as failure:
            outcome = failure.outcome
            if run.broken(running, failure):
                raise
            raise deadline_passed(run.order.asked) from None
        finally:
            if outcome != "ok":
                run.broke_off(running, outcome)
            await close(source)

    async def _open(self, run: Run) -> Opened:
        """Fall back until a model shows that it answers."""
        deadline = run.deadline
        try:
            async with asyncio.timeout(deadline.left()) as scope:
                while True:
                    running = await run.begin()
                    try:
                        opened = await _first(running)
                    except ProviderFailure as failure:
                        run.failed(running, failure)
                    else:
                        run.answering(running)
                        return opened
                    finally:
                        run.ended(running)
        except TimeoutError:
            if not scope.expired():
                raise
            raise deadline_passed(run.order.asked) from None


async def _fetch(running: Running) -> ChatResult:
    """One plain attempt, by whichever way is the safer one."""
    if running.streams:
        return await collect(running.provider.stream(running.call, running.timeouts))
    return await running.provider.complete(running.call, running.timeouts)


async def _first(running: Running) -> Opened:
    """One streamed attempt up to its first meaningful event (LESSONS 4).

    Raises the ``ProviderFailure`` it ends in before that; the provider's stream is closed then.
    """
    if not running.streams:
        result = await running.provider.complete(running.call, running.timeouts)
        return Opened(running, as_stream(result), None)
    source = running.provider.stream(running.call, running.timeouts)
    held: list[Chunk] = []
    answering = False
    try:
        async for batch in source:
            held = held + batch if held else batch
            answering = any(chunk.meaningful for chunk in batch)
            if answering:
                return Opened(running, held, source)
            for chunk in batch:
                running.usage = chunk.usage or running.usage
        raise StreamCut(
            f"{running.card.provider} ended its stream without an answer",
            provider=running.card.provider,
        )
    finally:
        if not answering:
            await close(source)
