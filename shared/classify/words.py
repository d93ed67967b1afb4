"""Small helpers for the rooms' word tables."""

from __future__ import annotations

from typing import NamedTuple


class Signal(NamedTuple):
    """How strongly a request looks like one category, in [0, 1], and the evidence in words."""

    score: float
    why: str


NONE = Signal(0.0, "")
# From here on a signal decides; below it only casts doubt on what comes later in the order.
DECIDES = 0.5


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
