"""The local classifier: R3's categories in the order of its decision, first match wins.

It costs some tens of microseconds, needs no provider, and says honestly how sure it is: near misses
of an earlier category lower the confidence of what is chosen after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.classify.judge import judge_turn
from shared.classify.language import Language, detect
from shared.classify.reading import Prompt, read_chat, read_mapping
from shared.classify.result import Classification, Complexity
from shared.classify.rules import Verdict, by_rules, look
from shared.classify.turn import Kind, Turn, read_turn
from shared.classify.words import words
from shared.messages import ChatRequest
from shared.model import Capability, Category

# R3, decision: more tokens than this need a long window.
LONG_CONTEXT_TOKENS = 100_000
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


def _of_prompt(prompt: Prompt, turn: Turn, language: Language) -> Verdict:
    """What is certain from the request's form, else what its words say."""
    if prompt.image_age is not None:
        here = prompt.image_age == 0
        where = "attached" if here else "in the conversation"
        return Verdict(Category.VISION_IN, 0.98 if here else 0.9, f"an image is {where}")
    if prompt.tokens > LONG_CONTEXT_TOKENS:
        return Verdict(
            Category.LONG_CONTEXT, 0.97, f"about {prompt.tokens} tokens, over {LONG_CONTEXT_TOKENS}"
        )
    verdict = judge_turn(turn, language, prompt.tools)
    if len(prompt.turns) > 1 and _follows_up(turn, language, prompt.tools):
        return _inherit(prompt, turn, verdict)
    return verdict


def _follows_up(turn: Turn, language: Language, tools: bool) -> bool:
    """Whether a turn only makes sense together with what was asked before it.

    The rules alone say whether it asks for something special by itself: the weights would take
    "now add a test" for an errand.
    """
    lead = turn.lead
    if turn.length == 0 or turn.length > 14 or lead is None:
        return False
    verdict = by_rules(look(turn, language), tools=tools)
    if verdict.why == "small talk":
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


def _inherit(prompt: Prompt, turn: Turn, own: Verdict) -> Verdict:
    """The category of the last turn that stands by itself, unless the follow-up asks something."""
    question = turn.lead is not None and turn.lead.kind is Kind.QUESTION
    for text in prompt.turns[1:]:
        before = read_turn(text)
        language = detect(before.text, before.tokens)
        if _follows_up(before, language, False):
            continue
        verdict = judge_turn(before, language, False)
        if verdict.by_language or (question and verdict.category in _MEDIA):
            return own
        if verdict.category is Category.SIMPLE:
            return own
        confidence = verdict.confidence * _INHERITED
        return Verdict(verdict.category, confidence, f"follows up on: {verdict.why}")
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
