"""The two ways to speak with a guard: what it is sent, and what its answer means.

What is read is read leniently, because models wrap JSON in fences, think aloud before it or answer
in a word; what is not surely a verdict is none, and the next guard is asked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from hashlib import blake2b

from msgspec import Struct

from shared.messages import JsonObject, JsonValue
from shared.model import Feature, ModelCard
from shared.safety.guard_data import GuardTerms, hazards, policy
from shared.safety.verdict import Hazard, Severity, Stage

# What our policy's own words for its certainty are worth (reference/providers.md, 4.3).
SAID = {"low": 0.5, "medium": 0.75, "high": 0.95}
SCHEMA_NAME = "safety_verdict"
_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "violation": {"type": "integer", "enum": [0, 1]},
        "category": {"type": ["string", "null"], "enum": [*(h.value for h in Hazard), None]},
        "severity": {"type": ["string", "null"], "enum": [*(s.value for s in Severity), None]},
        "confidence": {"type": "string", "enum": list(SAID)},
        "rationale": {"type": "string"},
    },
    "required": ["violation", "category", "severity", "confidence", "rationale"],
    "additionalProperties": False,
}
_CODE = re.compile(r"\bS(1[0-4]|[1-9])\b", re.IGNORECASE)
_FLAGS = ("violation", "flagged", "unsafe", "violates")
_SAFE_WORDS = frozenset({"safe", "benign", "allowed", "ok", "0", "no", "false"})
_UNSAFE_WORDS = frozenset({"unsafe", "violation", "violating", "blocked", "1", "yes", "true"})
# Other names that models give our seven categories.
_ALIASES = {
    "HATE": Hazard.HATE_SPEECH,
    "SEXUAL": Hazard.SEXUAL_CONTENT,
    "SEXUALLY_EXPLICIT": Hazard.SEXUAL_CONTENT,
    "SUICIDE": Hazard.SELF_HARM,
    "SELFHARM": Hazard.SELF_HARM,
    "DANGEROUS": Hazard.DANGEROUS_CONTENT,
    "WEAPONS": Hazard.DANGEROUS_CONTENT,
    "ILLEGAL": Hazard.ILLEGAL_ACTIVITY,
    "ILLICIT": Hazard.ILLEGAL_ACTIVITY,
}


class Finding(Struct, frozen=True):
    """What a guard's answer says. ``said`` is its own certainty in [0, 1], None where it gave
    none; ``severity`` None where it named none."""

    unsafe: bool
    hazard: Hazard | None = None
    severity: Severity | None = None
    said: float | None = None


class Piece(Struct, frozen=True):
    """What is judged in one call: a text, what came before it (not judged), image parts."""

    stage: Stage
    text: str
    context: str = ""
    images: tuple[JsonObject, ...] = ()


def messages_for(terms: GuardTerms, piece: Piece, *, effort: str = "") -> list[JsonObject]:
    """The messages of a call. The text stands in them exactly as it is. ``effort``: a reasoning
    effort to ask for in words, of models that know no field for it (gpt-oss: "Reasoning: low")."""
    if terms.speaks == "llama_guard":
        return _conversation(piece)
    side = "what a user writes" if piece.stage is Stage.INPUT else "what an assistant answers"
    said = f"Judge {side}.\n\n"
    if piece.context:
        said += f"CONTEXT (not judged):\n{piece.context}\n\n"
    mark = _mark(piece.text)
    said += f"<<<{mark}\n{piece.text}\n{mark}>>>"
    content: JsonValue = said
    if piece.images:
        content = [{"type": "text", "text": said}, *piece.images]
    rules = f"Reasoning: {effort}\n\n{policy()}" if effort else policy()
    return [{"role": "system", "content": rules}, {"role": "user", "content": content}]


def _mark(text: str) -> str:
    """The code around a text. It is a hash of the text, so nobody can write a text that ends with
    its own code and goes on as instructions."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _conversation(piece: Piece) -> list[JsonObject]:
    """Llama Guard judges the last message: a user's, or an assistant's after what it answers."""
    if piece.stage is Stage.OUTPUT:
        asked = piece.context or "..."
        return [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": piece.text},
        ]
    content: JsonValue = piece.text
    if piece.images:
        content = [{"type": "text", "text": piece.text}, *piece.images]
    return [{"role": "user", "content": content}]


