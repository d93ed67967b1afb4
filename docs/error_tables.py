"""The tables of ``docs/errors.md``, from the classes of ``shared/errors.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from shared import errors
from shared.edge.callable_status import STATUSES
from shared.errors import CodeexError, ProviderFailure, Retry, Scope

_RETRY_WORDS = {
    Retry.OTHER: "another model",
    Retry.OTHER_PROVIDER: "another provider",
    Retry.NONE: "no retry",
}
_SCOPE_WORDS = {Scope.REQUEST: "the request", Scope.MODEL: "the model", Scope.PROVIDER: "the key"}


def codes() -> list[list[str]]:
    """Code, status, Firebase's status and meaning of everything a client can be told."""
    rows = [(error.status, error.code, _first_line(error)) for error in _leaves(errors.CodeexError)]
    return [
        [f"`{code}`", str(status), _callable(code), text] for status, code, text in sorted(rows)
    ]


def _callable(code: str) -> str:
    status = STATUSES.get(code)
    return "a result" if status is None else f"`{status.name}`"


def outcomes() -> list[list[str]]:
    """Outcome, meaning, what follows and what it concerns, of every failed attempt."""
    rows: list[list[str]] = []
    for failure in _failures():
        again = ", the same later" if failure.retryable_same else ""
        rows.append(
            [
                f"`{failure.outcome}`",
                _first_line(failure),
                _RETRY_WORDS[failure.retry] + again,
                _SCOPE_WORDS[failure.scope],
                "yes" if failure.counts else "no",
            ]
        )
    return sorted(rows)


def _leaves(base: type[CodeexError]) -> Iterator[type[CodeexError]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, base) and kind is not base:
            yield kind


def _failures() -> Iterator[type[ProviderFailure]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, ProviderFailure) and kind is not ProviderFailure:
            yield kind


def _first_line(kind: type[Exception]) -> str:
    text = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("``", "`")
    return " ".join(text.split())
