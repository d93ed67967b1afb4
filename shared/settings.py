"""The environment: the only module that reads it.

It is validated whole, from the start, with every problem listed at once. What no part of the
system enforces yet is accepted and kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from shared.config import Flags, RuntimeConfig, SettingsError, merge_patch, parse_config

PROVIDERS = ("groq", "cerebras", "google", "huggingface", "elevenlabs")
DEFAULT_BASE_URLS: dict[str, str] = {
    "groq": "https://api.groq.com/openai/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "google": "https://generativelanguage.googleapis.com",
    "huggingface": "https://router.huggingface.co/v1",
    "elevenlabs": "https://api.elevenlabs.io",
}


class ProviderSettings(Struct, frozen=True):
    """How one provider is reached. ``state``: "live" (a key is set), "simulated", "disabled"."""

    name: str
    base_url: str
    api_key: str = ""
    state: Literal["live", "simulated", "disabled"] = "disabled"
    reason: str = ""

    def __repr__(self) -> str:
        """Without the key, which must not reach a log by way of a traceback (R18.2)."""
        return f"ProviderSettings({self.name!r}, {self.base_url!r}, {self.state!r})"


class Settings(Struct, frozen=True):
    """Everything the environment says, parsed.

    ``base_config`` is the configuration as ``CODEEX_CONFIG`` over the environment give it, before
    defaults fill it up: what was stored by PATCH is merged on top of it. ``config`` is its checked
    form. ``tasks_service_account``: who Cloud Tasks and Cloud Scheduler call as (an e-mail).
    """

    providers: dict[str, ProviderSettings]
    config: RuntimeConfig
    base_config: Mapping[str, object] = field(default_factory=dict)
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
    tasks_service_account: str | None = None
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
    base_config = _base_config(read)
    config = _checked(read, base_config)
    origins = read.names("ALLOWED_ORIGINS")
    for origin in origins:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            read.problems.append(f"ALLOWED_ORIGINS: {origin!r} is not an origin (https://host)")
    level = read.choice("LOG_LEVEL", ("debug", "info", "warning", "error", "critical"), "info")
    settings = Settings(
        providers=providers,
        config=config,
        base_config=base_config,
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
        tasks_service_account=read.text("TASKS_SERVICE_ACCOUNT"),
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


_FLAGS = Flags()


def _base_config(read: _Reader) -> dict[str, object]:
    """Environment < ``CODEEX_CONFIG`` (what was stored by PATCH comes on top later)."""
    merged: dict[str, object] = {}
    flags = {
        name: read.flag(name, bool(getattr(_FLAGS, name)))
        for name in Flags.__struct_fields__
        if read.text(name) is not None
    }
    if flags:
        merged["flags"] = flags
    paid = tuple(name.lower() for name in read.names("PAID_PROVIDERS"))
    unknown = [name for name in paid if name not in (*PROVIDERS, "local", "all", "none")]
    if unknown:
        read.problems.append(
            f"PAID_PROVIDERS: expected all, none or names out of {', '.join(PROVIDERS)}; "
            f"unknown: {', '.join(unknown)}"
        )
    elif paid:
        merged["paid_providers"] = "all" if "all" in paid else [p for p in paid if p != "none"]
    path = read.text("CODEEX_CONFIG")
    if path is not None:
        merged = merge_patch(merged, _config_file(read, path))
    return merged


def _checked(read: _Reader, merged: Mapping[str, object]) -> RuntimeConfig:
    try:
        return parse_config(merged)
    except SettingsError as error:
        read.problems.extend(error.problems)
        return RuntimeConfig()


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
