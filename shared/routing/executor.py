"""Plan -> answer: ask one model after another until one answers or the deadline comes (R5).

Each step is small and stands elsewhere: who is next (``ordering``), what an attempt may take
(``attempt``), what is written down (``run``), what a client is told at the end (``endings``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TypeVar

from shared.clock import Clock, Deadline
from shared.config import TimeoutConfig
from shared.errors import ProviderFailure, Refused, Retry
from shared.messages import ChatRequest, ChatResult, Chunk, Usage
from shared.providers.base import ChatProvider
from shared.routing.account import Account
from shared.routing.attempt import AttemptClocks
from shared.routing.backoff import Backoff
from shared.routing.endings import deadline_passed, final_answer
from shared.routing.health import HealthBook
from shared.routing.opening import Opened, close, fetch, open_stream
from shared.routing.plan import Plan, Trace
from shared.routing.ports import Gate, Line, Quotas
from shared.routing.release import Released
from shared.routing.rescue import go_on
from shared.routing.run import Parts, Run
from shared.routing.running import Running

T = TypeVar("T")


class Executor:
    """Runs plans. One for an instance; every request has a ``Run`` of its own."""

    __slots__ = ("_parts",)

    def __init__(
        self,
        providers: Callable[[str], ChatProvider | None],
        health: HealthBook,
        quotas: Quotas,
        line: Line,
        clock: Clock,
        rng: random.Random,
        timeouts: Callable[[], TimeoutConfig],
    ) -> None:
        self._parts = Parts(
            providers, health, Account(quotas, line), clock, AttemptClocks(timeouts), Backoff(rng)
        )

    async def complete(
        self, plan: Plan, request: ChatRequest, deadline: Deadline, trace: Trace
    ) -> ChatResult:
        """A whole answer from the first model of the plan that gives one.

        Raises a ``CodeexError`` by the deadline (plus 250 ms at most, P73). Cancelling the task
        aborts the provider call at once.
        """
        run = Run(self._parts, plan, request, deadline, trace)
        return await self._timed(run, self._fetched(run))

    async def stream(
        self,
        plan: Plan,
        request: ChatRequest,
        deadline: Deadline,
        trace: Trace,
        gate: Gate | None = None,
    ) -> AsyncGenerator[list[Chunk], None]:
        """An answer in batches of chunks.

        The first batch comes with the first meaningful event; until then failures fall back
        unseen and a ``CodeexError`` ends the request. A stream that breaks afterwards is continued
        by another model where one can (``rescue``), else its ``ProviderFailure`` is raised; the
        deadline raises ``DeadlineExceeded``. Closing the generator or cancelling the task aborts
        the provider call at once.

        A ``gate`` decides what leaves and when, and may end the request. Only what has left counts
        in a rescue: what it holds back is asked of another model unseen.
        """
        run = Run(self._parts, plan, request, deadline, trace)
        released = Released(request)
        opened: Opened | None = await self._open(run)
        now = self._parts.clock.monotonic
        while opened is not None:
            running, batch, source = opened.running, opened.first, opened.source
            opened, ungated = None, source
            released.begin()
            if gate is not None:
                source, batch = gate.through(batch, source, quiet=released.quiet), []
            try:
                while True:
                    for chunk in batch:
                        if chunk.usage is not None:
                            running.usage = chunk.usage
                    out = released.take(batch)
                    if gate is not None:
                        out = gate.filtered(out)
                    if out:
                        yield out
                    if source is None:
                        break
                    if now() > deadline.at:
                        raise deadline_passed(run.order.asked)
                    try:
                        batch = await anext(source)
                    except StopAsyncIteration:
                        break
                    except ProviderFailure as failure:
                        await close(source)
                        if released.finished:
                            break
                        opened = await self._mended(run, running, failure, released, gate)
                        break
                if opened is None:
                    out = released.rest()
                    if gate is not None:
                        out = gate.filtered(out, last=True)
                    if out:
                        yield out
                    usage = running.usage
                    if usage is None:
                        tokens = released.own_tokens()
                        usage = Usage(request.input_tokens, tokens, estimated=True)
                    run.answered(running, usage)
            finally:
                if running.delivering:
                    run.left_alone(running, _own_tokens(running, released, gate))
                await close(source)
                if gate is not None:
                    # A passage that nobody began to read has not taken over its source.
                    await close(ungated)

    async def _mended(
        self,
        run: Run,
        running: Running,
        failure: ProviderFailure,
        released: Released,
        gate: Gate | None,
    ) -> Opened:
        """The stream to go on with after ``failure`` broke one that had begun (R23.4).

        Raises ``failure`` where text has left and nobody can continue it, else the request's end.
        """
        if isinstance(failure, Refused) and released.began:
            # After text a refusal is the answer's end (contract, Errors: content_filter).
            tokens = _own_tokens(running, released, gate)
            running.usage = running.usage or Usage(run.request.input_tokens, tokens, estimated=True)
            return Opened(running, [Chunk(finish_reason="content_filter")], None)
        its_own_doing = run.broken(running, failure, _own_tokens(running, released, gate))
        if not its_own_doing:
            raise deadline_passed(run.order.asked) from None
        run.trace.answered = None
        if not released.began:
            if failure.retry is Retry.NONE:
                raise final_answer(failure)
            return await self._open(run)
        if not released.may_go_on or failure.retry is Retry.NONE:
            raise failure
        released.quiet = True
        text = released.text
        if not text:
            return await self._open(run)
        released.continued = True
        opened = await self._timed(run, go_on(run, text))
        if opened is None:
            raise failure
        run.trace.warnings.append(
            f"{running.card.id} broke off ({failure.outcome}); "
            f"{opened.running.card.id} finished the answer"
        )
        return opened

    async def _open(self, run: Run) -> Opened:
        """Fall back until a model shows that it answers."""
        return await self._timed(run, self._opened(run))

    async def _opened(self, run: Run) -> Opened:
        while True:
            running = await run.begin()
            try:
                opened = await open_stream(running)
            except ProviderFailure as failure:
                run.failed(running, failure)
            else:
                run.answering(running)
                return opened
            finally:
                run.ended(running)

    async def _fetched(self, run: Run) -> ChatResult:
        while True:
            running = await run.begin()
            try:
                result = await fetch(running)
            except ProviderFailure as failure:
                run.failed(running, failure)
            else:
                run.answered(running, result.usage, result.upstream_model)
                return result
            finally:
                run.ended(running)

    async def _timed(self, run: Run, work: Coroutine[None, None, T]) -> T:
        """``work``, ended by the deadline whatever the providers do (P73)."""
        try:
            async with asyncio.timeout(run.deadline.left()) as scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            raise deadline_passed(run.order.asked) from None


def _own_tokens(running: Running, released: Released, gate: Gate | None) -> int:
    """Estimated tokens of the stream under way, those that a gate holds back included."""
    if gate is None:
        return released.own_tokens()
    running.usage = running.usage or gate.usage
    return gate.own_tokens()
