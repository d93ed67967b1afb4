"""One request on its way through a plan: who is asked, what came of it, what is written down."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from shared.clock import Clock, Deadline
from shared.errors import (
    CapacityExhausted,
    CodeexError,
    FirstByteTimeout,
    ProviderFailure,
    Retry,
    StoreUnavailable,
    StreamCut,
    StreamStalled,
)
from shared.messages import Attempt, ChatRequest, Usage
from shared.model import ModelCard
from shared.permits import ARRIVAL_S, TOO_LARGE, Permit, Place, Refusal
from shared.providers.base import ChatProvider, ProviderCall
from shared.routing.account import Account, close_for_all, tokens_of
from shared.routing.attempt import RESERVE_S, AttemptClocks
from shared.routing.backoff import Backoff
from shared.routing.endings import (
    DETAIL_LENGTH,
    chain_ended,
    deadline_passed,
    final_answer,
    safe_text,
)
from shared.routing.health import HealthBook
from shared.routing.ordering import Order
from shared.routing.plan import Plan, Trace
from shared.routing.running import Running

# R5.9: more attempts beyond the first than this is a warning.
DEEP = 3
# A silent store costs one request this long in all (s); then only permits that are held serve.
STORE_PATIENCE_S = 0.6
# A clock's grain: a wait is never shorter, so that a moment just reached is really past.
GRAIN_S = 0.001
# Silence and cuts this close to the deadline are the deadline's doing, not the model's.
DEADLINE_SLACK_S = 0.05


class Parts(Struct):
    """What the executor is made of; shared by all requests of an instance."""

    providers: Callable[[str], ChatProvider | None]
    health: HealthBook
    account: Account
    clock: Clock
    clocks: AttemptClocks
    backoff: Backoff


class Run:
    """The state of one request; ``trace`` is what others see of it."""

    __slots__ = (
        "deadline",
        "order",
        "parts",
        "place",
        "plan",
        "request",
        "started",
        "store",
        "store_s",
        "trace",
    )

    def __init__(
        self, parts: Parts, plan: Plan, request: ChatRequest, deadline: Deadline, trace: Trace
    ) -> None:
        self.parts = parts
        self.plan = plan
        self.request = request
        self.deadline = deadline
        self.trace = trace
        self.order = Order(plan, parts.health, parts.backoff, request.options.patience_s)
        self.started = parts.clock.monotonic()
        trace.warnings.extend(plan.warnings)
        # Its place in the line, kept from one wait to the next.
        self.place: Place | None = None
        # The store was in the way of a permit, and was waited for so long.
        self.store: StoreUnavailable | None = None
        self.store_s = 0.0

    # -------------------------------------------------------------------------------- begin

    async def begin(self) -> Running:
        """The next attempt, after whatever has to be waited for.

        Raises the request's end: ``DeadlineExceeded``, ``CapacityExhausted``, ``ProviderError``,
        ``AllModelsFailed``, ``StoreUnavailable`` or ``InvalidRequest``.
        """
        served = False
        try:
            running = await self._next()
            served = True
            return running
        finally:
            if self.place is not None:
                self.parts.account.line.leave(self.place, served=served)

    async def _next(self) -> Running:
        parts, order = self.parts, self.order
        now = parts.clock.monotonic()
        while True:
            minimum = parts.clocks.minimum()
            if self.deadline.at - now < minimum:
                raise deadline_passed(order.asked)
            if self.plan.waits_for_head:
                back = order.head_returns_at()
                if back is not None and back > now and await self._wait(back, now, head=True):
                    now = parts.clock.monotonic()
                    continue
            place = order.next(now)
            if place is None:
                back = order.returns_at()
                if back is None or not await self._wait(back, now, head=False):
                    raise self._nobody(now)
                now = parts.clock.monotonic()
                continue
            running = await self._take(place, now)
            if running is not None:
                return running
            now = parts.clock.monotonic()
            if self.deadline.at - now < minimum:
                raise deadline_passed(order.asked)

    async def begin_at_once(self, fitting: Callable[[ModelCard], bool]) -> Running | None:
        """The next attempt at a model that is ``fitting`` and may be asked now; None: there is
        none, or no time left for it."""
        clock = self.parts.clock
        while True:
            now = clock.monotonic()
            if self.deadline.at - now < self.parts.clocks.minimum():
                return None
            place = self.order.next(now, fitting)
            if place is None:
                return None
            running = await self._take(place, now)
            if running is not None:
                return running

    async def _take(self, place: int, now: float) -> Running | None:
        """An attempt there, after the provider's backoff; None: not to be asked after all."""
        parts, order = self.parts, self.order
        card = self.plan.chain[place].card
        provider = parts.providers(card.provider)
        if provider is None:
            order.ban(place)
            return None
        if parts.account.line.waiting:
            before = parts.account.line.ahead(card, self.request.options.priority, self.place)
            if before is not None:
                order.stand_back(place, *before, now)
                return None
        pause = order.pause(place, now) if order.failures else 0.0
        if pause > 0.0:
            left = self.deadline.at - now - parts.clocks.minimum()
            if pause > left:
                await parts.clock.sleep(max(0.0, left) + GRAIN_S)
                return None
            await parts.clock.sleep(pause)
            now = parts.clock.monotonic()
        if not parts.health.try_acquire(card):
            return None
        tokens = tokens_of(self.request, card)
        found = parts.account.quotas.take(card, tokens)
        if found is None or found is TOO_LARGE:
            found = await self._ask(place, card, tokens, found)
            now = parts.clock.monotonic()
        if isinstance(found, Permit):
            return self._running(place, card, provider, now, found)
        parts.health.release(card)
        if found is not None:
            order.refuse(place, found, now)
        return None

    async def _ask(
        self, place: int, card: ModelCard, tokens: int, known: Refusal | None
    ) -> Permit | Refusal | None:
        """What the store says; None: it is in the way."""
        parts, answered, asked = self.parts, False, self.parts.clock.monotonic()
        try:
            if known is None and self.store is not None and self.store_s >= STORE_PATIENCE_S:
                raise self.store
            found = await parts.account.ask(card, self.request, tokens, known, self.deadline)
            answered = True
            return found
        except StoreUnavailable as error:
            answered = True
            self.store = error
            self.store_s += parts.clock.monotonic() - asked
            self.order.ban(place)
            return None
        finally:
            if not answered:
                parts.health.release(card)

    def _nobody(self, now: float) -> CodeexError:
        """The end of a request for which nobody is left."""
        if self.store is not None:
            return self.store
        error = chain_ended(self.plan, self.order, self.parts.health, now)
        if isinstance(error, CapacityExhausted) and error.retry_after is not None:
            self.parts.account.line.exhausted(now + error.retry_after)
        return error

    async def _wait(self, until: float, now: float, *, head: bool) -> bool:
        """Wait in line for a return within the request's patience and deadline; False: too far
        off. ``head``: for the model the client named, before any other is asked."""
        parts, order, options = self.parts, self.order, self.request.options
        wait = max(GRAIN_S, until - now)
        patience = options.patience_s - order.waited_s
        left = self.deadline.at - now - parts.clocks.minimum()
        if wait >= patience or wait > left:
            wait = min(patience, left - GRAIN_S)
            if head or wait < GRAIN_S or not order.may_return_early(now):
                return False
        place = parts.account.line.join(options.priority, order.awaited(head), self.place)
        self.place = place
        if await parts.account.line.wait(place, wait):
            order.look_again()
        order.waited_s += parts.clock.monotonic() - now
        self.trace.waited_ms = round(order.waited_s * 1000)
        return True

    def _running(
        self, place: int, card: ModelCard, provider: ChatProvider, now: float, permit: Permit
    ) -> Running:
        request, clocks = self.request, self.parts.clocks
        self.order.start(place)
        streams = clocks.streams(request, card)
        earlier = self.order.first_bytes.get(place, 0.0)
        timeouts = clocks.timeouts(request, card, streams, self.deadline.at - now, earlier)
        if permit.open and timeouts.connect > ARRIVAL_S:
            # A connection that comes later than the permit reckons with is not used.
            timeouts.connect = ARRIVAL_S
        call = ProviderCall(card, request)
        return Running(place, card, provider, call, timeouts, streams, now, permit)

    # ------------------------------------------------------------------------------ results

    def answering(self, running: Running) -> None:
        """The first token of a stream has come: the model is well, and will be the answer."""
        now = self.parts.clock.monotonic()
        latency_ms = (now - running.started) * 1000.0
        health = self.parts.health
        standing = health.version
        health.record_first_token(running.card, latency_ms)
        if health.version != standing:
            self._well_again(running.card, now)
        running.open = False
        running.delivering = True
        if running.call.signals:
            self.parts.account.tell_limits(running)
        self._write(running, "ok", latency_ms)
        self._chosen(running)
        if self.trace.first_token_ms is None:
            self.trace.first_token_ms = round((now - self.started) * 1000.0)

    def answered(self, running: Running, usage: Usage, upstream_model: str = "") -> None:
        """The whole answer has come; ``usage`` is what it took."""
        now = self.parts.clock.monotonic()
        latency_ms = (now - running.started) * 1000.0
        began = running.line is not None
        health = self.parts.health
        standing = health.version
        health.record_success(running.card, None if began else latency_ms)
        if health.version != standing:
            self._well_again(running.card, now)
        if running.line is None:
            running.open = False
            self._write(running, "ok", latency_ms)
            self._chosen(running)
        else:
            running.delivering = False
            running.line.latency_ms = round(latency_ms)
        self.trace.upstream_model = upstream_model
        self._spent(running, usage)

    def failed(self, running: Running, failure: ProviderFailure) -> None:
        """The attempt failed. Raises the request's end where nothing else may be asked."""
        self.noted(running, failure)
        if failure.retry is Retry.NONE:
            raise final_answer(failure)

    def noted(self, running: Running, failure: ProviderFailure) -> None:
        """The attempt failed before anything of it left: write it down everywhere."""
        parts = self.parts
        now = parts.clock.monotonic()
        latency_ms = (now - running.started) * 1000.0
        if self._deadline_did_it(failure, now):
            parts.health.release(running.card)
        else:
            parts.health.record_failure(running.card, failure, latency_ms)
            close_for_all(self.parts.account.quotas, running.card, failure)
        running.open = False
        self.order.failed(running.place, failure, running.timeouts.first_byte, now)
        self._write(running, failure.outcome, latency_ms, safe_text(failure.message, DETAIL_LENGTH))
        if running.usage is not None:
            self._spent(running, running.usage)
        elif failure.may_have_spent:
            self.parts.account.settle_unknown(running, 0)
        else:
            # It answered, so it may count the request (most do, 429s included), but no tokens.
            self.parts.account.settle(running, 0)

    def diverged(self, running: Running) -> None:
        """It answers, but not with the text that has already left: of no use, though well."""
        running.open = False
        self.parts.health.record_first_token(running.card, self._ms(running))
        self.parts.health.release(running.card)
        self.order.ban(running.place)
        self._write(running, "diverged", self._ms(running), "began with other words")
        if running.usage is not None:
            self._spent(running, running.usage)
        else:
            self.parts.account.settle_unknown(running, 0)

    def ended(self, running: Running) -> None:
        """Whatever happened, nothing of the attempt stays behind (the client may have left)."""
        if not running.open:
            return
        running.open = False
        self.parts.health.release(running.card)
        now = self.parts.clock.monotonic()
        outcome = "timeout" if now >= self.deadline.at else "cancelled"
        self._write(running, outcome, (now - running.started) * 1000.0)
        self.parts.account.settle_unknown(running, 0)

    def broken(self, running: Running, failure: ProviderFailure, own_tokens: int) -> bool:
        """A stream that had begun broke, after text of about ``own_tokens`` tokens had left.

        False: only because the deadline has come, which says nothing of the model.
        """
        now = self.parts.clock.monotonic()
        its_own_doing = not self._deadline_did_it(failure, now)
        if its_own_doing:
            self.parts.health.record_failure(running.card, failure, self._ms(running))
            close_for_all(self.parts.account.quotas, running.card, failure)
        self.order.failed(running.place, failure, 0.0, now)
        detail = safe_text(failure.message, DETAIL_LENGTH)
        self._write(running, failure.outcome, self._ms(running), detail)
        running.delivering = False
        # What it wrote after its last sign nobody knows: the permit's estimate at least.
        self.parts.account.settle_unknown(running, own_tokens)
        usage = running.usage
        if usage is None and own_tokens:
            usage = Usage(self.request.input_tokens, own_tokens, estimated=True)
        if usage is not None:
            self._spent(running, usage)
        return its_own_doing

    def left_alone(self, running: Running, own_tokens: int) -> None:
        """A stream that was being delivered is closed before its end, after text of about
        ``own_tokens`` tokens: the client left, or the deadline came."""
        running.delivering = False
        late = self.parts.clock.monotonic() >= self.deadline.at
        self._write(running, "timeout" if late else "cancelled", self._ms(running))
        self.parts.account.settle_unknown(running, own_tokens)

    # ------------------------------------------------------------------------------- inside

    def _ms(self, running: Running) -> float:
        return (self.parts.clock.monotonic() - running.started) * 1000.0

    def _write(self, running: Running, outcome: str, latency_ms: float, detail: str = "") -> None:
        line = running.line
        if line is None:
            card = running.card
            running.line = line = Attempt(card.id, card.provider, outcome, round(latency_ms))
            self.trace.attempts.append(line)
        line.outcome = outcome
        line.latency_ms = round(latency_ms)
        line.detail = detail

    def _chosen(self, running: Running) -> None:
        trace, card = self.trace, running.card
        trace.answered = card
        if running.place and self.plan.named:
            head = self.plan.chain[0].card
            failure = self.order.failures.get(0)
            why = failure.outcome if failure is not None else "not to be asked right now"
            trace.warnings.append(f"{head.id} did not answer ({why}); {card.id} did")
        if trace.depth > DEEP:
            trace.warnings.append(f"it took {len(trace.attempts)} attempts to get this answer")

    def _spent(self, running: Running, usage: Usage) -> None:
        """Sum up what was really spent, here and in the counters."""
        self.trace.usage.add(usage)
        if running.line is not None:
            running.line.usage = usage
        self.parts.account.settle(running, usage.prompt_tokens + usage.completion_tokens)

    def _well_again(self, card: ModelCard, now: float) -> None:
        """A trial has ended well. What a call brings that began before a closure lifts nothing."""
        if self.parts.health.available_at(card) <= now:
            self.parts.account.quotas.reopen(card)

    def _deadline_did_it(self, failure: ProviderFailure, now: float) -> bool:
        """Whether the attempt was cut short by the request's own end: no word on the model."""
        return (
            isinstance(failure, FirstByteTimeout | StreamStalled | StreamCut)
            and self.deadline.at - now <= RESERVE_S + DEADLINE_SLACK_S
        )
