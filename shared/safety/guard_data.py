"""Guards, hazards and our policy as data, read when the first text is judged (R2, R11)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import orjson
from msgspec import Meta, Struct

from shared.checking import checked
from shared.safety.verdict import Hazard, Severity
from shared.tokens import estimate_tokens

FOLDER = Path(__file__).parent
T = TypeVar("T")


class GuardTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """One guard of the chain: a catalog id and how it is spoken to.

    ``speaks``: ``llama_guard`` (the conversation in, ``safe`` or ``unsafe`` with codes out) or
    ``policy`` (our policy and the text in, JSON out; any instruct model can). ``max_tokens`` is the
    longest answer, thinking included; ``effort`` the reasoning effort asked for.
    """

    model: str
    speaks: Literal["llama_guard", "policy"]
    max_tokens: Annotated[int, Meta(ge=16, le=4096)]
    sees_images: bool = False
    effort: str = ""


class HazardTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """What one of Llama Guard's codes means to us (reference: model card of Llama Guard 4, the
    MLCommons taxonomy; category and severity are ours)."""

    name: str
    category: Hazard
    severity: Severity


class GuardDataError(Exception):
    """A data file of this room is wrong."""


@cache
def guards() -> tuple[GuardTerms, ...]:
    """The chain, first asked first. Raises ``GuardDataError``."""
    return _read("guards.json", tuple[GuardTerms, ...])


@cache
def hazards() -> dict[str, HazardTerms]:
    """By code, ``S1`` to ``S14``. Raises ``GuardDataError``."""
    return _read("hazards.json", dict[str, HazardTerms])


@cache
def policy() -> str:
    """What policy models are told."""
    return (FOLDER / "policy.txt").read_text(encoding="utf-8").strip()


@cache
def policy_tokens() -> int:
    """Estimated tokens of the policy."""
    return estimate_tokens(policy())


def _read(name: str, shape: type[T]) -> T:
    found, problems = checked(orjson.loads((FOLDER / name).read_bytes()), shape)
    if found is None:
        raise GuardDataError(
            "; ".join(f"{name} {'.'.join(path)}: {said}" for path, said in problems)
        )
    return found
