"""A chat call and its answer as the simulator's mind sees them, whatever the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from shared.messages import JsonObject

# A "token" of the simulator: a word with the blanks before it. Close enough for usage figures,
# and streaming by these is streaming word by word.
_PIECE = re.compile(r"\s*\S+|\s+\Z")


@dataclass(frozen=True, slots=True)
class SimTool:
    """A function the model may call; ``parameters`` is its JSON schema."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class SimImage:
    """An image of the prompt. ``size_bytes`` is None where only an address was given."""

    media_type: str
    size_bytes: int | None


@dataclass(slots=True)
class SimPrompt:
    """One call. ``force_tool``: a tool's name, "" for any tool, None where the model may choose.

    ``tool_results`` are (tool, content) of the results behind the last question, ``called`` the
    tool's name by the id of its call; ``prefix`` is a
    trailing assistant message that the answer continues.
    """

    model: str
    system: str = ""
    user: str = ""
    history: str = ""  # everything in order, for counting and for seeding
    images: list[SimImage] = field(default_factory=list)
    tools: list[SimTool] = field(default_factory=list)
    force_tool: str | None = None
    parallel_tools: bool = True
    tool_results: list[tuple[str, str]] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    output: Literal["text", "json_object", "json_schema"] = "text"
    schema: JsonObject = field(default_factory=dict)
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinks: bool = False


@dataclass(frozen=True, slots=True)
class SimToolCall:
    """A call the model makes; ``arguments`` satisfy the tool's schema."""

    id: str
    name: str
    arguments: JsonObject


@dataclass(slots=True)
class SimReply:
    """The answer. ``cut_off``: the token limit ended it."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[SimToolCall] = field(default_factory=list)
    cut_off: bool = False

    @property
    def completion_tokens(self) -> int:
        """Tokens of everything the model wrote, reasoning included."""
        calls = sum(8 + len(call.arguments) * 4 for call in self.tool_calls)
        return len(pieces(self.text)) + self.reasoning_tokens + calls

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of the reasoning."""
        return len(pieces(self.reasoning))


def pieces(text: str) -> list[str]:
    """``text`` in the pieces it is streamed by; joined they are the text again."""
    return _PIECE.findall(text)


def count_tokens(prompt: SimPrompt) -> int:
    """Tokens of the prompt: its words, and 258 for an image (Gemini's figure for a tile)."""
    return max(1, len(pieces(prompt.history)) + 258 * len(prompt.images))
