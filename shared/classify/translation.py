"""Whether a turn asks for another language (R3, category 6)."""

from __future__ import annotations

from shared.classify.turn import Head, Kind, Turn
from shared.classify.words import NONE, Signal, words

LANGUAGE_NAMES = words(
    "spanish french german italian portuguese dutch swedish danish norwegian finnish polish "
    "czech slovak hungarian romanian bulgarian greek turkish russian ukrainian serbian croatian "
    "arabic hebrew persian farsi urdu hindi bengali tamil telugu thai vietnamese indonesian "
    "malay tagalog chinese mandarin cantonese japanese korean swahili latin catalan basque welsh "
    "irish icelandic esperanto punjabi marathi gujarati yoruba zulu afrikaans albanian armenian "
    "georgian deutsch español français italiano"
)
_TRANSLATE = words("translate translated translation translating translator traduce traduis")
_SAYING = words("say said call called write written spell pronounce express")
_WHAT = words("what what's whats")
_SPEAKING = words(
    "write say answer respond reply explain tell speak draft compose summarize summarise rewrite "
    "word phrase message poem email letter text sentence now it this that same repeat again mean"
)
# Translating into these is programming, into those mathematics or plain words.
_CODE = words(
    "python java javascript typescript c c++ c# rust go golang kotlin swift php ruby sql code "
    "pseudocode html bash scala haskell matlab r perl cobol assembly json"
)
_FIGURATIVE = words(
    "equation equations algebraic formula layman's layman logic symbols requirements strategy "
    "vector units lookaside coordinates notation numbers practice action"
)
_AFTER = words("please and but with for about to that who what using so instead too , only now")


def asks_for_language(turn: Turn) -> Signal:
    """How strongly the turn asks to translate, or to answer in a language that is not English."""
    vocabulary = turn.words
    named = not vocabulary.isdisjoint(LANGUAGE_NAMES)
    translating = not vocabulary.isdisjoint(_TRANSLATE)
    if not named and not translating:
        return NONE
    if translating and (signal := _translating(turn, named)) is not NONE:
        return signal
    return _named(turn) if named else NONE


def _translating(turn: Turn, named: bool) -> Signal:
    if not turn.words.isdisjoint(_FIGURATIVE):
        return NONE
    if not turn.words.isdisjoint(_CODE) and not named:
        return NONE
    if any(head.verb in _TRANSLATE and head.kind is Kind.ORDER for head in turn.heads):
        return Signal(0.95, "asks for a translation")
    if named or "english" in turn.words:
        return Signal(0.85, "speaks of a translation into a named language")
    return Signal(0.4, "mentions translation")


def _named(turn: Turn) -> Signal:
    tokens = turn.tokens
    for index, token in enumerate(tokens):
        if token not in LANGUAGE_NAMES or index == 0:
            continue
        before = tokens[index - 1]
        follow = tokens[index + 1] if index + 1 < len(tokens) else ""
        if before in ("in", "into", "to"):
            if follow and follow[0].isalnum() and follow not in _AFTER:
                continue  # "in Polish cities"
            return _in_language(turn, token, turn.lead)
        if follow in ("word", "words", "term", "translation", "equivalent", "phrase"):
            return Signal(0.9, f"asks for words of {token.capitalize()}")
        if before in ("my", "conjugate"):
            return Signal(0.6, f"works on {token.capitalize()} text")
    return NONE


def _in_language(turn: Turn, name: str, lead: Head | None) -> Signal:
    language = name.capitalize()
    if lead is not None and lead.kind is Kind.QUESTION:
        if turn.words.isdisjoint(_SAYING) and (turn.length > 8 or lead.verb not in _WHAT):
            return Signal(0.45, f"mentions {language}")
        return Signal(0.92, f"asks how to say something in {language}")
    if turn.length <= 6 or not turn.words.isdisjoint(_SPEAKING):
        return Signal(0.88, f"wants an answer in {language}")
    return Signal(0.6, f"may want an answer in {language}")
