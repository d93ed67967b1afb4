"""What the router hands to the executor, and what the executor writes down for the receipt."""

from __future__ import annotations

from msgspec import Struct, field

from shared.messages import Attempt, JsonObject, JsonValue, Usage
from shared.model import Category, Lifecycle, ModelCard


class Candidate(Struct, frozen=True):
    """One model of a plan with its adjusted priority (R4.2) and lifecycle status."""

    card: ModelCard
    priority: float
    status: Lifecycle = Lifecycle.ACTIVE

    def to_json(self) -> JsonObject:
        """The receipt's form."""
        return {
            "model": self.card.id,
            "provider": self.card.provider,
            "priority": round(self.priority, 1),
            "status": self.status.value,
        }


class Plan(Struct):
    """An ordered chain with the reason for its head.

    ``chain`` is sorted by adjusted priority, highest first, without duplicates, and holds only
    models that can honour the request. ``fallback`` False: only the head may be asked.
    """

    category: Category
    reason: str
    chain: tuple[Candidate, ...]
    estimated_latency_ms: int
    max_attempts: int
    warnings: tuple[str, ...] = ()
    fallback: bool = True
    named: bool = False  # the client named the model
    # The head is the one model the client named: at its limit, the request waits its patience for
    # it before another is asked (contract, Chat).
    waits_for_head: bool = False
    # The chain in the receipt's form, written once for all plans that share a chain.
    shown: list[JsonValue] = field(default_factory=list)

    def shown_chain(self) -> list[JsonValue]:
        """The chain as receipts show it. Not to be changed: other plans may share it."""
        if not self.shown:
            self.shown.extend([candidate.to_json() for candidate in self.chain])
        return self.shown


class Trace(Struct):
    """What happened to one request, written by the executor, read by receipt, log and counters."""

    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    answered: ModelCard | None = None
    usage: Usage = field(default_factory=Usage)
    upstream_model: str = ""
    first_token_ms: int | None = None
    waited_ms: int = 0

    @property
    def depth(self) -> int:
        """Attempts beyond the first (R5.9, R17.11)."""
        return max(0, len(self.attempts) - 1)
