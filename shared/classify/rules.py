"""The hand-written rules: R3's categories in the order of its decision, first match wins.

Near misses of an earlier category lower the confidence of what is chosen after it.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.classify.actions import acts_outside
from shared.classify.effort import simple_or_medium
from shared.classify.features import OTHER_CODE
from shared.classify.language import Language
from shared.classify.media import asks_for_media
from shared.classify.topics import false_code, is_code, is_complex, is_reasoning
from shared.classify.translation import asks_for_language
from shared.classify.turn import Turn
from shared.classify.words import DECIDES, NONE, Signal
from shared.model import Category

# What decides for code, logic or planning: nothing more special can follow, so less is enough.
TOPIC_DECIDES = 0.42
# Of a near miss, how much is taken off the confidence in what comes after it.
_DOUBT = 0.35
# Later evidence that is stronger by this much beats an earlier match that is weak itself.
_CLEARLY = 0.2
_WEAK = 0.7


class Verdict(NamedTuple):
    """A category, how sure it is in [0, 1], and why."""

    category: Category
    confidence: float
    why: str
    by_language: bool = False  # MULTILINGUAL because of the language it is written in


class Signals(NamedTuple):
    """What each rule found in a turn. ``effort`` decides between SIMPLE and MEDIUM;
    ``other_code`` tells of a dress code or an area code."""

    video: Signal
    picture: Signal
    action: Signal
    foreign: Signal
    wanted: Signal
    code: Signal
    reasoning: Signal
    planning: Signal
    effort: Signal
    simple: bool
    other_code: bool

    def names(self) -> list[str]:
        """The signals as names of features: each with its strength in sixths."""
        named = [
            f"{name} {int(signal.score * 6)}"
            for name, signal in zip(_NAMES, self[:8], strict=True)
            if signal.score > 0.0
        ]
        named.append(f"{'simple' if self.simple else 'medium'} {int(self.effort.score * 6)}")
        if self.other_code:
            named.append(OTHER_CODE)
        return named

    def of(self, category: Category) -> Signal:
        """What speaks for ``category``."""
        if category is Category.MULTILINGUAL:
            return max(self.foreign, self.wanted, key=_score)
        if category in (Category.SIMPLE, Category.MEDIUM):
            return self.effort if self.simple is (category is Category.SIMPLE) else NONE
        place = _PLACES.get(category)
        return NONE if place is None else self[:8][place]


_NAMES = ("video", "picture", "action", "foreign", "wanted", "code", "reasoning", "planning")
_PLACES = {
    Category.VIDEO_GEN: 0,
    Category.IMAGE_GEN: 1,
    Category.AGENTIC: 2,
    Category.CODING: 5,
    Category.REASONING: 6,
    Category.COMPLEX: 7,
}


def look(turn: Turn, language: Language) -> Signals:
    """All signals of a turn."""
    video, picture = asks_for_media(turn)
    category, effort = simple_or_medium(turn)
    return Signals(
        video,
        picture,
        acts_outside(turn),
        _foreign(language),
        asks_for_language(turn),
        is_code(turn),
        is_reasoning(turn),
        is_complex(turn),
        effort,
        category is Category.SIMPLE,
        "code" in turn.words and false_code(turn.tokens),
    )


def by_rules(signals: Signals, *, tools: bool) -> Verdict:
    """The first category whose signal decides, in the order of R3."""
    video, picture, action = signals.video, signals.picture, signals.action
    if video.score >= DECIDES:
        return Verdict(Category.VIDEO_GEN, video.score, video.why)
    if picture.score >= DECIDES:
        return Verdict(Category.IMAGE_GEN, picture.score, picture.why)
    if tools:
        return Verdict(Category.AGENTIC, 0.95, "tools are given")
    if action.score >= DECIDES:
        return _sure(Category.AGENTIC, action, video.score, picture.score)
    foreign, wanted = signals.foreign, signals.wanted
    if max(foreign.score, wanted.score) >= DECIDES:
        by_language = foreign.score > wanted.score
        verdict = _sure(Category.MULTILINGUAL, foreign if by_language else wanted, action.score)
        return verdict._replace(by_language=by_language)
    return _of_topic(signals, max(picture.score, action.score, foreign.score, wanted.score))


def _of_topic(signals: Signals, doubt: float) -> Verdict:
    """CODING, REASONING, COMPLEX, or how much effort a plain answer takes."""
    ranked = (
        (Category.CODING, signals.code),
        (Category.REASONING, signals.reasoning),
        (Category.COMPLEX, signals.planning),
    )
    for place, (category, signal) in enumerate(ranked):
        if signal.score < TOPIC_DECIDES:
            doubt = max(doubt, signal.score)
            continue
        rival = max((later.score for _, later in ranked[place + 1 :]), default=0.0)
        if signal.score < _WEAK and rival >= signal.score + _CLEARLY:
            doubt = max(doubt, signal.score)
            continue
        return _sure(category, signal, doubt, rival / 2)
    return _sure(Category.SIMPLE if signals.simple else Category.MEDIUM, signals.effort, doubt)


def _score(signal: Signal) -> float:
    return signal.score


def _sure(category: Category, signal: Signal, *doubts: float) -> Verdict:
    return Verdict(category, signal.score - _DOUBT * max(doubts), signal.why)


def _foreign(language: Language) -> Signal:
    if language.code in ("en", "und"):
        return NONE
    return Signal(language.confidence, f"written in another language ({language.code})")
