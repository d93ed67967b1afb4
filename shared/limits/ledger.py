"""Provider quotas across instances: nobody sends a request without a permit (R6, R14, P70).

Settled leases: an instance takes a few permits at once out of its provider's quota document,
hands them out without asking anybody, and tells with the next write what became of them. A permit
counts from the moment it is granted until 60 s after its request can have reached the provider,
whatever happens in between, so no interleaving, crash or lost answer exceeds a limit.

    permit = ledger.take(card, tokens) or await ledger.acquire(card, tokens, deadline)
    if isinstance(permit, Refusal): ...   # full until ``permit.until``
    ... the call ...
    ledger.settle(permit, tokens_used)    # or ledger.refund(permit)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

from shared.clock import Clock, Deadline
from shared.errors import StoreUnavailable
from shared.limits.ledger_book import ProviderBook
from shared.limits.ledger_report import Used
from shared.limits.quota_alerts import QuotaAlert
from shared.limits.quota_documents import QuotaDocuments
from shared.limits.quota_limits import CardLimits
from shared.limits.quota_state import PROVIDER
from shared.messages import JsonObject, JsonValue
from shared.model import ModelCard
from shared.permits import Permit, Refusal
from shared.providers.base import LimitSignal

# The share of each limit that bulk work (batches, document chunks) leaves to interactive requests
# (LESSONS, Quotas).
FLOOR = 0.2
# No closure outlasts this (seconds): whatever closed it has to be seen again (LESSONS 12).
LONGEST_CLOSURE_S = 24 * 3600.0

__all__ = ["Permit", "QuotaAlert", "QuotaLedger", "Refusal"]


class QuotaLedger:
    """The permits of all providers at one instance.

    Belongs to one event loop. ``limits_of`` is asked for every permit and must be quick; the same
    object for a card means the same limits (``QuotaLimits.of``). ``instance_id`` is new with every
    process. A card without any limit gets permits that nothing counts.
    """

    __slots__ = (
        "_alerts",
        "_books",
        "_clock",
        "_documents",
        "_floor",
        "_instance_id",
        "_limits_of",
        "_rng",
        "in_pairs",
    )

    def __init__(
        self,
        documents: QuotaDocuments,
        limits_of: Callable[[ModelCard], CardLimits],
        clock: Clock,
        instance_id: str,
        rng: random.Random,
        *,
        floor: float = FLOOR,
    ) -> None:
        self._documents = documents
        self._limits_of = limits_of
        self._clock = clock
        self._instance_id = instance_id
        self._rng = rng
        self._floor = floor
        self._books: dict[str, ProviderBook] = {}
        self._alerts: list[QuotaAlert] = []
        # Models that are asked twice for each request (guards: before it and about its answer), by
        # id. Their leases are for both, which saves a write wherever requests are seldom.
        self.in_pairs: set[str] = set()

    # ------------------------------------------------------------------------------- permits

    def take(
        self, card: ModelCard, tokens: int, *, characters: int = 0, bulk: bool = False
    ) -> Permit | Refusal | None:
        """A permit for one request now, from what is held; or the refusal that is known already.
        None: neither is known, ``acquire`` asks the store.

        ``tokens``: what the request may take at most, prompt and answer; ``characters``: of
        speech. ``bulk``: batches and document chunks, which leave a floor untouched.
        """
        limits = self._limits_of(card)
        if limits.unlimited:
            return Permit(card.provider, card.id, tokens, characters)
        book = self._books.get(card.provider)
        if book is None:
            book = self._open(card.provider)
        return book.take(card, limits, tokens, characters, bulk)

    async def acquire(
        self,
        card: ModelCard,
        tokens: int,
        deadline: Deadline,
        *,
        characters: int = 0,
        bulk: bool = False,
    ) -> Permit | Refusal:
        """What ``take`` left open, by the store: at most 300 ms (2 s where the
        store was never reached before), and never past the deadline.

        Raises ``StoreUnavailable`` where the store does not answer and no permit is held.
        """
        limits = self._limits_of(card)
        if limits.unlimited:
            return Permit(card.provider, card.id, tokens, characters)
        book = self._books.get(card.provider) or self._open(card.provider)
        return await book.acquire(card, limits, tokens, characters, bulk, deadline)

    def settle(self, permit: Permit, tokens_used: int) -> None:
        """The request took so many tokens, prompt and answer. Once; later calls change nothing."""
        book = self._books.get(permit.provider)
        if book is not None:
            book.settle(permit, tokens_used)

    def refund(self, permit: Permit) -> None:
        """The provider surely never saw the request (LESSONS 15): only then nothing is counted."""
        book = self._books.get(permit.provider)
        if book is not None:
            book.refund(permit)

    async def flush(self) -> None:
        """Settle what was used and give back what is held, at every provider: for SIGTERM.

        Raises ``StoreUnavailable`` after all were tried; what was not given back then counts as
        used until its lease has ended and 60 s more.
        """
        books = list(self._books.values())
        results = await asyncio.gather(*(book.flush() for book in books), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    # -------------------------------------------------------------------------- what is told

    def close_provider(self, provider: str, reason: str, seconds: float) -> None:
        """Nobody may ask the provider for so long (R5.5): here at once, on other instances with
        their next look at its document, at most 5 s later. ``reason``: one word (``key``)."""
        book = self._books.get(provider) or self._open(provider)
        book.close(PROVIDER, reason, min(seconds, LONGEST_CLOSURE_S))

    def close_model(self, card: ModelCard, reason: str, seconds: float) -> None:
        """The same for one model (a cooldown after a 429)."""
        book = self._books.get(card.provider) or self._open(card.provider)
        book.close(card.id, reason, min(seconds, LONGEST_CLOSURE_S))

    def reopen(self, card: ModelCard) -> None:
        """The model has answered: nothing closes it or its provider any more."""
        book = self._books.get(card.provider)
        if book is not None:
            for name in (PROVIDER, card.id):
                if book.closed(name) is not None:
                    book.reopen(name)

    def tighten(self, card: ModelCard, signal: LimitSignal) -> None:
        """What a header or an error body told of the model's limits; it never loosens them."""
        book = self._books.get(card.provider)
        limits = self._limits_of(card)
        if book is not None and not limits.unlimited:
            book.tighten(card, limits, signal)

    def alerts(self) -> list[QuotaAlert]:
        """Limits that have passed 80 % since the last call, each crossing once over all instances
        (R6.10)."""
        found, self._alerts = self._alerts, []
        return found

    # ----------------------------------------------------------------------------- questions

    def closed(self, card: ModelCard) -> Refusal | None:
        """Why the card may not be asked now: its own closure or its provider's."""
        book = self._books.get(card.provider)
        return None if book is None else book.closed(card.id)

    def provider_closed(self, provider: str) -> bool:
        """Whether none of the provider's models may be asked now."""
        book = self._books.get(provider)
        return book is not None and book.provider_closed

    def utilization(self, card: ModelCard) -> float:
        """Used share of the tightest limit that binds the card, in [0, 1] (R6.9, P34)."""
        limits = self._limits_of(card)
        if limits.unlimited:
            return 0.0
        book = self._books.get(card.provider)
        if book is None:
            book = self._open(card.provider)
        return book.utilization(card, limits)

    def used(self, card: ModelCard) -> Used:
        """Requests and tokens of a model, as far as this instance knows (P28, P29)."""
        book = self._books.get(card.provider) or self._open(card.provider)
        return book.used(card.id)

    def used_by_provider(self, provider: str) -> Used:
        """Requests and tokens of all models of a provider."""
        book = self._books.get(provider) or self._open(provider)
        return book.used(PROVIDER)

    async def snapshot(self, cards: Iterable[ModelCard]) -> list[JsonObject]:
        """A row for each provider and card that has a limit, from documents read anew.

        Where the store does not answer, the rows show what was last known and say ``stale``.
        """
        shown = [card for card in cards if not self._limits_of(card).unlimited]
        books = {
            name: self._books.get(name) or self._open(name)
            for name in dict.fromkeys(card.provider for card in shown)
        }
        results = await asyncio.gather(
            *(book.refresh() for book in books.values()), return_exceptions=True
        )
        stale: dict[str, bool] = {}
        for name, result in zip(books, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, StoreUnavailable):
                raise result
            stale[name] = result is not None
        rows: list[JsonObject] = []
        for name, book in books.items():
            own = [card for card in shown if card.provider == name]
            scopes = [(PROVIDER, self._limits_of(own[0]).provider)]
            scopes += [(card.id, self._limits_of(card).model) for card in own]
            told: dict[str, JsonValue] = {"stale": stale[name]}
            rows += [{**book.report(scope, limits), **told} for scope, limits in scopes]
        return rows

    # -------------------------------------------------------------------------------- inside

    def _open(self, provider: str) -> ProviderBook:
        book = self._books[provider] = ProviderBook(
            provider,
            self._documents,
            self._clock,
            self._instance_id,
            self._rng,
            self._floor,
            self._alerts_append,
            self.in_pairs,
        )
        return book

    def _alerts_append(self, alert: QuotaAlert) -> None:
        self._alerts.append(alert)
