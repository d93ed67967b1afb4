"""Simple or medium: how much an answer asks for where nothing more special does (R3)."""

from __future__ import annotations

from shared.classify.turn import Kind, Turn
from shared.classify.words import Signal, words
from shared.model import Category

_SMALL_TALK = words(
    "doing going feeling things nice to meet meeting i i'm good fine hi hello hey there thanks "
    "thank you thx bye goodbye good morning evening night afternoon how are today ok okay yes no "
    "cool great nice awesome perfect that's that was all lol sorry how's welcome your name "
    "what's sup is it so very much a lot helpful for the help"
)
_GREETINGS = words("hi hello hey thanks thank bye goodbye good yo thx")
_ASKING_AFTER = (
    ["how", "are", "you"],
    ["how", "is", "it"],
    ["what", "is", "up"],
    ["how's", "it", "going"],
)
_FACT_HEADS = words(
    "who who's whose what what's when where which is are was were does did do how define has can "
    "name list"
)
_OPEN = words(
    "difference differences causes cause why benefits tips should compare best ideas advice feel "
    "important impact effects reasons advantages disadvantages considerations strategies prepare "
    "story meaning significance role relationship improve makes mind work works happen happens "
    "affect symbolism approach get"
)
_QUANTITIES = words("many much old tall far long big high deep heavy fast often wide")
_SPELLING = words("spell spelled spelling pronounce pronounced")
_SEVERAL = words("good some common effective popular key main great typical examples ways")
_EDITS = words(
    "fix correct capitalize capitalise spell shorten rephrase uppercase lowercase alphabetize "
    "proofread pluralize abbreviate make change replace remove"
)
_SMALL_THINGS = words(
    "typo typos sentence spelling grammar word synonym synonyms antonym antonyms rhymes "
    "punctuation line comma shorter title phrase"
)
_WRITING = words(
    "write explain describe draft compose summarize summarise discuss suggest recommend give "
    "tell help compare brainstorm paraphrase rewrite outline create design generate plan teach "
    "review elaborate imagine develop propose list"
)
_SHORT_FORMS = words("joke synonym antonym fact riddle pun")


def simple_or_medium(turn: Turn) -> tuple[Category, Signal]:
    """SIMPLE or MEDIUM; every turn is one of them."""
    lead, length, vocabulary = turn.lead, turn.length, turn.words
    if length == 0 or lead is None:
        return Category.SIMPLE, Signal(0.5 if length else 0.2, "no request to judge by")
    greets = not vocabulary.isdisjoint(_GREETINGS) or turn.tokens[lead.at :][:3] in _ASKING_AFTER
    if length <= 8 and greets and not vocabulary - _SMALL_TALK:
        return Category.SIMPLE, Signal(0.9, "small talk")
    if lead.verb in _EDITS and length <= 30 and not vocabulary.isdisjoint(_SMALL_THINGS):
        return Category.SIMPLE, Signal(0.75, "a small change to a line of text")
    if length <= 8 and not vocabulary.isdisjoint(_SHORT_FORMS | _SMALL_THINGS):
        return Category.SIMPLE, Signal(0.75, "asks for a line")
    if lead.verb in _EDITS and length <= 4:
        return Category.SIMPLE, Signal(0.6, "a small change")
    if turn.characters > 4000:
        return Category.MEDIUM, Signal(0.7, "works on a longer text")
    if lead.verb in _WRITING:
        return Category.MEDIUM, Signal(0.8, f"open writing or explanation ({lead.verb})")
    if lead.verb == "name" and length <= 12:
        return Category.SIMPLE, Signal(0.7, "asks for a name")
    if lead.kind is Kind.QUESTION or lead.verb == "define":
        return _question(turn, lead.verb, lead.at)
    if turn.tokens[:3] == ["yes", "or", "no"]:
        return Category.SIMPLE, Signal(0.75, "a yes or no question")
    if "?" in turn.tokens and length > 6:
        return Category.MEDIUM, Signal(0.65, "an open question")
    if length <= 4:
        return Category.SIMPLE, Signal(0.45, "a few words")
    return Category.MEDIUM, Signal(0.6 if length > 12 else 0.5, "an open request")


def _question(turn: Turn, verb: str, at: int) -> tuple[Category, Signal]:
    follow = turn.tokens[at + 1] if at + 1 < len(turn.tokens) else ""
    opens = not turn.words.isdisjoint(_OPEN)
    if not turn.words.isdisjoint(_SPELLING) and turn.length <= 10:
        return Category.SIMPLE, Signal(0.75, "asks for a spelling")
    personal = "i" in turn.tokens and turn.length > 5
    if verb != "how" and (personal or "how" in turn.words or "why" in turn.words):
        return Category.MEDIUM, Signal(0.7, "a question with more than one part")
    if verb == "what" and follow == "are" and not turn.words.isdisjoint(_SEVERAL):
        return Category.MEDIUM, Signal(0.7, "asks for several things")
    if verb in ("how", "how's") and follow not in _QUANTITIES:
        return Category.MEDIUM, Signal(0.8, "asks how")
    if verb == "why":
        return Category.MEDIUM, Signal(0.75, "asks why")
    if verb in _FACT_HEADS and turn.length <= 12 and not opens:
        return Category.SIMPLE, Signal(0.82, "a short question of fact")
    if verb in _FACT_HEADS and turn.length <= 16 and not opens:
        return Category.SIMPLE, Signal(0.6, "a question of fact")
    return Category.MEDIUM, Signal(0.7, "an open question")
