"""What planning and executing cost a request: microseconds of CPU, over a provider of no latency.

Run: ``python -m bench.routing``. The catalog and rules are the real ones, all keys set. On one of
two busy cores under Python 3.11: a plan 3-6 us (made anew 29-53), ``complete`` 15 us, 0.6 us for
each batch of a stream.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine

from shared.catalog.load import load_catalog
from shared.clock import Deadline, SystemClock
from shared.config import RuntimeConfig, TimeoutConfig
from shared.limits.open_quotas import OpenQuotas
from shared.limits.waiting import WaitingLine
from shared.messages import ChatRequest, ChatResult, Chunk, JsonObject, RequestOptions, Usage
from shared.model import Category, ModelCard
from shared.providers.base import ChatProvider, EmbeddingResult, ProviderCall, Timeouts
from shared.routing.executor import Executor
from shared.routing.health import HealthBook
from shared.routing.plan import Trace
from shared.routing.router import Router

ROUNDS = 20_000
CHUNKS = 100


class Instant:
    """Answers at once."""

    name = "instant"

    def __init__(self) -> None:
        self._choices: ChatResult = ChatResult(
            [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}], Usage(5, 1)
        )
        self._batch = [Chunk(text="hi")]

    async def complete(self, call: ProviderCall, timeouts: Timeouts) -> ChatResult:
        """The same answer every time."""
        return self._choices

    async def stream(
        self, call: ProviderCall, timeouts: Timeouts
    ) -> AsyncGenerator[list[Chunk], None]:
        """A hundred chunks and an end."""
        for _ in range(CHUNKS):
            yield self._batch
        yield [Chunk(finish_reason="stop", usage=Usage(5, CHUNKS))]

    async def embed(
        self, card: ModelCard, inputs: list[str], dimensions: int | None, timeouts: Timeouts
    ) -> EmbeddingResult:
        """Nothing."""
        return EmbeddingResult([], 0)

    async def list_models(self, timeouts: Timeouts) -> list[str]:
        """Nothing."""
        return []


def ask(model: str, options: RequestOptions | None = None, stream: bool = False) -> ChatRequest:
    """A short request."""
    messages: list[JsonObject] = [{"role": "user", "content": "hi"}]
    return ChatRequest({}, model, messages, 20, stream, options=options or RequestOptions())


def measure(name: str, work: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Print the microseconds of one call, the best of five runs."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds // 5):
            work()
        best = min(best, (time.process_time() - start) / (rounds // 5))
    print(f"{name:44} {best * 1e6:8.1f} us")


def planning(router: Router, health: HealthBook, catalog_ids: list[str]) -> None:
    """Plans: kept and made anew."""
    plain, quality = ask("auto"), ask("auto", RequestOptions(prioritize="quality"))
    named = ask("groq-gpt-oss-120b")
    measure("plan, auto", lambda: router.plan(plain, Category.MEDIUM))
    measure("plan, model named", lambda: router.plan(named, Category.MEDIUM))
    measure("plan, auto by quality (never kept)", lambda: router.plan(quality, Category.MEDIUM))

    def changed() -> None:
        health.version += 1
        router.plan(plain, Category.MEDIUM)

    def changed_named() -> None:
        health.version += 1
        router.plan(named, Category.MEDIUM)

    measure("plan, auto, health just changed", changed)
    measure("plan, model named, health just changed", changed_named)
    print(f"{'models in the catalog':44} {len(catalog_ids):8}")


def executing(router: Router, executor: Executor, clock: SystemClock) -> None:
    """Whole answers and streams from a provider that answers at once."""
    loop = asyncio.new_event_loop()
    request = ask("groq-gpt-oss-120b")
    streamed = ask("groq-gpt-oss-120b", stream=True)
    plan = router.plan(request, Category.MEDIUM)

    async def complete(times: int) -> None:
        for _ in range(times):
            await executor.complete(plan, request, Deadline.after(clock, 50), Trace())

    async def stream(times: int) -> None:
        for _ in range(times):
            deadline = Deadline.after(clock, 300)
            async for _batch in executor.stream(plan, streamed, deadline, Trace()):
                pass

    async def bare(times: int) -> None:
        provider = Instant()
        call = ProviderCall(plan.chain[0].card, request)
        for _ in range(times):
            async for _batch in provider.stream(call, Timeouts(4, 6, 50)):
                pass

    def run(name: str, work: Callable[[int], Coroutine[None, None, None]], times: int) -> None:
        best = float("inf")
        for _ in range(5):
            start = time.process_time()
            loop.run_until_complete(work(times))
            best = min(best, (time.process_time() - start) / times)
        print(f"{name:44} {best * 1e6:8.1f} us")

    run("complete", complete, 4000)
    run(f"stream of {CHUNKS} batches", stream, 400)
    run("the same without the executor", bare, 400)
    loop.close()


def main() -> None:
    """Print every figure."""
    clock = SystemClock()
    catalog, rules = load_catalog(clock, RuntimeConfig())
    health = HealthBook(clock)
    quotas, line = OpenQuotas(), WaitingLine(clock)
    config = TimeoutConfig()
    instant: ChatProvider = Instant()
    router = Router(catalog, rules, health, quotas, lambda _: True, lambda _: False, clock)
    executor = Executor(
        lambda _: instant, health, quotas, line, clock, random.Random(1), lambda: config
    )
    planning(router, health, [card.id for card in catalog.all()])
    executing(router, executor, clock)


if __name__ == "__main__":
    main()
