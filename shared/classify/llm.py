"""A model's opinion on what the local classifier is unsure of (R3.1, R3.9, R13.5).

It is worth one scarce provider request and 1.5 seconds at most, and it is never needed: where no
model answers, the local classification stands. Answers are remembered for similar requests, similar
questions at the same time are asked once, and a full or broken classifier is left alone for a
while.

Requests of different users share an answer, so no word of one reaches another, and nobody's wording
can have others refused: a shared answer comes without the model's reason, and one that chat cannot
serve (a picture, a video) is not shared at all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from msgspec import Struct
from msgspec.structs import replace

from shared.asking import Asker, NotAnswered, Question
from shared.classify.llm_data import ClassifierTerms, classifiers
from shared.classify.llm_speech import (
    ALIKE,
    BY_FORM,
    SCHEMA,
    SCHEMA_NAME,
    Asked,
    Opinion,
    believed,
    messages_for,
    read,
)
from shared.classify.reading import Prompt, read_chat
from shared.classify.result import Classification
from shared.classify.similar import similarity_key
from shared.clock import Clock, Deadline
from shared.messages import ChatRequest, JsonObject
from shared.model import Category, Feature, ModelCard
from shared.tokens import estimate_tokens

# Seconds for all models asked together: a chat's 3 s (R13.1) must hold an answer too.
BUDGET_S = 1.5
# With less time than this (seconds) nobody is asked: the fastest needs about as long.
LEAST_S = 0.3
# A classifier that could not answer is not asked again for so long (seconds).
REST_S = 10.0
# Endings that say something of the question, not of who was asked: no reason to leave it alone.
_OF_THE_QUESTION = frozenset({"refused", "empty", "bad_tool_call"})
# Answers remembered, and for how long (seconds).
REMEMBERED = 4096
REMEMBERED_S = 3600.0
_UNSHARED = frozenset({Category.IMAGE_GEN, Category.VIDEO_GEN})


class _Known(Struct, frozen=True):
    """An answer, when it came (monotonic seconds), and the hash of the very text it was about."""

    opinion: Opinion
    text: int
    at: float


class _Call(Struct):
    """A question under way, the hash of its very text, and how many wait for the answer."""

    task: asyncio.Task[Opinion | None]
    text: int
    waiting: int = 0


class LlmClassifier:
    """Belongs to one event loop. ``remembered``: how many answers are kept."""

    __slots__ = ("_asker", "_clock", "_known", "_remembered", "_resting", "_running")

    def __init__(self, asker: Asker, clock: Clock, *, remembered: int = REMEMBERED) -> None:
        self._asker = asker
        self._clock = clock
        self._remembered = remembered
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._running: dict[int, _Call] = {}
        self._resting: dict[str, float] = {}

    async def classify(
        self, request: ChatRequest, local: Classification, deadline: Deadline
    ) -> Classification | None:
        """A model's classification; None: the local one stands."""
        return await self._opinion(read_chat(request), local, None, deadline)

    async def reclassify(
        self, request: ChatRequest, failed: Classification, deadline: Deadline
    ) -> Classification | None:
        """After every model of a category failed: another category, seen with more of what the
        user said before; None where there is none."""
        found = await self._opinion(read_chat(request), failed, failed.category, deadline)
        return None if found is None or found.category is failed.category else found

    async def _opinion(
        self, prompt: Prompt, local: Classification, failed: Category | None, deadline: Deadline
    ) -> Classification | None:
        if local.category in BY_FORM or prompt.tools:
            return None
        if not any(turn.strip() for turn in prompt.turns):
            return None
        asked = Asked(tuple(prompt.turns), prompt.tokens, prompt.attached, failed)
        key = similarity_key(asked.turns, (asked.attached, failed.value if failed else ""))
        text = hash(asked.turns)
        known = self._recall(key, text)
        if known is not None:
            return believed(replace(known, reason=ALIKE), local, source="cache")
        if deadline.left() < LEAST_S:
            return None
        call = self._running.get(key)
        mine = call is None
        if call is None:
            call = _Call(asyncio.create_task(self._ask_all(key, text, asked)), text)
            self._running[key] = call
        found = await self._wait_for(call, key, deadline)
        if found is None or (found.category in _UNSHARED and call.text != text):
            return None
        if not mine:
            return believed(replace(found, reason=ALIKE), local)
        return replace(believed(found, local), spent=found.spent)

    def _recall(self, key: int, text: int) -> Opinion | None:
        known = self._known.get(key)
        if known is None or self._clock.monotonic() >= known.at + REMEMBERED_S:
            return None
        if known.opinion.category in _UNSHARED and known.text != text:
            return None
        self._known.move_to_end(key)
        return known.opinion

    async def _wait_for(self, call: _Call, key: int, deadline: Deadline) -> Opinion | None:
        """The answer of a call that others may wait for too."""
        call.waiting += 1
        try:
            async with asyncio.timeout(deadline.left()):
                return await asyncio.shield(call.task)
        except TimeoutError:
            return None
        finally:
            call.waiting -= 1
            if call.waiting == 0:
                # Who waited may have been judged unsafe: nothing goes on for nobody (P6).
                call.task.cancel()
                self._running.pop(key, None)

    async def _ask_all(self, key: int, text: int, asked: Asked) -> Opinion | None:
        deadline = Deadline.after(self._clock, BUDGET_S)
        tried: set[str] = set()
        for terms in classifiers():
            card = self._asker.living(terms.model)
            if card is None or card.id in tried:
                continue
            if deadline.left() < LEAST_S:
                break
            tried.add(card.id)
            if self._clock.monotonic() < self._resting.get(card.id, 0.0):
                continue
            found = await self._ask(terms, card, asked, deadline)
            if found is not None:
                self._remember(key, _Known(found, text, self._clock.monotonic()))
                return found
        return None

    def _remember(self, key: int, known: _Known) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)

    async def _ask(
        self, terms: ClassifierTerms, card: ModelCard, asked: Asked, deadline: Deadline
    ) -> Opinion | None:
        messages = messages_for(asked)
        tokens = sum(estimate_tokens(str(message["content"])) for message in messages)
        question = Question(card, messages, tokens, terms.max_tokens, fields_for(terms, card))
        try:
            reply = await self._asker.ask(question, deadline)
        except NotAnswered as error:
            if error.outcome not in _OF_THE_QUESTION:
                self._resting[card.id] = self._clock.monotonic() + REST_S
            return None
        found = read(reply.text)
        spent = reply.usage.prompt_tokens + reply.usage.completion_tokens
        return None if found is None else replace(found, spent=spent)


def fields_for(terms: ClassifierTerms, card: ModelCard) -> JsonObject:
    """What else the call's body holds, by what the model can."""
    fields: JsonObject = {"temperature": 0}
    if terms.effort in card.reasoning_efforts:
        fields["reasoning_effort"] = terms.effort
    if Feature.JSON_SCHEMA in card.features:
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": SCHEMA_NAME, "schema": SCHEMA, "strict": True},
        }
    elif Feature.JSON_OBJECT in card.features:
        fields["response_format"] = {"type": "json_object"}
    return fields
