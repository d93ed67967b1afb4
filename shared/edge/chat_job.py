"""Queued chats: the worker's side of a request that found no capacity while its client waited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared.clock import Clock
from shared.edge.call import Call
from shared.edge.chat import completion_object
from shared.edge.chat_request import chat_request_from
from shared.edge.identity import Identity
from shared.errors import CodeexError
from shared.jobs.run import Run
from shared.messages import JsonValue
from shared.pipeline.chat import ChatPipeline

PATH = "/v1/chat/completions"
# Nobody waits at the other end: without capacity the job goes back into its queue instead.
PATIENCE_S = 2.0
# The longest deadline a request may have (contract, Chat).
DEADLINE_S = 540.0


class ChatJobHandler:
    """Runs a stored chat request through the same pipeline. ``record`` writes each run down,
    ``failed`` is told of each that ended in an error."""

    __slots__ = ("_clock", "_failed", "_pipeline", "_record")

    def __init__(
        self,
        pipeline: ChatPipeline,
        clock: Clock,
        record: Callable[[Call], None],
        failed: Callable[[Call, CodeexError], Awaitable[None]],
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._record = record
        self._failed = failed

    async def __call__(self, run: Run) -> JsonValue:
        """The completion with its receipt. Raises ``CodeexError`` as the request would have."""

        async def answer() -> JsonValue:
            return await self._answer(run)

        return await run.step("answer", answer)

    async def _answer(self, run: Run) -> JsonValue:
        job = run.job
        call = Call(
            job.request_id,
            "POST",
            PATH,
            self._clock.monotonic(),
            identity=Identity(job.uid, admin=job.admin, tier=job.tier),
        )
        request = chat_request_from(await run.payload(), is_admin=job.admin, default_model=None)
        request.options.patience_s = PATIENCE_S
        request.options.deadline_s = DEADLINE_S
        call.request = request
        try:
            context = await self._pipeline.begin(
                request, job.request_id, call.started, job.tier, job.uid
            )
            call.context = context
            result = await self._pipeline.complete(request, context)
        except CodeexError as error:
            call.status, call.code = error.status, error.code
            await self._failed(call, error)
            raise
        finally:
            self._record(call)
        return completion_object(result, context, self._clock.wall())
