"""``POST /v1/chat/completions`` and ``POST /v1/route`` in the OpenAI dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.types import Send

from shared.clock import Clock
from shared.edge.asgi import (
    HttpRequest,
    refuse_form_bodies,
    send_json,
    unless_client_leaves,
)
from shared.edge.call import Call
from shared.edge.chat_request import parse_chat_request
from shared.edge.sse_writer import SseWriter
from shared.errors import CapacityExhausted, ProviderFailure, Queued, StoreUnavailable
from shared.jobs.job import Job
from shared.jobs.queue import JobQueue
from shared.messages import ChatResult, Chunk, JsonObject
from shared.pipeline.chat import ChatPipeline, broken_stream
from shared.pipeline.context import RequestContext

CHAT_KIND = "chat"
# A queued chat is looked at again after at most this many seconds, whatever providers foretell.
FIRST_LOOK_S = 10.0
# What would only matter to the connection that ends now.
_OF_THE_STREAM = ("stream", "stream_options")


class ChatEndpoint:
    """Chat completions, whole or streamed. ``record`` writes a call down before its last byte.
    ``queue`` takes requests that found no capacity; None: nobody would do them."""

    __slots__ = ("_clock", "_pipeline", "_queue", "_record")

    def __init__(
        self,
        pipeline: ChatPipeline,
        clock: Clock,
        record: Callable[[Call], None],
        queue: JobQueue | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._record = record
        self._queue = queue

    async def completions(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Answer one chat request. Raises ``CodeexError`` until the first byte is sent.

        A request that finds no capacity within its patience ends in ``Queued`` for a client that
        can take a job.
        """
        context = await self._begin(http, call)
        request = call.request
        assert request is not None
        try:
            if request.stream:
                await unless_client_leaves(http.receive, self._stream(send, call, context))
                return
            result = await unless_client_leaves(http.receive, self._complete(call, context))
        except CapacityExhausted as full:
            if call.dialect.takes_jobs or request.options.present or _prefers_async(http):
                raise await self._queued(full, call) from None
            raise
        self._record(call)
        body = completion_object(result, context, self._clock.wall())
        await send_json(send, 200, call.headers(), body)

    async def _queued(self, full: CapacityExhausted, call: Call) -> Queued | CapacityExhausted:
        """The request as a job; ``full`` where nobody keeps or does jobs at the moment."""
        request, who = call.request, call.identity
        if self._queue is None or request is None:
            return full
        body = {name: item for name, item in request.body.items() if name not in _OF_THE_STREAM}
        try:
            job = await self._queue.submit(
                who.uid,
                CHAT_KIND,
                body,
                priority=request.options.priority,
                tier=who.tier,
                admin=who.admin,
                request_id=call.request_id,
                delay_s=min(FIRST_LOOK_S, full.retry_after or 0.0),
            )
        except StoreUnavailable:
            return full
        return Queued(
            f"every model that can serve this is at its limit: the request goes on as {job.id}; "
            f"ask GET /v1/jobs/{job.id} for the answer",
            await self._shown(self._queue, job),
        )

    async def _shown(self, queue: JobQueue, job: Job) -> JsonObject:
        try:
            return await queue.shown(job)
        except StoreUnavailable:  # it is kept all the same; only its place is not known
            return job.to_json()

    async def route(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Classification and plan of a chat request; nothing is executed."""
        context = await self._begin(http, call, default_model="auto")
        assert call.request is not None
        classification, plan = await unless_client_leaves(
            http.receive, self._pipeline.classified(call.request, context)
        )
        body: JsonObject = {
            "object": "route",
            "request_id": call.request_id,
            "classification": classification.to_json(),
            "plan": {
                "category": plan.category.value,
                "reason": plan.reason,
                "chain": plan.shown_chain(),
                "estimated_latency_ms": plan.estimated_latency_ms,
                "max_attempts": plan.max_attempts,
                "warnings": list(plan.warnings),
            },
        }
        await send_json(send, 200, call.headers(), body)

    async def _begin(
        self, http: HttpRequest, call: Call, default_model: str | None = None
    ) -> RequestContext:
        refuse_form_bodies(http)
        request = parse_chat_request(
            await http.body(), is_admin=call.identity.admin, default_model=default_model
        )
        call.request = request
        who = call.identity
        context = await self._pipeline.begin(
            request, call.request_id, call.started, who.tier, who.uid
        )
        call.context = context
        return context

    async def _complete(self, call: Call, context: RequestContext) -> ChatResult:
        assert call.request is not None
        return await self._pipeline.complete(call.request, context)

    async def _stream(self, send: Send, call: Call, context: RequestContext) -> None:
        """Deliver a stream. Errors go up; the edge knows whether the status line has left."""
        assert call.request is not None
        call.writer = writer = SseWriter(send, call.headers)
        try:
            async with aclosing(self._pipeline.stream(call.request, context)) as batches:
                last = await self._deliver(batches, writer, call, context)
        except ProviderFailure as failure:
            raise broken_stream(failure) from None
        finally:
            writer.stop()
        self._record(call)
        await writer.close(last)

    async def _deliver(
        self,
        batches: AsyncGenerator[list[Chunk], None],
        writer: SseWriter,
        call: Call,
        context: RequestContext,
    ) -> bytes:
        """Write every batch; returns the closing frames, not yet written."""
        assert call.request is not None
        created = int(self._clock.wall())
        encoder = call.dialect.encoder(f"chatcmpl-{context.request_id}", created)
        trace = context.trace
        async for chunks in batches:
            if trace.answered is not None:
                encoder.set_model(trace.answered.id)
            frames = encoder.encode(chunks)
            if frames:
                await writer.write(frames)
        return encoder.finish(trace.usage, call.request.include_usage, context.receipt())


def completion_object(result: ChatResult, context: RequestContext, created: float) -> JsonObject:
    """OpenAI's chat completion with the receipt. ``created`` in Unix seconds."""
    answered = context.trace.answered
    return {
        "id": f"chatcmpl-{context.request_id}",
        "object": "chat.completion",
        "created": int(created),
        "model": answered.id if answered is not None else "",
        "choices": list(result.choices),
        "usage": context.trace.usage.to_json(),
        "codeex": context.receipt(),
    }


def _prefers_async(http: HttpRequest) -> bool:
    """``Prefer: respond-async`` (RFC 7240, 4.1), alone or among others."""
    header = http.header(b"prefer") or ""
    wishes = (wish.partition(";")[0].strip().lower() for wish in header.split(","))
    return "respond-async" in wishes
