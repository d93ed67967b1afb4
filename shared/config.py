"""The runtime configuration: its schema, its defaults, and how it is read and merged.

Changed by administrators while the functions run (contract, Runtime configuration); refused whole,
with every problem listed, where anything in it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.checking import checked
from shared.model import Capability, Category

ProviderName = Literal["groq", "cerebras", "google", "huggingface", "elevenlabs", "local"]


class SettingsError(Exception):
    """The environment or configuration is wrong; ``problems`` lists everything, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Flags(Struct, frozen=True, forbid_unknown_fields=True):
    """R19. Defaults as in the contract's Environment."""

    ENABLE_SAFETY_GUARD: bool = True
    ENABLE_MEMORY_SYSTEM: bool = True
    ENABLE_VIDEO_GENERATION: bool = False
    ENABLE_COMPUTER_USE: bool = False


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule entry applies only where this holds (R4, decision on conditions).

    TIME_OF_DAY compares the UTC hour (0-23); IN takes a list, the others one value.
    """

    field: Literal["TOKEN_COUNT", "PROVIDER_AVAILABLE", "TIME_OF_DAY", "USER_TIER"]
    op: Literal["GT", "LT", "EQ", "IN"]
    value: int | str | bool | list[int | str]


class RuleEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One model of a rule. Higher ``priority`` comes first."""

    model: str
    priority: Annotated[int, Meta(ge=0, le=1000)]
    conditions: tuple[Condition, ...] = ()


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule of one category; ``max_attempts`` (1-20) is R5.10."""

    entries: Annotated[tuple[RuleEntry, ...], Meta(min_length=1)]
    max_attempts: Annotated[int, Meta(ge=1, le=20)] = 6
    note: str = ""


# Far above any provider's limit, and far below what the stores can count to.
Count = Annotated[int, Meta(ge=0, le=10**12)]
PerMinute = Annotated[int, Meta(ge=1, le=10**6)]


class LimitOverride(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of ``limits``: replaces what the catalog says (contract, Runtime configuration)."""

    rpm: Count | None = None
    rpd: Count | None = None
    tpm: Count | None = None
    tpd: Count | None = None
    characters_per_month: Count | None = None


class ClientLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests a minute (R18.6, 18.7)."""

    user_rpm: PerMinute = 10
    ip_rpm: PerMinute = 50
    ip_signed_in_rpm: PerMinute = 600


class ModelOverride(Struct, frozen=True, forbid_unknown_fields=True):
    """What an administrator says of one model; it wins over the catalog."""

    enabled: bool = True
    dead: bool = False
    replacement: str | None = None
    capabilities: frozenset[Capability] | None = None


class Rollout(Struct, frozen=True, forbid_unknown_fields=True):
    """R26.4, R26.10."""

    v33_percent: Annotated[int, Meta(ge=0, le=100)] = 100
    rollback: bool = False


Seconds = Annotated[float, Meta(gt=0, le=540)]


class ProviderTimeouts(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds; what is None comes from the defaults beside it."""

    first_byte: Seconds | None = None
    plain_max: Seconds | None = None
    stall: Seconds | None = None
    connect: Seconds | None = None


class TimeoutConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds (contract, Chat): 4 to the first byte, at most 20 on a plain call.

    ``stall`` is the longest silence inside a stream; ``minimum`` is the least time an attempt
    needs to start (R5, decision).
    """

    first_byte: Seconds = 4.0
    plain_max: Seconds = 20.0
    stall: Seconds = 6.0
    connect: Seconds = 3.0
    minimum: Seconds = 0.5
    providers: dict[ProviderName, ProviderTimeouts] = {}

    def of(self, provider: str) -> ProviderTimeouts:
        """The four figures for one provider, none of them None."""
        own = _OWN_TIMEOUTS.get(provider, ProviderTimeouts())
        for name, configured in self.providers.items():
            if name == provider:
                own = ProviderTimeouts(
                    configured.first_byte or own.first_byte,
                    configured.plain_max or own.plain_max,
                    configured.stall or own.stall,
                    configured.connect or own.connect,
                )
        return ProviderTimeouts(
            first_byte=own.first_byte or self.first_byte,
            plain_max=own.plain_max or self.plain_max,
            stall=own.stall or self.stall,
            connect=own.connect or self.connect,
        )


# A model on the user's own machine may have to be loaded before its first token (contract, Chat).
_OWN_TIMEOUTS: dict[str, ProviderTimeouts] = {
    "local": ProviderTimeouts(first_byte=120.0, plain_max=120.0, stall=120.0)
}


class Safety(Struct, frozen=True, forbid_unknown_fields=True):
    """Screens (contract): personal data and prompt injection; None follows the guard's flag."""

    pii: Literal["off", "flag", "redact", "block"] | None = None
    injection: Literal["off", "flag", "block"] | None = None


class RuntimeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole runtime configuration (contract, Runtime configuration)."""

    flags: Flags = Flags()
    rules: dict[Category, Rule] = {}
    limits: dict[str, LimitOverride] = {}
    client_limits: ClientLimits = ClientLimits()
    paid_providers: Literal["all"] | frozenset[ProviderName] = frozenset()
    models: dict[str, ModelOverride] = {}
    rollout: Rollout = Rollout()
    timeouts: TimeoutConfig = TimeoutConfig()
    safety: Safety = Safety()

    def pays(self, provider: str) -> bool:
        """Whether the operator lets this provider's key be billed (contract, Money)."""
        return self.paid_providers == "all" or provider in self.paid_providers


def parse_config(data: Mapping[str, object]) -> RuntimeConfig:
    """A validated configuration. Raises ``SettingsError`` listing every problem with its path."""
    config, problems = survey_config(data)
    if problems:
        raise SettingsError(problems)
    return config


def survey_config(data: Mapping[str, object]) -> tuple[RuntimeConfig, list[str]]:
    """As much of a configuration as is right, and every problem of the rest with its path.

    Types are taken by the letter: true is no number and "5" is none, so that a slip is told and
    not obeyed.
    A wrong rule, model or limit is left out by itself, anything else with its section, so that
    what remains can be checked further in the same pass.
    """
    config, problems = checked(data, RuntimeConfig)
    rest = dict(data)
    for path, _ in problems:
        rest = _without(rest, path)
    if config is None:
        config = checked(rest, RuntimeConfig)[0]
    told = [f"{'.'.join(path) or 'configuration'}: {said}" for path, said in problems]
    return config if config is not None else RuntimeConfig(), told


# Sections whose entries stand alone.
_TABLES = frozenset({"rules", "limits", "models"})


def _without(data: dict[str, object], path: tuple[str, ...]) -> dict[str, object]:
    """``data`` without the entry or section that ``path`` leads into."""
    if not path:
        return {}
    section = data.get(path[0])
    left = {name: value for name, value in data.items() if name != path[0]}
    if path[0] in _TABLES and len(path) > 1 and isinstance(section, Mapping):
        left[path[0]] = {name: value for name, value in section.items() if name != path[1]}
    return left


def merge_patch(target: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """RFC 7396 JSON merge patch of two objects: null deletes, objects merge, the rest replaces."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge_patch(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
