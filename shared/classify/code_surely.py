"""What leaves no doubt that a turn is about code, however little else it says.

Short requests ("fix this code", "why the KeyError?") have too few words for the weights.
"""

from __future__ import annotations

from shared.classify.topics import false_code
from shared.classify.turn import Kind, Turn
from shared.classify.words import words

_ALWAYS = words("debug refactor")
_ON_CODE = words(
    "fix explain review optimize optimise rewrite improve check convert complete test write correct"
)
# What ends as the names of errors do (KeyError, NullPointerException) and is none.
_NO_NAMES = words("error exception terror")


def surely_code(turn: Turn) -> str:
    """Why it surely is about code, in words; "" where that is not certain."""
    for word in turn.tokens:
        if word.endswith(("error", "exception")) and word not in _NO_NAMES:
            return f"names an error of a program ({word})"
    lead = turn.lead
    if lead is None or lead.kind is not Kind.ORDER:
        return ""
    if lead.verb in _ALWAYS:
        return f"orders work on code ({lead.verb})"
    near = turn.near(lead.at + 1, 3)
    if lead.verb in _ON_CODE and "code" in near and not false_code(near):
        return f"orders work on code ({lead.verb} ... code)"
    return ""
