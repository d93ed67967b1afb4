"""Small helpers for the rooms' word tables."""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple


class Signal(NamedTuple):
    """How strongly a request looks like one category, in [0, 1], and the evidence in words."""

    score: float
    why: str


NONE = Signal(0.0, "")
# From here on a signal decides; below it only casts doubt on what comes later in the order.
DECIDES = 0.5


class Pattern:
    """A regular expression that is compiled when it is first needed, not at import (cold start)."""

    def __init__(self, source: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._source = source
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression."""
        return re.compile(self._source, self._flags)

    def found_in(self, text: str) -> bool:
        """Whether it matches anywhere in ``text``."""
        return self.compiled.search(text) is not None


def words(text: str) -> frozenset[str]:
    """The blank-separated words of ``text``."""
    return frozenset(text.split())


def weights(**groups: str) -> dict[str, float]:
    """A table word -> weight. A group's name is its weight in hundredths: ``w35="code regex"``.

    Groups are given heaviest first; a word in several has the weight of the first.
    """
    table: dict[str, float] = {}
    for name, group in groups.items():
        for word in group.split():
            table.setdefault(word, int(name[1:]) / 100)
    return table
