"""Writes a finished call down: one log line, and the figures of the instance."""

from __future__ import annotations

from shared.clock import Clock
from shared.edge.call import Call
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog
from shared.telemetry.record import RequestRecord, user_hash

CANCELLED = 499
# Pseudonyms are kept for this many users: hashing costs as much as the rest of the line.
MAX_PSEUDONYMS = 4096


class Recorder:
    """Records calls of one function. ``salt`` makes the pseudonyms of users this project's own."""

    __slots__ = ("_clock", "_counters", "_function", "_log", "_pseudonyms", "_salt")

    def __init__(
        self, function: str, log: JsonLog, counters: Counters, clock: Clock, salt: bytes
    ) -> None:
        self._function = function
        self._log = log
        self._counters = counters
        self._clock = clock
        self._salt = salt
        self._pseudonyms: dict[str, str] = {}

    def record(self, call: Call) -> None:
        """Write the call's line and count it, once."""
        if call.recorded:
            return
        call.recorded = True
        record = RequestRecord(
            request_id=call.request_id,
            function=self._function,
            path=call.path[:200],
            status=call.status,
            code=call.code or "",
            user_hash=self._pseudonym(call.identity.uid),
            cancelled=call.status == CANCELLED,
        )
        if call.context is not None:
            self._add_routing(record, call)
            self._count(call)
        else:
            total = (self._clock.monotonic() - call.started) * 1000
            record.timings_ms = {"total": round(total, 2)}
        self._log.request(record)

    def _count(self, call: Call) -> None:
        context = call.context
        if context is None:
            return
        plan, found = context.plan, context.classification
        if found is not None and plan is not None and not plan.named:
            self._counters.note(f"classified_{found.source}")
        for name, times in context.safety.figures().items() if context.safety.used else ():
            self._counters.note(name, times)
        if not context.trace.attempts:
            return
        self._counters.record(
            plan.category.value if plan is not None else "",
            context.trace.attempts,
            primary=plan.chain[0].card.id if plan is not None and plan.chain else "",
            usage=context.trace.usage,
        )

    def _pseudonym(self, uid: str) -> str:
        if not uid:
            return ""
        known = self._pseudonyms.get(uid)
        if known is None:
            if len(self._pseudonyms) >= MAX_PSEUDONYMS:
                self._pseudonyms.clear()
            known = self._pseudonyms[uid] = user_hash(uid, self._salt)
        return known

    def crash(self, call: Call, error: BaseException) -> None:
        """A fault of ours, with its stack trace, under the request's id."""
        fields = {"request_id": call.request_id, "function": self._function}
        self._log.error("unhandled error", dict(fields), error)

    def _add_routing(self, record: RequestRecord, call: Call) -> None:
        context = call.context
        assert context is not None
        trace, plan, classification = context.trace, context.plan, context.classification
        if classification is not None:
            record.category = classification.category.value
            record.confidence = classification.confidence
            record.classification_source = classification.source
        if plan is not None:
            record.routing_reason = plan.reason
            record.chain = [candidate.card.id for candidate in plan.chain]
        record.attempts = trace.attempts
        if context.safety.used:
            record.guard = context.safety.word
        record.warnings = context.warnings()
        record.timings_ms = context.timings_ms()
        record.stream = call.request is not None and call.request.stream
        record.prompt_tokens = trace.usage.prompt_tokens
        record.completion_tokens = trace.usage.completion_tokens
        if trace.answered is not None:
            record.model, record.provider = trace.answered.id, trace.answered.provider
