"""The models that classify, as data, read when the first request is unsure (R3.1, R11)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import orjson
from msgspec import Meta, Struct

from shared.checking import checked

_FILE = Path(__file__).parent / "classifiers.json"


class ClassifierTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """One model that classifies. ``model`` is a catalog id; ``max_tokens`` its longest answer,
    thinking included; ``effort`` the reasoning effort asked for, where the model knows it."""

    model: str
    max_tokens: Annotated[int, Meta(ge=32, le=2048)]
    effort: str = ""


class ClassifierDataError(Exception):
    """The data file is wrong."""


@cache
def classifiers() -> tuple[ClassifierTerms, ...]:
    """Who is asked, first to last. Raises ``ClassifierDataError``."""
    return read_classifiers(_FILE.read_bytes())


def read_classifiers(data: bytes) -> tuple[ClassifierTerms, ...]:
    """The same of a file's contents."""
    found, problems = checked(orjson.loads(data), tuple[ClassifierTerms, ...])
    if found is None:
        raise ClassifierDataError(
            "; ".join(f"classifiers.json {'.'.join(path)}: {said}" for path, said in problems)
        )
    return found
