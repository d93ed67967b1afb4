"""What routing needs of its neighbours, in its own words: it depends on these shapes alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol

from shared.clock import Deadline
from shared.config import Rule
from shared.messages import Chunk, Usage
from shared.model import Category, Lifecycle, ModelCard
from shared.permits import Permit, Place, Refusal
from shared.providers.base import LimitSignal


class ResolutionView(Protocol):
    """Where a model's lifecycle leads today (R11)."""

    @property
    def card(self) -> ModelCard | None:
        """The living model to ask; None when the way ends without one."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What the client should know: replaced, rerouted, going away."""
        ...


class CatalogView(Protocol):
    """The catalog as routing reads it."""

    def get(self, model_id: str, /) -> ModelCard | None:
        """The card of that id, dead or alive."""
        ...

    def find(self, name: str, /) -> tuple[ModelCard, ...]:
        """The cards that a catalog id or a provider's own id means."""
        ...

    def status(self, card: ModelCard, /) -> Lifecycle:
        """Its status today."""
        ...

    def resolve(self, card: ModelCard, /) -> ResolutionView:
        """The first living model on its way of replacements."""
        ...

    def enabled(self, card: ModelCard, /) -> bool:
        """False where an administrator switched the model off."""
        ...

    def all(self) -> Iterable[ModelCard]:
        """Every card."""
        ...


class RuleSource(Protocol):
    """The rule of each category."""

    def rule(self, category: Category, /) -> Rule:
        """The rule in force now."""
        ...


class Utilization(Protocol):
    """How much of its limits a model has used, and whether it may be asked at all."""

    def utilization(self, card: ModelCard, /) -> float:
        """In [0, 1]; 1 is full."""
        ...

    def closed(self, card: ModelCard, /) -> Refusal | None:
        """Why nobody may ask it now, by the word of any instance; None: nothing is in the way."""
        ...

    def provider_closed(self, provider: str, /) -> bool:
        """Whether none of a provider's models may be asked now, by the word of any instance."""
        ...


class Quotas(Utilization, Protocol):
    """The permits without which nobody is asked (R6, P70). Times are monotonic seconds."""

    def take(self, card: ModelCard, tokens: int, /) -> Permit | Refusal | None:
        """A permit or a refusal that is known at once; None: ``acquire`` has to ask. ``tokens``:
        what the request may take at most, prompt and answer."""
        ...

    async def acquire(
        self, card: ModelCard, tokens: int, deadline: Deadline, /
    ) -> Permit | Refusal:
        """What ``take`` left open. Raises ``StoreUnavailable``."""
        ...

    def settle(self, permit: Permit, tokens_used: int, /) -> None:
        """The request took so many tokens."""
        ...

    def refund(self, permit: Permit, /) -> None:
        """The provider surely never saw the request."""
        ...

    def close_provider(self, provider: str, reason: str, seconds: float, /) -> None:
        """Nobody may ask the provider for so long, on any instance (R5.5)."""
        ...

    def close_model(self, card: ModelCard, reason: str, seconds: float, /) -> None:
        """The same for one model."""
        ...

    def reopen(self, card: ModelCard, /) -> None:
        """It has answered: lift what closes it."""
        ...

    def tighten(self, card: ModelCard, signal: LimitSignal, /) -> None:
        """What a provider told of a limit; never loosens one."""
        ...


class Line(Protocol):
    """Requests of one instance that wait for capacity, by priority (10 first), then arrival.

    A *key* is what is waited for: a model's id, or a provider's where all of it is full. Times are
    monotonic seconds.
    """

    # How many wait; 0 is all that a request has to know where nobody does.
    waiting: int

    def join(self, priority: int, returns: Mapping[str, float], former: Place | None, /) -> Place:
        """Stand in line for these keys, each with the second at which it is expected back.
        ``former``: the request's last place, whose arrival it keeps."""
        ...

    async def wait(self, place: Place, seconds: float, /) -> bool:
        """Wait so long, or until something that is waited for may be back earlier: then True."""
        ...

    def leave(self, place: Place, /, *, served: bool) -> None:
        """Stand in line no more, however the wait ended; whoever is next is called."""
        ...

    def ahead(
        self, card: ModelCard, priority: int, place: Place | None, /
    ) -> tuple[str, float] | None:
        """What somebody with precedence waits for whom asking ``card`` would pass: the key and the
        second at which it is expected; None: nobody. ``place``: that of who asks, if any."""
        ...

    def stir(self, card: ModelCard, /) -> None:
        """Capacity of the model may have come back."""
        ...

    def exhausted(self, returns_at: float, /) -> None:
        """A request found no capacity in its time; the first returns at that second."""
        ...


class Gate(Protocol):
    """Decides what of a stream may leave, and when (R2.5). One for a request."""

    @property
    def usage(self) -> Usage | None:
        """What the provider has told of the stream under way, though it has not left yet."""
        ...

    def own_tokens(self) -> int:
        """Estimated tokens of the text that has come of the stream under way; 0 if none has."""
        ...

    def through(
        self, first: list[Chunk], source: AsyncIterator[list[Chunk]] | None, /, *, quiet: bool
    ) -> AsyncGenerator[list[Chunk], None]:
        """A model's stream as it may leave: ``first``, then ``source``, which is closed with it.

        What was held of the last model's stream is forgotten. ``quiet``: this one's reasoning is
        not told. Raises what ``source`` raises, and whatever ends the request.
        """
        ...

    def filtered(self, batch: list[Chunk], /, *, last: bool = False) -> list[Chunk]:
        """The batch as the client gets it, now that it leaves. ``last``: nothing follows."""
        ...
