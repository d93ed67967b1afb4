"""What simulated guards say: a judgement by a few phrases, so that a block can be seen.

A stand-in, and no guard: it knows these phrases and nothing else. ``[[unsafe:VIOLENCE]]`` in a
text, with any of the seven categories, has it called unsafe wherever it stands;
``[[unsafe-answer:VIOLENCE]]`` only in what a model answers, so that a blocked answer can be shown.
"""

from __future__ import annotations

import json
import re

from local.sim.prompt import SimPrompt

# How our policy begins (shared/safety/policy.txt): what is asked to keep to it is a guard.
_POLICY = "You are a content safety classifier."
_ANSWERED = "Judge what an assistant answers."
_FRAME = re.compile(r"<<<(\w+)\n(.*)\n\1>>>", re.DOTALL)
_MARK = re.compile(r"\[\[unsafe(-answer)?:([A-Z_]+)\]\]")
# Phrase, category, severity, and Llama Guard's code for it.
_PHRASES = (
    (r"(build|make) a (pipe )?bomb|nerve (gas|agent)", "DANGEROUS_CONTENT", "CRITICAL", "S9"),
    (r"(kill|stab|poison) my (neighbour|neighbor|boss|wife|husband)", "VIOLENCE", "HIGH", "S1"),
    (r"(are|is) (all )?(vermin|subhuman)", "HATE_SPEECH", "HIGH", "S10"),
    (r"explicit sex scene", "SEXUAL_CONTENT", "MEDIUM", "S12"),
    (r"how (do i|to|can i) (kill|cut|hurt) myself", "SELF_HARM", "HIGH", "S11"),
    (r"(dox|blackmail|stalk) (him|her|them|my)", "HARASSMENT", "HIGH", "S7"),
    (r"(launder money|steal a car|counterfeit money)", "ILLEGAL_ACTIVITY", "HIGH", "S2"),
)
_KNOWN = [
    (re.compile(phrase, re.IGNORECASE), category, severity)
    for phrase, category, severity, _ in _PHRASES
]
_CODES = {category: code for _, category, _, code in _PHRASES}


def is_guard(prompt: SimPrompt) -> bool:
    """Whether a guard is asked for a judgement."""
    return _is_llama_guard(prompt) or _POLICY in prompt.system[:80]


def judgement(prompt: SimPrompt) -> str:
    """What a guard says of the text in ``prompt``, in the convention it was asked in."""
    if _is_llama_guard(prompt):
        answered = bool(prompt.prefix)
        found = _found(prompt.prefix or prompt.user, answered)
        return "safe" if found is None else f"unsafe\n{_CODES[found[0]]}"
    framed = _FRAME.search(prompt.user)
    found = _found(framed.group(2) if framed else "", prompt.user.startswith(_ANSWERED))
    return json.dumps(
        {
            "violation": int(found is not None),
            "category": found[0] if found else None,
            "severity": found[1] if found else None,
            "confidence": "high",
            "rationale": "A phrase of the simulator's." if found else "Simulated: no such phrase.",
        }
    )


def _is_llama_guard(prompt: SimPrompt) -> bool:
    return "llama-guard" in prompt.model.lower()


def _found(text: str, answered: bool) -> tuple[str, str] | None:
    """Category and severity; None: safe."""
    for mark in _MARK.finditer(text):
        if mark.group(2) in _CODES and (answered or not mark.group(1)):
            return mark.group(2), "HIGH"
    for phrase, category, severity in _KNOWN:
        if phrase.search(text):
            return category, severity
    return None
