"""What simulated models say when they are asked for a request's category.

A stand-in with no mind of its own: it judges as the router's local classifier does, only surer, so
simulated answers make no category worse. ``[[category:CODING]]`` in a text, with any category,
has it called that, so that a model's opinion can be seen to count.
"""

from __future__ import annotations

import json
import re

from local.sim.prompt import SimPrompt
from shared.classify import Classification, classify_local
from shared.messages import JsonObject

# How the router's question begins (shared/classify/llm_speech.py).
_TASK = "You sort requests to an AI assistant"
_FRAME = re.compile(r"<<<(\w+)\n(.*)\n\1>>>", re.DOTALL)
_BEFORE, _NEWEST = "Said before, oldest first:\n- ", "\n\nThe newest turn:\n"
_FAILED = re.compile(r"as ([A-Z_]+) every model failed")
_MARK = re.compile(r"\[\[category:([A-Z_]+)\]\]")
_CONFIDENCE = 0.8
# What a request may be as well when every model of its category failed.
_ELSE = {"SIMPLE": "MEDIUM", "MEDIUM": "SIMPLE"}


def is_classifier(prompt: SimPrompt) -> bool:
    """Whether a category is asked for."""
    return prompt.system.startswith(_TASK)


def opinion(prompt: SimPrompt) -> str:
    """The JSON that the question asks for."""
    framed = _FRAME.search(prompt.user)
    shown = framed.group(2) if framed else ""
    found = _judged(shown)
    category, why = found.category.value, found.reasoning
    mark = _MARK.search(shown)
    failed = _FAILED.search(prompt.user.partition("<<<")[0])
    if mark is not None:
        category, why = mark.group(1), "a mark in the text says so"
    elif failed is not None and failed.group(1) == category:
        category, why = _ELSE.get(category, "MEDIUM"), "the next that may fit"
    return json.dumps(
        {
            "category": category,
            "complexity": found.complexity.value,
            "confidence": _CONFIDENCE,
            "reason": f"Simulated: {why}.",
        }
    )


def _judged(shown: str) -> Classification:
    """The local classifier's judgement of the turns in the frame."""
    before, _, newest = shown.rpartition(_NEWEST)
    turns = [*before.removeprefix(_BEFORE).split("\n- "), newest] if before else [newest]
    messages: list[JsonObject] = [{"role": "user", "content": turn} for turn in turns]
    return classify_local({"messages": messages})
