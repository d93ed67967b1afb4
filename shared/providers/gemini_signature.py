"""Thought signatures on their way through a stateless OpenAI client and back.

Gemini signs the first tool call of a step; from Gemini 3 on it answers 400 when the signature does
not come back unchanged (ai.google.dev, Thought signatures). OpenAI's format has no place for it, so
it travels twice: as ``extra_content.google.thought_signature`` on the tool call, which is where
Google's own OpenAI door puts it, and, because many clients drop fields they do not know, inside
the tool call's id. Where neither came back, or another provider wrote the call, the signature
that Google documents for histories from elsewhere stands in.
"""

from __future__ import annotations

from typing import Literal

from shared.messages import JsonObject

# What a model makes of signatures on replayed tool calls; see ``gemini_traits``.
Signing = Literal["needed", "kept", "none"]

# Both this and "context_engineering_is_the_way_to_go" are documented; this one is taken by the
# Gemini API and by Vertex AI.
SKIP_VALIDATION = "skip_thought_signature_validator"
_MARK = "~ts_"
# Ids are repeated in the tool's answer, so a long signature would be sent three times. Longer
# ones rely on ``extra_content`` alone.
_MAX_IN_ID = 2048


def sign(call: JsonObject, call_id: str, signature: str | None) -> None:
    """Set the id of an OpenAI tool call, with its signature in both places."""
    if signature is None:
        call["id"] = call_id
        return
    call["extra_content"] = {"google": {"thought_signature": signature}}
    plain = signature.isascii() and signature.isprintable() and " " not in signature
    fits = plain and 0 < len(signature) <= _MAX_IN_ID
    call["id"] = f"{call_id}{_MARK}{signature}" if fits else call_id


def signature_of(call: JsonObject) -> str | None:
    """The signature a client sent back on a tool call; None where it is lost or never was."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    if isinstance(signature, str) and signature:
        return signature
    call_id = call.get("id")
    if isinstance(call_id, str):
        return call_id.partition(_MARK)[2] or None
    return None


def bare_id(call_id: str) -> str:
    """The id without a signature: what the provider itself called the tool call."""
    return call_id.partition(_MARK)[0]
