"""What the parts of the personal data screen share: findings, context, the count of steps."""

from __future__ import annotations

import re

from msgspec import Struct

from shared.safety.personal_rules import CONTEXT, Kind

# Steps of a text that cost 5 to 30 us each: a look at what stands before a number, a checksum by
# python-stdnum, the tables of phonenumbers. Beyond it the shape alone decides: only a list of
# thousands of numbers has more.
STEPS = 20_000

HAS_DIGIT = re.compile(r"[0-9]")
DATE = re.compile(
    r"(?:19|20)[0-9]{2}[.\-/ ][01]?[0-9][.\-/ ][0-3]?[0-9]"
    r"|[0-3]?[0-9][.\-/][0-3]?[0-9][.\-/](?:19|20)[0-9]{2}"
)
_LETTER = re.compile(r"[^\W\d_]{2}")
_SENTENCE = re.compile(r"[a-z]{5}[.!?] ")


class Finding(Struct, frozen=True):
    """A personal datum: ``text[start:end]``."""

    kind: Kind
    start: int
    end: int


class Budget(Struct):
    """How many costly steps a text has left; shared by all its pieces."""

    steps: int = STEPS

    def take(self) -> bool:
        """Whether one more may be made."""
        self.steps -= 1
        return self.steps >= 0


def before(text: str, start: int, budget: Budget) -> str:
    """The context of what begins at ``start``: up to 48 characters of the same sentence.

    Empty where there are no words, or no steps left to look at them.
    """
    near = text[max(0, start - CONTEXT) : start]
    if _LETTER.search(near) is None or not budget.take():
        return ""
    ends = [match.end() for match in _SENTENCE.finditer(near)]
    return near[ends[-1] :] if ends else near