def fields_for(terms: GuardTerms, card: ModelCard) -> JsonObject:
    """What else the call's body holds, by what the model can."""
    fields: JsonObject = {"temperature": 0}
    if terms.effort in card.reasoning_efforts:
        fields["reasoning_effort"] = terms.effort
    if Feature.LOGPROBS in card.features:
        fields["logprobs"] = True
    if terms.speaks == "policy" and Feature.JSON_SCHEMA in card.features:
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": SCHEMA_NAME, "schema": _SCHEMA, "strict": True},
        }
    elif terms.speaks == "policy" and Feature.JSON_OBJECT in card.features:
        fields["response_format"] = {"type": "json_object"}
    return fields


def read(text: str) -> Finding | None:
    """What an answer means, in whichever convention it came; None: nothing that is a verdict."""
    data = _json_in(text)
    if data is not None:
        return _from_json(data)
    return _from_words(text)


def _from_words(text: str) -> Finding | None:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return None
    first = lines[0].strip("`*_.\"' :").lower().replace("_", " ")
    word = first.split()[0].strip(",.:;") if first else ""
    if word in _SAFE_WORDS and (len(first.split()) == 1 or word == "safe"):
        return Finding(unsafe=False)
    if word not in _UNSAFE_WORDS or (
        len(first.split()) > 1 and word not in ("unsafe", "violation")
    ):
        return None
    codes = [f"S{number}" for number in _CODE.findall(text)]
    terms = [hazards()[code] for code in codes]
    if terms:
        worst = max(terms, key=lambda one: list(Severity).index(one.severity))
        return Finding(unsafe=True, hazard=worst.category, severity=worst.severity)
    return Finding(unsafe=True, hazard=_hazard(" ".join(lines[1:2])))


def _from_json(data: Mapping[str, object]) -> Finding | None:
    unsafe: bool | None = None
    for name in _FLAGS:
        if name in data:
            unsafe = _flag(data[name])
            break
    else:
        if "safe" in data:
            safe = _flag(data["safe"])
            unsafe = None if safe is None else not safe
        else:
            for name in ("verdict", "label", "result", "decision"):
                word = str(data.get(name, "")).strip().lower()
                if word in _UNSAFE_WORDS or word in _SAFE_WORDS:
                    unsafe = word in _UNSAFE_WORDS
                    break
    if unsafe is None:
        return None
    hazard = _hazard(str(data.get("category") or data.get("policy_category") or ""))
    severity = str(data.get("severity") or "").upper()
    return Finding(
        unsafe,
        hazard,
        Severity(severity) if severity in Severity.__members__ else None,
        _certainty(data.get("confidence")),
    )


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value > 0
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "violation", "unsafe"):
        return True
    return False if word in ("0", "false", "no", "none", "safe") else None


def _hazard(text: str) -> Hazard | None:
    name = re.sub(r"[^A-Z]+", "_", text.strip().upper()).strip("_")
    if name in Hazard.__members__:
        return Hazard(name)
    code = _CODE.fullmatch(text.strip())
    if code is not None:
        return hazards()[f"S{code[1]}"].category
    return next((found for alias, found in _ALIASES.items() if name.startswith(alias)), None)


def _certainty(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # Compared before it is made a float: JSON's whole numbers have no largest.
        return float(value) if 0 <= value <= 1 else None
    return SAID.get(str(value).strip().lower())


def _json_in(text: str) -> Mapping[str, object] | None:
    """The last JSON object that stands in a text by itself, in a fence or after thinking."""
    decoder = json.JSONDecoder()
    at, found = text.find("{"), None
    tries = 0
    while at >= 0 and tries < 50:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                found = value
        at = text.find("{", end)
    return found


def probability(logprobs: JsonValue, *, unsafe: bool) -> float | None:
    """How likely the model itself found the verdict it gave: the probability of the token that
    says it (``safe``, ``unsafe``, ``0`` or ``1``); None where the provider gave none."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return None
    words = ("unsafe", "un", "1", "true") if unsafe else ("safe", "0", "false")
    for token in content:
        if not isinstance(token, dict):
            continue
        word, value = token.get("token"), token.get("logprob")
        if (
            isinstance(word, str)
            and word.strip().strip("\"'").lower() in words
            and isinstance(value, int | float)
            and value <= 0
        ):
            return math.exp(value)
    return None
