"""The environment and the runtime configuration: the only module that reads either.

Both are validated whole, from the start, with every problem listed at once. What no part of the
system enforces yet is accepted and kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.model import Capability, Category

PROVIDERS = ("groq", "cerebras", "google", "huggingface", "elevenlabs")
DEFAULT_BASE_URLS: dict[str, str] = {
    "groq": "https://api.groq.com/openai/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "google": "https://generativelanguage.googleapis.com",
    "huggingface": "https://router.huggingface.co/v1",
    "elevenlabs": "https://api.elevenlabs.io",
}
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


class LimitOverride(_Strict):
    """An entry of ``limits``: replaces what the catalog says (contract, Runtime configuration)."""

    rpm: Annotated[int, Field(ge=0)] | None = None
    rpd: Annotated[int, Field(ge=0)] | None = None
    tpm: Annotated[int, Field(ge=0)] | None = None
    tpd: Annotated[int, Field(ge=0)] | None = None
    characters_per_month: Annotated[int, Field(ge=0)] | None = None


class ClientLimits(_Strict):
    """Requests a minute (R18.6, 18.7)."""

    user_rpm: Annotated[int, Field(ge=1)] = 10
    ip_rpm: Annotated[int, Field(ge=1)] = 50
    ip_signed_in_rpm: Annotated[int, Field(ge=1)] = 600


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


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How one provider is reached. ``state``: "live" (a key is set), "simulated", "disabled"."""

    name: str
    base_url: str
    api_key: str = field(default="", repr=False)
    state: Literal["live", "simulated", "disabled"] = "disabled"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment says, parsed."""

    providers: dict[str, ProviderSettings]
    config: RuntimeConfig
    project: str | None = None
    log_level: str = "INFO"
    safety_fail_mode: Literal["open", "closed"] = "closed"
    trusted_proxy_hops: int = 1
    allowed_origins: tuple[str, ...] = ()
    require_app_check: Literal["off", "log", "true"] = "off"
    allow_anonymous: bool = True
    check_revoked: bool = False
    data_dir: str | None = None
    firestore_emulator: str | None = None
    storage_emulator: str | None = None
    auth_emulator: str | None = None
    on_cloud_run: bool = False
    region: str | None = None
    media_bucket: str | None = None
    tasks_location: str | None = None
    tasks_queue: str | None = None
    worker_url: str | None = None
    simulate: str = ""


_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class _Reader:
    """Reads named variables and gathers problems instead of stopping at the first."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []

    def text(self, name: str) -> str | None:
        value = self.env.get(name, "").strip()
        return value or None

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        self.problems.append(f"{name}: expected true or false, found {value!r}")
        return default

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = (self.text(name) or default).lower()
        if value in choices:
            return value
        self.problems.append(f"{name}: expected one of {', '.join(choices)}, found {value!r}")
        return default

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if value.isascii() and value.isdigit() and low <= int(value) <= high:
            return int(value)
        self.problems.append(f"{name}: expected a whole number {low}-{high}, found {value!r}")
        return default

    def url(self, name: str, default: str) -> str:
        value = (self.text(name) or default).rstrip("/")
        if value.startswith(("http://", "https://")) and len(value) > len("https://"):
            return value
        self.problems.append(f"{name}: expected an http(s) address, found {value!r}")
        return default

    def names(self, name: str) -> tuple[str, ...]:
        value = self.text(name) or ""
        return tuple(part.strip() for part in value.split(",") if part.strip())


def load_settings(env: Mapping[str, str]) -> Settings:
    """Settings of an environment (names: contract, Environment).

    Raises ``SettingsError`` with every problem of the environment and of ``CODEEX_CONFIG``.
    """
    read = _Reader(env)
    providers = _providers(read)
    config = _runtime_config(read)
    origins = read.names("ALLOWED_ORIGINS")
    for origin in origins:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            read.problems.append(f"ALLOWED_ORIGINS: {origin!r} is not an origin (https://host)")
    level = read.choice("LOG_LEVEL", ("debug", "info", "warning", "error", "critical"), "info")
    settings = Settings(
        providers=providers,
        config=config,
        project=read.text("GOOGLE_CLOUD_PROJECT") or read.text("GCLOUD_PROJECT"),
        log_level=level.upper(),
        safety_fail_mode="open"
        if read.choice("SAFETY_FAIL_MODE", ("closed", "open"), "closed") == "open"
        else "closed",
        trusted_proxy_hops=read.integer("TRUSTED_PROXY_HOPS", 1, 0, 10),
        allowed_origins=origins,
        require_app_check=_app_check(read),
        allow_anonymous=read.flag("ALLOW_ANONYMOUS", True),
        check_revoked=read.flag("CHECK_REVOKED", False),
        data_dir=read.text("CODEEX_DATA_DIR"),
        firestore_emulator=read.text("FIRESTORE_EMULATOR_HOST"),
        storage_emulator=read.text("STORAGE_EMULATOR_HOST"),
        auth_emulator=read.text("FIREBASE_AUTH_EMULATOR_HOST"),
        on_cloud_run=read.text("K_SERVICE") is not None,
        region=read.text("FUNCTION_REGION"),
        media_bucket=read.text("MEDIA_BUCKET"),
        tasks_location=read.text("TASKS_LOCATION"),
        tasks_queue=read.text("TASKS_QUEUE"),
        worker_url=read.text("WORKER_URL"),
        simulate=_simulate(read),
    )
    if settings.on_cloud_run and settings.auth_emulator:
        read.problems.append(
            "FIREBASE_AUTH_EMULATOR_HOST: must not be set on a deployed function (K_SERVICE is "
            "set): the emulator's tokens are unsigned and anybody could sign in"
        )
    if read.problems:
        raise SettingsError(read.problems)
    return settings


