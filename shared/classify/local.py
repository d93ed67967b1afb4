"""The local classifier: R3's categories in the order of its decision, first match wins.

It costs some tens of microseconds, needs no provider, and says honestly how sure it is: near misses
of an earlier category lower the confidence of what is chosen after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from shared.classify.actions import acts_outside
from shared.classify.effort import simple_or_medium
from shared.classify.language import Language, detect
from shared.classify.media import asks_for_media
from shared.classify.reading import Prompt, read_chat, read_mapping
from shared.classify.result import Classification, Complexity
from shared.classify.topics import is_code, is_complex, is_reasoning
from shared.classify.translation import asks_for_language
from shared.classify.turn import Kind, Turn, read_turn
from shared.classify.words import DECIDES, NONE, Signal, words
from shared.messages import ChatRequest
from shared.model import Capability, Category

# R3, decision: more tokens than this need a long window.
LONG_CONTEXT_TOKENS = 100_000
# What decides for code, logic or planning: nothing more special can follow, so less is enough.
TOPIC_DECIDES = 0.42
# Of a near miss, how much is taken off the confidence in what comes after it.
_DOUBT = 0.35
# Later evidence that is stronger by this much beats an earlier match that is weak itself.
_CLEARLY = 0.2
_WEAK = 0.7
# An inherited category is a little less sure than the turn it comes from.
_INHERITED = 0.88

_FOLLOW_STARTS = words(
    "and also but now again same continue more another instead then yes sure ok okay shorter "
    "longer why try what how go only with without or use in retry next"
)
_POINTERS = words("it this that them these those one ones its above previous last result")
_CHANGES = words(
    "make add change remove use fix try continue do explain give show increase shorten expand "
    "replace put turn keep include rewrite redo improve"
)
_OPENERS: Final = ("what about", "how about", "what if", "try again", "go on", "go ahead", "do it")
_MEDIA: Final = frozenset({Category.IMAGE_GEN, Category.VIDEO_GEN})
_PLAIN: Final = frozenset({Category.SIMPLE, Category.MEDIUM})


class _Verdict(NamedTuple):
    category: Category
    confidence: float
    why: str
    by_language: bool = False  # MULTILINGUAL because of the language it is written in


def classify_local(request: Mapping[str, object]) -> Classification:
    """The category of a request with ``messages``, ``tools``, ``attachments`` (contract).

    Takes anything; what is not of the expected shape counts as absent.
    """
    return _classify(read_mapping(request))


def classify_request(request: ChatRequest) -> Classification:
    """The category of a request that the edge has checked."""
    return _classify(read_chat(request))


def _classify(prompt: Prompt) -> Classification:
    turn = read_turn(prompt.turns[0] if prompt.turns else "")
    language = detect(turn.text, turn.tokens)
    verdict = _of_prompt(prompt, turn, language)
    return Classification(
        category=verdict.category,
        confidence=round(min(0.99, max(0.05, verdict.confidence)), 2),
        reasoning=verdict.why,
        complexity=_complexity(verdict.category, turn, prompt.tokens),
        tokens=prompt.tokens,
        multimodal=prompt.attached,
        language=language.code,
        capabilities=_capabilities(verdict.category, prompt),
    )


def _of_prompt(prompt: Prompt, turn: Turn, language: Language) -> _Verdict:
    """What is certain from the request's form, else what its words say."""
    if prompt.image_age is not None:
        here = prompt.image_age == 0
        where = "attached" if here else "in the conversation"
        return _Verdict(Category.VISION_IN, 0.98 if here else 0.9, f"an image is {where}")
    if prompt.tokens > LONG_CONTEXT_TOKENS:
        return _Verdict(
            Category.LONG_CONTEXT, 0.97, f"about {prompt.tokens} tokens, over {LONG_CONTEXT_TOKENS}"
        )
    verdict = _of_turn(turn, language, prompt.tools)
    if len(prompt.turns) > 1 and _follows_up(turn, verdict):
        return _inherit(prompt, turn, verdict)
    return verdict


