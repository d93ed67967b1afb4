"""The right answers: every healthy provider says the same, letter by letter.

So a client's text can be judged without knowing who answered: it is right, the beginning of what
is right, or wrong. The usage differs from model to model, so a wrong account is seen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.messages import JsonValue

# Letters of one to four bytes, quotes, a backslash and line breaks: all that splitting can hurt.
SENTENCES = (
    "The harbour master of Ålesund kept three ledgers, each in another hand. ",
    "The first held the ships: »Sólveig«, »Žuvėdra« and the old tug 東風丸.\n",
    "The second held the weather: −4 °C, fog until noon, wind from the north‑east. ",
    'The third he called "the other book" and showed to nobody. 📕\n\n',
    "One evening the lamp went out 💡 and he wrote on in the dark. ",
    "In the morning the page said: C:\\harbour\\log is full; begin again at the beginning. ",
    "So he began again: Привет, мир — 你好，世界 — γειά σου κόσμε. ",
    "The gulls 🕊️ on the roof counted with him, one to twelve, and started over. ",
    "When the ferry came in at 7:05 nobody got off and eleven people waved 👋🏽. ",
    "He drew a line under the day, a straight one, and dated it. ",
    "Ångström, he thought, would have drawn it thinner. ",
    "Then he closed all three ledgers and went home. The end.",
)
ANSWER = "".join(SENTENCES)
# The fallback that says something else: nobody can go on from the first answer's middle with it.
OTHER = (
    "There is no harbour in this version. A baker in Tromsø counts loaves instead, and the oven "
    "is never the same twice. That is all that can be told of it."
)
# One event of about a quarter of a megabyte.
HUGE = ANSWER * 320

TOOL_NAME = "get_tide"
TOOL_ARGUMENTS = {"harbour": "Ålesund", "day": "2026-11-23", "unit": "metres"}
TOOLS: list[JsonValue] = [
    {
        "type": "function",
        "function": {
            "name": TOOL_NAME,
            "description": "The tide of a harbour on a day",
            "parameters": {
                "type": "object",
                "properties": {
                    "harbour": {"type": "string"},
                    "day": {"type": "string"},
                    "unit": {"type": "string"},
                },
                "required": ["harbour"],
            },
        },
    }
]


def tool_arguments() -> str:
    """The arguments of the right tool call as OpenAI's format carries them."""
    return json.dumps(TOOL_ARGUMENTS, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Told:
    """The usage a provider tells. ``reasoning`` is part of ``completion``."""

    prompt: int
    completion: int
    reasoning: int = 0


USAGE = {
    "groq": Told(1101, 391),
    "cerebras": Told(1202, 402),
    "google": Told(1303, 413, reasoning=20),
}
