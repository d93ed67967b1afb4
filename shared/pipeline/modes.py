"""Which safety measures are in force (contract, ``safety``; R2.10)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from shared.classify import Classification
from shared.config import RuntimeConfig
from shared.messages import ChatRequest

InjectionMode = Literal["off", "flag", "block"]
PersonalMode = Literal["off", "flag", "redact", "block"]


class Modes(Struct, frozen=True):
    """What is in force: the guard, and the modes of the two screens (contract, ``safety``)."""

    guard: bool
    injection: InjectionMode
    personal: PersonalMode

    @property
    def idle(self) -> bool:
        """Whether nothing looks at anything."""
        return not self.guard and self.injection == "off" and self.personal == "off"


OFF = Modes(False, "off", "off")


def modes_of(config: RuntimeConfig) -> Modes:
    """The guard's flag, and the screens: as configured, else on with the guard and off without
    (R2, decision)."""
    guard, safety = config.flags.ENABLE_SAFETY_GUARD, config.safety
    return Modes(
        guard,
        safety.injection or ("block" if guard else "off"),
        safety.pii or ("redact" if guard else "off"),
    )


def wants_opinion(request: ChatRequest, local: Classification) -> bool:
    """Whether a model is asked for the category too: the choice is ours and we are unsure."""
    return (
        local.unsure and request.options.classifier != "local" and request.model.lower() == "auto"
    )
