"""A configuration without limits, for tests of everything else: as one user they ask more in a
minute than anybody may, and more than free tiers give."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec import structs

from shared.config import merge_patch, parse_config
from shared.messages import JsonObject
from shared.settings import PROVIDERS, Settings

MANY = 1_000_000
OPEN: JsonObject = {
    "client_limits": {"user_rpm": MANY, "ip_rpm": MANY, "ip_signed_in_rpm": MANY},
    # An entry for a provider replaces its ceiling and all its models' own limits.
    "limits": {name: {} for name in PROVIDERS},
}


def opened(settings: Settings) -> Settings:
    """The same settings without limits."""
    base = merge_patch(OPEN, settings.base_config)
    return structs.replace(settings, base_config=base, config=parse_config(base))


def open_config(folder: Path, more: JsonObject | None = None) -> str:
    """A file for CODEEX_CONFIG: no limits, and ``more`` on top."""
    path = folder / "open-config.json"
    path.write_text(json.dumps(merge_patch(OPEN, more or {})), encoding="utf-8")
    return str(path)