def _of_turn(turn: Turn, language: Language, tools: bool) -> _Verdict:
    """The first category whose signal decides, in the order of R3."""
    video, picture = asks_for_media(turn)
    if video.score >= DECIDES:
        return _Verdict(Category.VIDEO_GEN, video.score, video.why)
    if picture.score >= DECIDES:
        return _Verdict(Category.IMAGE_GEN, picture.score, picture.why)
    if tools:
        return _Verdict(Category.AGENTIC, 0.95, "tools are given")
    action = acts_outside(turn)
    if action.score >= DECIDES:
        return _sure(Category.AGENTIC, action, video.score, picture.score)
    foreign = _foreign(language)
    wanted = asks_for_language(turn)
    if max(foreign.score, wanted.score) >= DECIDES:
        by_language = foreign.score > wanted.score
        verdict = _sure(Category.MULTILINGUAL, foreign if by_language else wanted, action.score)
        return verdict._replace(by_language=by_language)
    return _of_topic(turn, max(picture.score, action.score, foreign.score, wanted.score))


def _of_topic(turn: Turn, doubt: float) -> _Verdict:
    """CODING, REASONING, COMPLEX, or how much effort a plain answer takes."""
    ranked = (
        (Category.CODING, is_code(turn)),
        (Category.REASONING, is_reasoning(turn)),
        (Category.COMPLEX, is_complex(turn)),
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
    category, signal = simple_or_medium(turn)
    return _sure(category, signal, doubt)


def _sure(category: Category, signal: Signal, *doubts: float) -> _Verdict:
    return _Verdict(category, signal.score - _DOUBT * max(doubts), signal.why)


def _foreign(language: Language) -> Signal:
    if language.code in ("en", "und"):
        return NONE
    return Signal(language.confidence, f"written in another language ({language.code})")


def _follows_up(turn: Turn, verdict: _Verdict) -> bool:
    """Whether a turn only makes sense together with what was asked before it."""
    lead = turn.lead
    if turn.length == 0 or turn.length > 14 or lead is None or verdict.why == "small talk":
        return False
    if verdict.category not in _PLAIN and verdict.confidence >= 0.6:
        return False
    plain = [token for token in turn.tokens if token[0].isalnum()]
    if " ".join(plain[:2]) in _OPENERS:
        return True
    if lead.kind is Kind.QUESTION:
        return turn.length <= 2 or not _POINTERS.isdisjoint(plain)
    if lead.verb in _CHANGES:
        return True
    return plain[0] in _FOLLOW_STARTS or (turn.length <= 8 and not _POINTERS.isdisjoint(plain))


def _inherit(prompt: Prompt, turn: Turn, own: _Verdict) -> _Verdict:
    """The category of the last turn that stands by itself, unless the follow-up asks something."""
    question = turn.lead is not None and turn.lead.kind is Kind.QUESTION
    for text in prompt.turns[1:]:
        before = read_turn(text)
        verdict = _of_turn(before, detect(before.text, before.tokens), False)
        if _follows_up(before, verdict):
            continue
        if verdict.by_language or (question and verdict.category in _MEDIA):
            return own
        if verdict.category is Category.SIMPLE:
            return own
        confidence = verdict.confidence * _INHERITED
        return _Verdict(verdict.category, confidence, f"follows up on: {verdict.why}")
    return own


def _complexity(category: Category, turn: Turn, tokens: int) -> Complexity:
    """R3.5 by category first, then by how much is asked."""
    if category is Category.SIMPLE:
        return Complexity.LOW
    if category in (Category.COMPLEX, Category.LONG_CONTEXT):
        return Complexity.HIGH
    if turn.length > 90 or tokens > 2500:
        return Complexity.HIGH
    if turn.length <= 8 and not turn.fenced:
        return Complexity.LOW
    return Complexity.MEDIUM


_BY_CATEGORY: Final = {
    Category.IMAGE_GEN: frozenset({Capability.IMAGE_GEN}),
    Category.VIDEO_GEN: frozenset({Capability.VIDEO_GEN}),
    Category.VISION_IN: frozenset({Capability.TEXT, Capability.VISION}),
}
_TEXT: Final = frozenset({Capability.TEXT})


def _capabilities(category: Category, prompt: Prompt) -> frozenset[Capability]:
    needed = _BY_CATEGORY.get(category, _TEXT)
    return needed | {Capability.AUDIO_IN} if prompt.audio else needed
