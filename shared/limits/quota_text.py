"""A quota document as text: compact JSON, a few bytes a bucket.

The newest grant's end is written as milliseconds after the commit that carries it, since only the
store knows when that will be; whoever reads the document learns it from the document's version.
"""

from __future__ import annotations

from typing import TypedDict

import orjson

from shared.errors import StoreUnavailable
from shared.limits.quota_state import TICK_MS, Amount, Grant, QuotaState, Scope
from shared.limits.quota_time import ROLLING

FORMAT = 1


class _ScopeText(TypedDict, total=False):
    """A scope; only what is set. Buckets and slots stand flat, three numbers each."""

    m: list[int]  # minute: latest ms after base, requests, tokens
    d: list[int]  # days: slot, requests, tokens
    c: list[int]  # month, characters
    z: str  # the day's turn
    l: dict[str, list[int]]  # noqa: E741  caps
    p: dict[str, list[int]]  # phantoms
    x: tuple[str, int]  # closed
    a: int  # alerted


class _GrantText(TypedDict, total=False):
    """A grant: sequence number, end, and amounts of three numbers each."""

    n: int
    e: int
    w: list[int]
    m: dict[str, list[int]]
    u: int  # counted as used
    q: dict[str, list[int]]  # wants
    k: int  # look


class _DocumentText(TypedDict):
    format: int
    base: int
    writer: str
    scopes: dict[str, _ScopeText]
    held: dict[str, _GrantText]


def write_state(state: QuotaState) -> str:
    """The document's text. The grant of ``state.writer`` has ``expires`` after the commit."""
    stamps = [bucket[0] for scope in state.scopes.values() for bucket in scope.minute.values()]
    base = max(stamps, default=0)
    document: _DocumentText = {
        "format": FORMAT,
        "base": base,
        "writer": state.writer,
        "scopes": {name: _scope_out(scope, base) for name, scope in state.scopes.items()},
        "held": {holder: _grant_out(grant) for holder, grant in state.held.items()},
    }
    return orjson.dumps(document).decode()


def read_state(text: str, committed: int) -> QuotaState:
    """The document that was committed at that time (ms, rounded up).

    Raises ``StoreUnavailable`` for a text that is none: guessing could exceed a limit.
    """
    try:
        document: _DocumentText = orjson.loads(text)
        if document["format"] != FORMAT:
            raise ValueError
        base, writer = document["base"], document["writer"]
        scopes = {name: _scope_in(scope, base) for name, scope in document["scopes"].items()}
        held = {holder: _grant_in(grant) for holder, grant in document["held"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise StoreUnavailable(
            "a quota document is not in a form this version can read; where no newer version "
            "runs beside it, an administrator may delete the document",
            retry_after=60.0,
        ) from None
    if writer in held:
        held[writer].expires += committed
    return QuotaState(scopes, held, writer)


def _scope_out(scope: Scope, base: int) -> _ScopeText:
    out: _ScopeText = {}
    minute: list[int] = []
    for stamp, requests, tokens in scope.minute.values():
        minute += (stamp - base, requests, tokens)
    if minute:
        out["m"] = minute
    days: list[int] = []
    for slot, (requests, tokens) in scope.days.items():
        days += (slot, requests, tokens)
    if days:
        out["d"] = days
    if scope.month:
        out["c"] = [scope.month, scope.characters]
    if scope.reset != ROLLING:
        out["z"] = scope.reset
    if scope.caps:
        out["l"] = {name: list(told) for name, told in scope.caps.items()}
    if scope.phantoms:
        out["p"] = {name: list(told) for name, told in scope.phantoms.items()}
    if scope.closed is not None:
        out["x"] = scope.closed
    if scope.alerted:
        out["a"] = 1
    return out


def _scope_in(raw: _ScopeText, base: int) -> Scope:
    scope = Scope(reset=raw.get("z", ROLLING), alerted="a" in raw)
    flat = raw.get("m", [])
    for place in range(0, len(flat), 3):
        stamp = flat[place] + base
        scope.minute[stamp // TICK_MS] = [stamp, flat[place + 1], flat[place + 2]]
    flat = raw.get("d", [])
    for place in range(0, len(flat), 3):
        scope.days[flat[place]] = [flat[place + 1], flat[place + 2]]
    if "c" in raw:
        scope.month, scope.characters = raw["c"]
    scope.caps = {name: (limit, until) for name, (limit, until) in raw.get("l", {}).items()}
    scope.phantoms = {name: (used, until) for name, (used, until) in raw.get("p", {}).items()}
    if "x" in raw:
        reason, until = raw["x"]
        scope.closed = (reason, until)
    return scope


def _grant_out(grant: Grant) -> _GrantText:
    out: _GrantText = {"n": grant.seq, "e": grant.expires, "w": _amount_out(grant.whole)}
    if grant.models:
        out["m"] = {name: _amount_out(part) for name, part in grant.models.items()}
    if grant.counted:
        out["u"] = 1
    if grant.look:
        out["q"] = {name: _amount_out(part) for name, part in grant.wants.items()}
        out["k"] = grant.look
    return out


def _grant_in(raw: _GrantText) -> Grant:
    models = {name: Amount(*part) for name, part in raw.get("m", {}).items()}
    wants = {name: Amount(*part) for name, part in raw.get("q", {}).items()}
    return Grant(raw["n"], raw["e"], Amount(*raw["w"]), models, "u" in raw, wants, raw.get("k", 0))


def _amount_out(amount: Amount) -> list[int]:
    return [amount.requests, amount.tokens, amount.characters]
