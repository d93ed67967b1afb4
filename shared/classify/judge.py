"""One turn's category: what is certain by its form, else what the trained weights say.

The rules' signals are features of the weights, and give the reasons. Weights were trained on
English, so a turn in another language is judged by the rules alone.
"""

from __future__ import annotations

from typing import Final

from shared.classify.code_surely import surely_code
from shared.classify.features import read_features
from shared.classify.language import Language
from shared.classify.rules import Signals, Verdict, by_rules, look
from shared.classify.turn import Turn
from shared.classify.weights import Weights, weights
from shared.classify.words import DECIDES
from shared.model import Category

# Fewer words than this are no basis for weights: signs alone, an empty turn.
_FEW = 1
# An order that names what it wants ("translate", "make a video") outweighs what the text is about.
_ORDERED: Final = frozenset({Category.VIDEO_GEN, Category.IMAGE_GEN, Category.MULTILINGUAL})
_CERTAIN: Final = 0.85
_SURE: Final = 0.92
_READS: Final = {
    Category.VIDEO_GEN: "reads as the wish for a video",
    Category.IMAGE_GEN: "reads as the wish for a picture",
    Category.AGENTIC: "reads as something to be done outside the chat",
    Category.MULTILINGUAL: "reads as a question about another language",
    Category.CODING: "reads as work on code",
    Category.REASONING: "reads as mathematics or logic",
    Category.COMPLEX: "reads as planning, analysis, law or business",
    Category.MEDIUM: "reads as open explanation, advice or writing",
    Category.SIMPLE: "reads as small talk or a short question",
}


def judge_turn(turn: Turn, language: Language, tools: bool) -> Verdict:
    """The category of a turn that stands by itself."""
    signals = look(turn, language)
    ruled = by_rules(signals, tools=tools)
    foreign = signals.foreign.score >= DECIDES
    ordered = ruled.category in _ORDERED and signals.of(ruled.category).score >= _CERTAIN
    if tools or foreign or ordered or turn.length < _FEW or ruled.why == "small talk":
        return ruled
    if why := surely_code(turn):
        return Verdict(Category.CODING, _SURE, why)
    return by_weights(turn, signals, weights())


def by_weights(turn: Turn, signals: Signals, known: Weights) -> Verdict:
    """What the weights say of a turn, with the rule's reason where it agrees.

    Of words that the weights do not know nothing can be said, so they make less sure; a fifth of
    them are names and slips in any text.
    """
    features = read_features(turn, signals.names())
    chances, share = known.judge(features)
    category = max(chances, key=lambda name: chances[name])
    why = signals.of(category).why
    if not why:
        found = known.telling(category, features, 3)
        why = _READS[category] + (f" ({', '.join(found)})" if found else "")
    return Verdict(category, chances[category] * min(1.0, 0.2 + share), why)
