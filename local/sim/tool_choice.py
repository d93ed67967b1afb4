"""Which of the given tools a simulated model calls, and with what arguments."""

from __future__ import annotations

import re

from local.sim.prompt import SimPrompt, SimTool
from local.sim.schema import Hints, sample
from shared.messages import JsonObject

_WORD = re.compile(r"[a-zA-ZäöüÄÖÜß]{3,}")
# Words that stand in every question and every description: no sign that a tool is meant.
_COMMON_TEXT = """
the and for with from that this what which when where how are was can could would should will
please you your get set use using given name one two all any not has have into its give tell about
make string number value values return returns data function tool
"""
_COMMON = frozenset(_COMMON_TEXT.split())
_MOST_CALLS = 4


def choose_calls(prompt: SimPrompt) -> list[tuple[str, JsonObject]]:
    """Tools to call with arguments that satisfy their schemas; empty: answer in text.

    A forced tool is called whatever was asked. Otherwise those are called whose name or
    description shares a word with the question; several names in the question ("Paris and Rome")
    are several calls of one tool, where parallel calls are allowed.
    """
    hints = Hints.of(prompt.user)
    if prompt.force_tool is not None:
        chosen = [t for t in prompt.tools if prompt.force_tool in ("", t.name)]
        if prompt.force_tool == "":
            chosen = _meant(prompt) or chosen
    else:
        chosen = _meant(prompt)
    if not chosen:
        return []
    if not prompt.parallel_tools:
        return [_call(chosen[0], hints)]
    if len(chosen) == 1 and len(hints.names) > 1 and _takes_text(chosen[0]):
        return [_call(chosen[0], hints.about(name)) for name in hints.names[:_MOST_CALLS]]
    return [_call(tool, hints) for tool in chosen[:_MOST_CALLS]]


def _call(tool: SimTool, hints: Hints) -> tuple[str, JsonObject]:
    arguments = sample({"type": "object", **tool.parameters}, hints)
    return tool.name, arguments if isinstance(arguments, dict) else {}


def _meant(prompt: SimPrompt) -> list[SimTool]:
    asked = _words(prompt.user)
    named = [tool for tool in prompt.tools if tool.name in prompt.user]
    if named:
        return named
    by_name = [tool for tool in prompt.tools if asked & _words(tool.name.replace("_", " "))]
    return by_name or [tool for tool in prompt.tools if asked & _words(tool.description)][:1]


def _words(text: str) -> set[str]:
    """Words without their commonest endings, so that "cities" and "city" meet."""
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    found = {word.lower() for word in _WORD.findall(spread)} - _COMMON
    return {re.sub(r"(ies|y|es|s|ing|ed)$", "", word) or word for word in found}


def _takes_text(tool: SimTool) -> bool:
    properties = tool.parameters.get("properties")
    if not isinstance(properties, dict):
        return False
    kinds = [below.get("type") for below in properties.values() if isinstance(below, dict)]
    return any(isinstance(kind, str) and kind.lower() == "string" for kind in kinds)
