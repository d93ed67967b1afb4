"""What ``make run`` is told: the environment, ``.env`` and who is simulated, read whole and early.

Everything wrong is gathered and said at once, a line each, before anything starts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec import structs

from local.dotenv import DotenvError, read_dotenv
from shared.config import SettingsError
from shared.settings import PROVIDERS, ProviderSettings, Settings, load_settings

# Pages of any local address may call the API under ``make run`` (contract, ALLOWED_ORIGINS).
LOCAL_ORIGINS = tuple(
    f"{scheme}://{host}:*"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1", "[::1]")
)
Latency = Literal["none", "typical"]


class StartError(Exception):
    """The start is refused; ``problems`` has one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class StartOptions:
    """A validated start. ``port`` 0: any free one. ``simulated``: providers for the simulator."""

    host: str
    port: int
    settings: Settings
    simulated: tuple[str, ...]
    latency: Latency


def read_options(environ: Mapping[str, str], root: Path) -> StartOptions:
    """Options of the environment over ``root/.env`` (the environment wins).

    ``CODEEX_ENV_FILE`` names another file in place of ``.env``.
    Raises ``StartError`` with every problem of both.
    """
    try:
        env_file = Path(environ.get("CODEEX_ENV_FILE") or root / ".env")
        merged = {**read_dotenv(env_file), **environ}
    except DotenvError as error:
        raise StartError(error.problems) from None
    if not merged.get("CODEEX_DATA_DIR", "").strip():
        merged["CODEEX_DATA_DIR"] = str(root / ".data")
    problems: list[str] = []
    port = _port(merged.get("PORT", "").strip(), problems)
    latency = _latency(merged.get("SIM_LATENCY", "").strip().lower(), problems)
    settings: Settings | None = None
    try:
        settings = load_settings(merged)
    except SettingsError as error:
        problems.extend(error.problems)
    _check_data_dir(Path(merged["CODEEX_DATA_DIR"].strip()), problems)
    if problems or settings is None:
        raise StartError(problems)
    host = merged.get("HOST", "").strip() or "127.0.0.1"
    return StartOptions(host, port, settings, choose_simulated(settings), latency)


def choose_simulated(settings: Settings) -> tuple[str, ...]:
    """Who is simulated (contract, Two commands): all without any key, else nobody; SIMULATE wins.

    ``local`` (the user's own server) counts as a key and is never simulated.
    """
    if settings.simulate == "all":
        return PROVIDERS
    if settings.simulate == "none":
        return ()
    if settings.simulate:
        return tuple(name for name in PROVIDERS if name in settings.simulate.split(","))
    has_key = any(provider.state == "live" for provider in settings.providers.values())
    return () if has_key else PROVIDERS


def with_simulator(settings: Settings, base_urls: Mapping[str, str], key: str) -> Settings:
    """Settings whose simulated providers (the names in ``base_urls``) lead to the simulator.

    Simulated providers count as paid (contract, Money). Disabled ones say how to get them.
    """
    providers: dict[str, ProviderSettings] = {}
    for name, provider in settings.providers.items():
        if name in base_urls:
            providers[name] = ProviderSettings(name, base_urls[name], key, "simulated")
        elif provider.state == "disabled":
            reason = f"{provider.reason}; set it in .env, or SIMULATE={name}"
            providers[name] = structs.replace(provider, reason=reason)
        else:
            providers[name] = provider
    config = settings.config
    if config.paid_providers != "all":
        paid = config.paid_providers | frozenset(base_urls)
        config = structs.replace(config, paid_providers=paid)
    return structs.replace(
        settings,
        providers=providers,
        config=config,
        allowed_origins=settings.allowed_origins or LOCAL_ORIGINS,
    )


def _port(value: str, problems: list[str]) -> int:
    if not value:
        return 8080
    if value.isascii() and value.isdigit() and int(value) <= 65535:
        return int(value)
    problems.append(f"PORT: expected a whole number 0-65535, found {value!r}")
    return 0


def _latency(value: str, problems: list[str]) -> Latency:
    if value == "typical":
        return "typical"
    if value not in ("", "none"):
        problems.append(f"SIM_LATENCY: expected typical or none, found {value!r}")
    return "none"


def _check_data_dir(path: Path, problems: list[str]) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        problems.append(f"CODEEX_DATA_DIR: cannot write to {path}: {reason}")
