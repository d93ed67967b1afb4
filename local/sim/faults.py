"""Faults on demand: what a provider's simulator shall do wrong, for whom and how often.

A fault of a provider (no ``model``) hits everything that provider is asked. A fault with ``times``
or ``model`` hits calls of models only, so that a look at the model list does not use it up.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from shared.messages import JsonObject, JsonValue

Kind = Literal["status", "hang", "cut", "slow", "garbage"]
KINDS: tuple[Kind, ...] = ("status", "hang", "cut", "slow", "garbage")
_FIELDS = (
    "provider",
    "model",
    "kind",
    "status",
    "retry_after",
    "after_bytes",
    "delay_ms",
    "times",
    "probability",
)
_MOST_FAULTS = 200
_DEFAULT_STATUS = 503
_DEFAULT_CUT_BYTES = 200
_DEFAULT_SLOW_MS = 2_000


class FaultError(ValueError):
    """The description of a fault is wrong; ``param`` names the field."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(slots=True)
class Fault:
    """One fault.

    ``status``: answers with ``status`` and the provider's own error body (``retry_after``: the
    provider's wait hint, seconds). ``hang``: silence, at once or behind ``after_bytes`` bytes of
    the right answer. ``cut``: the connection breaks behind ``after_bytes`` bytes (0: before the
    status line). ``slow``: ``delay_ms`` before the first byte, and as long again over the rest of a
    stream. ``garbage``: bytes that are not the wire format, behind ``after_bytes`` bytes of the
    right answer. ``delay_ms`` waits before any
    kind. ``times``: how often it strikes (None: until cleared); ``probability``: of each call.
    """

    id: str
    provider: str
    kind: Kind
    model: str | None = None
    status: int = _DEFAULT_STATUS
    retry_after: float | None = None
    after_bytes: int = 0
    delay_ms: int = 0
    times: int | None = None
    probability: float = 1.0
    struck: int = field(default=0)

    def to_json(self) -> JsonObject:
        """As it was set, with what it did so far."""
        shown: JsonObject = {"id": self.id, "provider": self.provider, "kind": self.kind}
        if self.kind == "status":
            shown["status"] = self.status
        for name in ("model", "retry_after", "times"):
            value = getattr(self, name)
            if value is not None:
                shown[name] = value
        return {
            **shown,
            "after_bytes": self.after_bytes,
            "delay_ms": self.delay_ms,
            "probability": self.probability,
            "struck": self.struck,
        }


class Faults:
    """The faults that are set. ``rng`` decides about ``probability``."""

    def __init__(
        self,
        providers: tuple[str, ...],
        knows_model: Callable[[str, str], bool],
        rng: random.Random,
    ) -> None:
        self._providers = providers
        self._knows_model = knows_model
        self._rng = rng
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(self, described: JsonValue) -> Fault:
        """Set the fault that the JSON object describes. Raises ``FaultError``."""
        if len(self._faults) >= _MOST_FAULTS:
            raise FaultError(f"there are {_MOST_FAULTS} faults already; DELETE /sim/faults clears")
        fault = self._parse(described)
        self._faults.append(fault)
        return fault

    def clear(self, provider: str | None = None) -> int:
        """Remove all faults, or one provider's; how many these were. Raises ``FaultError``."""
        if provider is not None and provider not in self._providers:
            raise FaultError(self._unknown_provider(provider), "provider")
        kept = [f for f in self._faults if provider is not None and f.provider != provider]
        removed = len(self._faults) - len(kept)
        self._faults = kept
        return removed

    def listed(self) -> list[JsonValue]:
        """Every fault that may still strike, oldest first."""
        return [fault.to_json() for fault in self._faults]

    def strike(self, provider: str, model: str | None, names: tuple[str, ...]) -> Fault | None:
        """The fault that hits this call, if any; oldest first.

        ``model`` is None for calls that name no model, ``names`` are the ids the model goes by.
        """
        for fault in self._faults:
            if fault.provider != provider:
                continue
            if model is None and (fault.model is not None or fault.times is not None):
                continue
            if fault.model is not None and fault.model not in names:
                continue
            if fault.probability < 1.0 and self._rng.random() >= fault.probability:
                continue
            fault.struck += 1
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._faults.remove(fault)
            return fault
        return None

    def _parse(self, described: JsonValue) -> Fault:
        if not isinstance(described, dict):
            raise FaultError("the body must be a JSON object that describes one fault")
        unknown = [name for name in described if name not in _FIELDS]
        if unknown:
            raise FaultError(
                f"unknown field {unknown[0][:80]!r}; known are {', '.join(_FIELDS)}",
                unknown[0][:80],
            )
        provider = described.get("provider")
        if not isinstance(provider, str) or provider not in self._providers:
            raise FaultError(self._unknown_provider(provider), "provider")
        kind = next((kind for kind in KINDS if kind == described.get("kind")), None)
        if kind is None:
            raise FaultError(f"kind must be one of {', '.join(KINDS)}", "kind")
        model = described.get("model")
        if model is not None and not (
            isinstance(model, str) and self._knows_model(provider, model)
        ):
            raise FaultError(f"model must be a model of {provider}, see GET /v1/models", "model")
        read = _Numbers(described)
        delay = read.whole("delay_ms", _DEFAULT_SLOW_MS if kind == "slow" else 0, 0, 600_000)
        return Fault(
            id=f"fault-{next(self._numbers)}",
            provider=provider,
            kind=kind,
            model=model,
            status=read.whole("status", _DEFAULT_STATUS, 400, 599),
            retry_after=read.number("retry_after", 0, 86_400),
            after_bytes=read.whole(
                "after_bytes", _DEFAULT_CUT_BYTES if kind == "cut" else 0, 0, 10_000_000
            ),
            delay_ms=delay,
            times=None if described.get("times") is None else read.whole("times", 1, 1, 1_000_000),
            probability=1.0 if (p := read.number("probability", 0, 1)) is None else p,
        )

    def _unknown_provider(self, given: JsonValue) -> str:
        shown = f"{given[:80]!r} is not" if isinstance(given, str) else "provider must be"
        if not self._providers:
            return f"{shown} a simulated provider: none is simulated (start with SIMULATE=all)"
        return f"{shown} one of the simulated providers: {', '.join(self._providers)}"


class _Numbers:
    def __init__(self, described: JsonObject) -> None:
        self._described = described

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self._described.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise FaultError(f"{name} must be a whole number from {low} to {high}", name)
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self._described.get(name)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
            or not low <= value <= high
        ):
            raise FaultError(f"{name} must be a number from {low:g} to {high:g}", name)
        return value
