"""The runtime configuration: its schema, its defaults, and how it is read and merged.

Changed by administrators while the functions run (contract, Runtime configuration); refused whole,
with every problem listed, where anything in it is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.model import Capability, Category

ProviderName = Literal["groq", "cerebras", "google", "huggingface", "elevenlabs", "local"]


class SettingsError(Exception):
    """The environment or configuration is wrong; ``problems`` lists everything, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Strict(BaseModel):
    # Validators are built on first use: an instance that nobody configures never needs most.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Flags(_Strict):
    """R19. Defaults as in the contract's Environment."""

    ENABLE_SAFETY_GUARD: bool = True
    ENABLE_MEMORY_SYSTEM: bool = True
    ENABLE_VIDEO_GENERATION: bool = False
    ENABLE_COMPUTER_USE: bool = False


class Condition(_Strict):
    """A rule entry applies only where this holds (R4, decision on conditions).

    TIME_OF_DAY compares the UTC hour (0-23); IN takes a list, the others one value.
    """

    field: Literal["TOKEN_COUNT", "PROVIDER_AVAILABLE", "TIME_OF_DAY", "USER_TIER"]
    op: Literal["GT", "LT", "EQ", "IN"]
    value: int | str | bool | list[int] | list[str]


class RuleEntry(_Strict):
    """One model of a rule. Higher ``priority`` comes first."""

    model: str
    priority: Annotated[int, Field(ge=0, le=1000)]
    conditions: tuple[Condition, ...] = ()


class Rule(_Strict):
    """The rule of one category; ``max_attempts`` (1-20) is R5.10."""

    entries: Annotated[tuple[RuleEntry, ...], Field(min_length=1)]
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 6
    note: str = ""


# Far above any provider's limit, and far below what the stores can count to.
Count = Annotated[int, Field(ge=0, le=10**12)]
PerMinute = Annotated[int, Field(ge=1, le=10**6)]


class LimitOverride(_Strict):
    """An entry of ``limits``: replaces what the catalog says (contract, Runtime configuration)."""

    rpm: Count | None = None
    rpd: Count | None = None
    tpm: Count | None = None
    tpd: Count | None = None
    characters_per_month: Count | None = None


class ClientLimits(_Strict):
    """Requests a minute (R18.6, 18.7)."""

    user_rpm: PerMinute = 10
    ip_rpm: PerMinute = 50
    ip_signed_in_rpm: PerMinute = 600


class ModelOverride(_Strict):
    """What an administrator says of one model; it wins over the catalog."""

    enabled: bool = True
    dead: bool = False
    replacement: str | None = None
    capabilities: frozenset[Capability] | None = None


class Rollout(_Strict):
    """R26.4, R26.10."""

    v33_percent: Annotated[int, Field(ge=0, le=100)] = 100
    rollback: bool = False


Seconds = Annotated[float, Field(gt=0, le=540)]


class ProviderTimeouts(_Strict):
    """Seconds; what is None comes from the defaults beside it."""

    first_byte: Seconds | None = None
    plain_max: Seconds | None = None
    stall: Seconds | None = None
    connect: Seconds | None = None


class TimeoutConfig(_Strict):
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
        own = _OWN_TIMEOUTS.get(provider, ProviderTimeouts.model_construct())
        for name, configured in self.providers.items():
            if name == provider:
                own = own.model_copy(update=configured.model_dump(exclude_none=True))
        return ProviderTimeouts.model_construct(
            first_byte=own.first_byte or self.first_byte,
            plain_max=own.plain_max or self.plain_max,
            stall=own.stall or self.stall,
            connect=own.connect or self.connect,
        )


# A model on the user's own machine may have to be loaded before its first token (contract, Chat).
_OWN_TIMEOUTS: dict[str, ProviderTimeouts] = {
    "local": ProviderTimeouts.model_construct(first_byte=120.0, plain_max=120.0, stall=120.0)
}


class Safety(_Strict):
    """Screens (contract): personal data and prompt injection; None follows the guard's flag."""

    pii: Literal["off", "flag", "redact", "block"] | None = None
    injection: Literal["off", "flag", "block"] | None = None


class RuntimeConfig(_Strict):
    """The whole runtime configuration (contract, Runtime configuration)."""

    flags: Flags = Flags.model_construct()
    rules: dict[Category, Rule] = {}
    limits: dict[str, LimitOverride] = {}
    client_limits: ClientLimits = ClientLimits.model_construct()
    paid_providers: Literal["all"] | frozenset[ProviderName] = frozenset()
    models: dict[str, ModelOverride] = {}
    rollout: Rollout = Rollout.model_construct()
    timeouts: TimeoutConfig = TimeoutConfig.model_construct()
    safety: Safety = Safety.model_construct()

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
    problems: list[str] = []
    rest = dict(data)
    while rest:
        try:
            return RuntimeConfig.model_validate_json(json.dumps(rest), strict=True), problems
        except ValidationError as error:
            told: dict[tuple[str, ...], list[str]] = {}
            for item in error.errors(include_url=False, include_input=False):
                path = _path(rest, item["loc"], missing=item["type"] == "missing")
                told.setdefault(path, []).append(item["msg"])
            for path, messages in told.items():
                said = ", or ".join(dict.fromkeys(messages))
                problems.append(f"{'.'.join(path) or 'configuration'}: {said}")
                rest = _without(rest, path)
    return RuntimeConfig.model_construct(), problems


def _path(
    data: Mapping[str, object], location: tuple[int | str, ...], *, missing: bool
) -> tuple[str, ...]:
    """The keys that lead to a problem. pydantic also names the form of a value it tried there
    (``list[int]``, ``[key]``), which nobody wrote."""
    path: list[str] = []
    here: object = data
    for part in location:
        if isinstance(here, Mapping) and (part in here or (missing and part == location[-1])):
            here = here.get(str(part))
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part]
        else:
            continue
        path.append(str(part))
    return tuple(path)


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
