"""A model's opinion on what the local classifier is unsure of (R3.1, R3.9, R13.5).

It is worth one scarce provider request and 1.5 seconds at most, and it is never needed: where no
model answers, the local classification stands. Answers are remembered for similar requests, equal
questions at the same time are asked once, and a full or broken classifier is left alone for a
while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Annotated

import orjson
from msgspec import Meta, Struct
from msgspec.structs import replace

from shared.asking import Asker, NotAnswered, Question
from shared.checking import checked
from shared.classify.llm_speech import SCHEMA, SCHEMA_NAME, Asked, messages_for, read
from shared.classify.reading import read_chat
from shared.classify.result import Classification
from shared.classify.similar import similarity_key
from shared.clock import Clock, Deadline
from shared.messages import ChatRequest, JsonObject
from shared.model import Category, Feature, ModelCard
from shared.tokens import estimate_tokens

# Seconds for all models asked together (issue of the second classifier; R3's budget beside R13.1).
BUDGET_S = 1.5
# A classifier that could not answer is not asked again for so long (seconds).
REST_S = 10.0
# Answers remembered, and for how long (seconds).
REMEMBERED = 4096
REMEMBERED_S = 3600.0
# What a request says by its form is certain, and no model is asked about it.
BY_FORM = frozenset({Category.VISION_IN, Category.LONG_CONTEXT})
_FILE = Path(__file__).parent / "classifiers.json"


class ClassifierTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """One model that classifies. ``max_tokens``: its longest answer, thinking included."""

    model: str
    max_tokens: Annotated[int, Meta(ge=32, le=2048)]
    effort: str = ""


class ClassifierDataError(Exception):
    """The data file is wrong."""


@cache
def classifiers() -> tuple[ClassifierTerms, ...]:
    """Who is asked, first to last. Raises ``ClassifierDataError``."""
    found, problems = checked(orjson.loads(_FILE.read_bytes()), tuple[ClassifierTerms, ...])
    if found is None:
        raise ClassifierDataError(f"classifiers.json: {problems}")
    return found


class _Call(Struct):
    """A question under way and how many wait for its answer."""

    task: asyncio.Task[Classification | None]
    waiting: int = 0


class LlmClassifier:
    """Belongs to one event loop."""

    __slots__ = ("_asker", "_clock", "_known", "_resting", "_running")

    def __init__(self, asker: Asker, clock: Clock) -> None:
        self._asker = asker
        self._clock = clock
        self._known: OrderedDict[int, tuple[float, Classification]] = OrderedDict()
        self._running: dict[int, _Call] = {}
        self._resting: dict[str, float] = {}

    async def classify(
        self, request: ChatRequest, local: Classification, deadline: Deadline
    ) -> Classification | None:
        """A model's classification; None: the local one stands."""
        prompt = read_chat(request)
        if local.category in BY_FORM or prompt.tools:
            return None
        asked = Asked(tuple(prompt.turns), prompt.tokens, prompt.attached, prompt.tools)
        return await self._remembered(asked, local, deadline)

    async def reclassify(
        self, request: ChatRequest, failed: Classification, deadline: Deadline
    ) -> Classification | None:
        """After every model of a category failed: another category, seen with the whole of what
        the user said; None where there is none."""
        prompt = read_chat(request)
        if failed.category in BY_FORM or prompt.tools:
            return None
        asked = Asked(
            tuple(prompt.turns), prompt.tokens, prompt.attached, prompt.tools, failed.category
        )
        found = await self._remembered(asked, failed, deadline)
        return None if found is None or found.category is failed.category else found

    async def _remembered(
        self, asked: Asked, local: Classification, deadline: Deadline
    ) -> Classification | None:
        failed = asked.failed.value if asked.failed is not None else ""
        key = similarity_key(asked.turns, (asked.attached, failed))
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[0] + REMEMBERED_S:
            self._known.move_to_end(key)
            return replace(known[1], tokens=local.tokens, source="cache")
        call = self._running.get(key)
        if call is None:
            call = self._running[key] = _Call(asyncio.create_task(self._ask_all(asked, local)))
        call.waiting += 1
        try:
            # Shielded: others may wait for the same answer.
            async with asyncio.timeout(max(0.0, deadline.left())):
                found: Classification | None = await asyncio.shield(call.task)
        except TimeoutError:
            return None
        finally:
            call.waiting -= 1
            if call.waiting == 0:
                # Who waited may have been judged unsafe: nothing goes on for nobody (P6).
                call.task.cancel()
                self._running.pop(key, None)
        if found is not None:
            self._remember(key, found)
        return found

    def _remember(self, key: int, found: Classification) -> None:
        self._known[key] = (self._clock.monotonic(), found)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _ask_all(self, asked: Asked, local: Classification) -> Classification | None:
        deadline = Deadline.after(self._clock, BUDGET_S)
        tried: set[str] = set()
        for terms in classifiers():
            card = self._asker.living(terms.model)
            if card is None or card.id in tried or deadline.left() <= 0:
                continue
            tried.add(card.id)
            if self._clock.monotonic() < self._resting.get(card.id, 0.0):
                continue
            found = await self._ask(terms, card, asked, local, deadline)
            if found is not None:
                return found
        return None

    async def _ask(
        self,
        terms: ClassifierTerms,
        card: ModelCard,
        asked: Asked,
        local: Classification,
        deadline: Deadline,
    ) -> Classification | None:
        messages = messages_for(asked)
        tokens = sum(estimate_tokens(str(message["content"])) for message in messages)
        question = Question(card, messages, tokens, terms.max_tokens, _fields(terms, card))
        try:
            reply = await self._asker.ask(question, deadline)
        except NotAnswered:
            self._resting[card.id] = self._clock.monotonic() + REST_S
            return None
        return read(reply.text, local)


def _fields(terms: ClassifierTerms, card: ModelCard) -> JsonObject:
    """What else the call's body holds, by what the model can."""
    fields: JsonObject = {"temperature": 0}
    if terms.effort and terms.effort in card.reasoning_efforts:
        fields["reasoning_effort"] = terms.effort
    if Feature.JSON_SCHEMA in card.features:
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": SCHEMA_NAME, "schema": SCHEMA, "strict": True},
        }
    elif Feature.JSON_OBJECT in card.features:
        fields["response_format"] = {"type": "json_object"}
    return fields
