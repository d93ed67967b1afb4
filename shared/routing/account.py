"""What attempts cost and what they tell, brought to the quotas that all instances share.

Every permit is settled once, by the first of its attempt's ends that is heard of: with what the
provider says it counted; with 0 tokens where it answered without working (it may count the request
all the same, as most count 429s, so none is refunded); with the estimate where nobody knows
(LESSONS 15).
"""

from __future__ import annotations

from msgspec import Struct

from shared.clock import Deadline
from shared.errors import KeyRejected, PaymentRequired, ProviderFailure, QuotaExceeded
from shared.messages import ChatRequest
from shared.model import ModelCard
from shared.permits import TOO_LARGE, Permit, Refusal
from shared.routing.cooldown import KEY_REJECTED_S, PAYMENT_S, limit_wait_s
from shared.routing.options import EXPECTED_OUTPUT
from shared.routing.ports import Line, Quotas
from shared.routing.running import Running


class Account(Struct):
    """Quotas and line of one instance, as attempts use them."""

    quotas: Quotas
    line: Line

    async def ask(
        self,
        card: ModelCard,
        request: ChatRequest,
        tokens: int,
        known: Refusal | None,
        deadline: Deadline,
    ) -> Permit | Refusal:
        """What ``take`` left open; ``known``: the refusal it gave. Raises ``StoreUnavailable``."""
        quotas = self.quotas
        found = known or await quotas.acquire(card, tokens, deadline)
        least = max(1, request.input_tokens)
        if found is TOO_LARGE and request.max_tokens is None and least < tokens:
            # How long the answer will be was a guess; a small limit is not to fail by it.
            return quotas.take(card, least) or await quotas.acquire(card, least, deadline)
        return found

    def settle(self, running: Running, tokens: int) -> None:
        """The permit's end: the first time counts."""
        permit = running.permit
        if permit is None:
            return
        running.permit = None
        self.quotas.settle(permit, tokens)
        if running.call.signals:
            self.tell_limits(running)
        if self.line.waiting:
            self.line.stir(running.card)

    def settle_unknown(self, running: Running, own_tokens: int) -> None:
        """Settle an attempt whose end nobody heard, after about ``own_tokens`` tokens of answer:
        with what the provider has told, else with what was reserved or seen, whichever is more."""
        usage, permit = running.usage, running.permit
        if usage is not None:
            self.settle(running, usage.prompt_tokens + usage.completion_tokens)
        elif permit is not None:
            seen = running.call.request.input_tokens + own_tokens
            self.settle(running, max(permit.tokens, seen))

    def tell_limits(self, running: Running) -> None:
        """What the provider said of its limits."""
        signals = running.call.signals
        for signal in signals:
            self.quotas.tighten(running.card, signal)
        signals.clear()


def tokens_of(request: ChatRequest, card: ModelCard) -> int:
    """What an attempt may take at most, as far as is known: the prompt and every answer."""
    output = request.max_tokens or EXPECTED_OUTPUT
    if card.max_output_tokens is not None and output > card.max_output_tokens:
        output = card.max_output_tokens
    return request.input_tokens + output * request.n


def close_for_all(quotas: Quotas, card: ModelCard, failure: ProviderFailure) -> None:
    """What keeps the model or provider closed here closes it on every instance, for as long (P27,
    P65)."""
    match failure:
        case QuotaExceeded():
            quotas.close_model(card, "limit", limit_wait_s(failure))
        case KeyRejected():
            quotas.close_provider(card.provider, "key", KEY_REJECTED_S)
        case PaymentRequired():
            quotas.close_provider(card.provider, "payment", PAYMENT_S)
        case _:
            pass
