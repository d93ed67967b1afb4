"""Models that answer our own questions by a script, on the injected clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.asking import NotAnswered, Question, Reply
from shared.catalog.load import load_catalog
from shared.clock import Clock, Deadline
from shared.config import RuntimeConfig
from shared.messages import JsonValue, Usage
from shared.model import ModelCard

SAFE = '{"violation": 0, "category": null, "severity": null, "confidence": "high"}'
UNSAFE = '{"violation": 1, "category": "VIOLENCE", "severity": "HIGH", "confidence": "high"}'


@dataclass
class Said:
    """An answer after so many seconds; an outcome instead means there is none."""

    text: str = SAFE
    seconds: float = 0.0
    outcome: str = ""
    logprobs: JsonValue = None


Script = Said | Callable[[Question], Said]


@dataclass
class ScriptedAsker:
    """Answers for the real catalog's models; ``scripts`` by model id, ``usual`` for the rest.
    ``away``: providers without a key."""

    clock: Clock
    usual: Script = field(default_factory=Said)
    scripts: Mapping[str, Script] = field(default_factory=dict)
    away: frozenset[str] = frozenset()
    asked: list[Question] = field(default_factory=list)
    cancelled: int = 0
    local: ModelCard | None = None

    def living(self, model_id: str) -> ModelCard | None:
        catalog, _ = load_catalog(self.clock, RuntimeConfig(paid_providers="all"))
        found = catalog.get(model_id)
        card = catalog.resolve(found).card if found is not None else None
        return None if card is None or card.provider in self.away else card

    def own(self) -> ModelCard | None:
        return self.local

    async def ask(self, question: Question, deadline: Deadline) -> Reply:
        self.asked.append(question)
        script = self.scripts.get(question.card.id, self.usual)
        said = script(question) if callable(script) else script
        began = self.clock.monotonic()
        finished = False
        try:
            await self.clock.sleep(min(said.seconds, max(0.0, deadline.left())))
            finished = True
        finally:
            self.cancelled += not finished
        if said.outcome:
            raise NotAnswered(said.outcome, full=said.outcome == "capacity")
        if said.seconds > 0 and deadline.left() <= 0:
            raise NotAnswered("deadline")
        usage = Usage(prompt_tokens=question.input_tokens, completion_tokens=20)
        spent_ms = (self.clock.monotonic() - began) * 1000
        return Reply(question.card, said.text, "stop", usage, spent_ms, said.logprobs)

    @property
    def models(self) -> list[str]:
        """Who was asked, in order."""
        return [question.card.id for question in self.asked]


def judged_text(question: Question) -> str:
    """The text that a policy guard was given to judge."""
    content = question.messages[-1]["content"]
    if isinstance(content, list):
        first = content[0]
        assert isinstance(first, dict)
        content = first["text"]
    assert isinstance(content, str)
    _, _, rest = content.partition("<<<")
    mark, _, rest = rest.partition("\n")
    return rest.removesuffix(f"\n{mark}>>>")