def _app_check(read: _Reader) -> Literal["off", "log", "true"]:
    value = read.choice("REQUIRE_APP_CHECK", ("off", "log", "true", "false"), "off")
    if value == "true":
        return "true"
    return "log" if value == "log" else "off"


def _simulate(read: _Reader) -> str:
    value = (read.text("SIMULATE") or "").lower()
    if value in ("", "all", "none"):
        return value
    unknown = [name for name in value.split(",") if name.strip() not in PROVIDERS]
    if unknown:
        read.problems.append(
            f"SIMULATE: expected all, none or names out of {', '.join(PROVIDERS)}; "
            f"unknown: {', '.join(unknown)}"
        )
    return ",".join(name.strip() for name in value.split(","))


def _providers(read: _Reader) -> dict[str, ProviderSettings]:
    """Live where a key is set, else disabled. The simulator is wired in by ``local`` alone."""
    found: dict[str, ProviderSettings] = {}
    for name in PROVIDERS:
        key_name = f"{name.upper()}_API_KEY"
        key = read.text(key_name) or ""
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            read.problems.append(f"{key_name}: has blanks or characters no key has")
        base_url = read.url(f"{name.upper()}_BASE_URL", DEFAULT_BASE_URLS[name])
        found[name] = ProviderSettings(
            name, base_url, key, "live" if key else "disabled", "" if key else f"{key_name} not set"
        )
    if read.text("LOCAL_BASE_URL"):
        base_url = read.url("LOCAL_BASE_URL", "http://127.0.0.1")
        found["local"] = ProviderSettings(
            "local", base_url, read.text("LOCAL_API_KEY") or "", "live"
        )
    return found


def _runtime_config(read: _Reader) -> RuntimeConfig:
    """Defaults < environment < ``CODEEX_CONFIG`` (what was stored by PATCH comes on top later)."""
    merged: dict[str, object] = {}
    flags = {
        name: read.flag(name, field_info.default)
        for name, field_info in Flags.model_fields.items()
        if read.text(name) is not None
    }
    if flags:
        merged["flags"] = flags
    paid = read.names("PAID_PROVIDERS")
    if paid:
        merged["paid_providers"] = "all" if paid == ("all",) else [p for p in paid if p != "none"]
    path = read.text("CODEEX_CONFIG")
    if path is not None:
        merged = merge_patch(merged, _config_file(read, path))
    try:
        return parse_config(merged)
    except SettingsError as error:
        read.problems.extend(error.problems)
        return RuntimeConfig.model_construct()


def _config_file(read: _Reader, path: str) -> dict[str, object]:
    try:
        loaded: object = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        read.problems.append(f"CODEEX_CONFIG: cannot read {path}: {error.strerror}")
        return {}
    except ValueError as error:
        read.problems.append(f"CODEEX_CONFIG: {path} is not JSON: {error}")
        return {}
    if not isinstance(loaded, dict):
        read.problems.append(f"CODEEX_CONFIG: {path} must hold a JSON object")
        return {}
    return {str(key): value for key, value in loaded.items()}


def parse_config(data: Mapping[str, object]) -> RuntimeConfig:
    """A validated configuration. Raises ``SettingsError`` listing every problem with its path."""
    if not data:
        return RuntimeConfig.model_construct()
    try:
        return RuntimeConfig.model_validate_json(json.dumps(data))
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc']) or 'configuration'}: {item['msg']}"
            for item in error.errors()
        ]
        raise SettingsError(problems) from None


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
