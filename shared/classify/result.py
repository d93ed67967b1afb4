"""What a classification says (R3.2-3.7)."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from shared.messages import JsonObject
from shared.model import Capability, Category

# Below this the local classifier is wrong often enough that a model's opinion is worth a request.
UNSURE = 0.6


class Complexity(StrEnum):
    """R3.5."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Classification(Struct, frozen=True):
    """The category of a request and how sure we are.

    ``confidence`` in [0, 1]; ``tokens`` is an estimate, at least 1; ``language`` is an ISO 639-1
    code or "und"; ``capabilities`` are what a model needs to serve it; ``source`` says who judged:
    "local", "llm" or "cache" (a model's answer to a similar request). ``spent``: tokens that asking
    a model took.
    """

    category: Category
    confidence: float
    reasoning: str
    complexity: Complexity
    tokens: int
    multimodal: bool
    language: str
    capabilities: frozenset[Capability]
    source: str = "local"
    spent: int = 0

    @property
    def unsure(self) -> bool:
        """Whether a model should be asked too."""
        return self.confidence < UNSURE

    def to_json(self) -> JsonObject:
        """The receipt's form (contract, Chat)."""
        shown: JsonObject = {
            "category": self.category.value,
            "confidence": self.confidence,
            "complexity": self.complexity.value,
            "reasoning": self.reasoning,
            "source": self.source,
            "language": self.language,
            "tokens": self.tokens,
        }
        if self.spent:
            shown["spent_tokens"] = self.spent
        return shown
