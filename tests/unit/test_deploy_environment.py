"""docs/environment.md names every variable that is read, and is honest about what has an effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
from msgspec.structs import asdict, fields

from infra.package import ROOT
from shared.config import Flags, RuntimeConfig
from shared.settings import PROVIDERS, Settings, load_settings

PAGE = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
IDLE_SECTION = "Checked, without effect yet"
LOCAL_SECTION = "Only under `make run`"
# A right value for each variable, other than its default.
SAMPLES = {
    **{f"{name.upper()}_API_KEY": "a-key" for name in PROVIDERS},
    **{f"{name.upper()}_BASE_URL": "http://127.0.0.1:9" for name in PROVIDERS},
    "LOCAL_BASE_URL": "http://127.0.0.1:11434/v1",
    "LOCAL_API_KEY": "a-key",
    "PAID_PROVIDERS": "google",
    "GOOGLE_CLOUD_PROJECT": "one",
    "GCLOUD_PROJECT": "two",
    "ALLOW_ANONYMOUS": "false",
    "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099",
    "K_SERVICE": "chat",
    "LOG_LEVEL": "debug",
    "ENABLE_SAFETY_GUARD": "false",
    "ENABLE_MEMORY_SYSTEM": "false",
    "ENABLE_VIDEO_GENERATION": "true",
    "ENABLE_COMPUTER_USE": "true",
    "SAFETY_FAIL_MODE": "open",
    "REQUIRE_APP_CHECK": "log",
    "CHECK_REVOKED": "true",
    "ALLOWED_ORIGINS": "https://example.com",
    "TRUSTED_PROXY_HOPS": "2",
    "CODEEX_DATA_DIR": "data",
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:8081",
    "STORAGE_EMULATOR_HOST": "127.0.0.1:8082",
    "MEDIA_BUCKET": "a-bucket",
    "TASKS_LOCATION": "us-central1",
    "TASKS_QUEUE": "a-queue",
    "WORKER_URL": "https://worker",
    "TASKS_SERVICE_ACCOUNT": "tasks@project.iam.gserviceaccount.com",
    "FUNCTION_REGION": "us-central1",
    "SIMULATE": "all",
}
# Read together with another one, without which it means nothing.
NEEDS = {"LOCAL_API_KEY": {"LOCAL_BASE_URL": SAMPLES["LOCAL_BASE_URL"]}}


class Recording(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def sections() -> dict[str, dict[str, str]]:
    """Section to its table: variable to default."""
    found: dict[str, dict[str, str]] = {}
    for part in PAGE.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        rows = re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]+) \|", text, re.MULTILINE)
        found[title] = {name: default.strip() for name, default in rows}
    return found


def documented() -> set[str]:
    return {name for table in sections().values() for name in table}


def asked() -> set[str]:
    """Every variable the settings read."""
    environment = Recording({"LOCAL_BASE_URL": SAMPLES["LOCAL_BASE_URL"]})
    load_settings(environment)
    return environment.asked


def changed_fields(name: str) -> set[str]:
    """``settings.X`` and ``config.X`` that differ once the variable is set."""
    base = NEEDS.get(name, {})
    plain, told = load_settings(base), load_settings({**base, name: SAMPLES[name]})
    found = {
        f"settings.{field.name}"
        for field in fields(Settings)
        if field.name not in ("config", "base_config")
        and getattr(plain, field.name) != getattr(told, field.name)
    }
    found |= {
        f"config.{field}"
        for field in RuntimeConfig.__struct_fields__
        if field != "flags" and getattr(plain.config, field) != getattr(told.config, field)
    }
    # Each flag is a switch of its own.
    return found | {
        f"config.flags.{flag}"
        for flag in Flags.__struct_fields__
        if getattr(plain.config.flags, flag) != getattr(told.config.flags, flag)
    }


def has_effect(field: str) -> bool:
    """Whether anything deployed, other than the settings themselves, looks at the field."""
    # Who is billed is asked through a method.
    wanted = "config.pays" if field == "config.paid_providers" else field
    return any(
        re.search(rf"\b{re.escape(wanted)}\b", path.read_text(encoding="utf-8"))
        for path in (ROOT / "shared").rglob("*.py")
        if path.name != "settings.py"
    )


def test_every_variable_that_is_read_is_on_the_page() -> None:
    assert asked() - documented() == set()


def test_every_variable_of_the_page_is_read_somewhere() -> None:
    elsewhere = [
        *(ROOT / "local").rglob("*.py"),
        ROOT / "local" / "launch.sh",
        ROOT / "public" / "build.mjs",
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in elsewhere)
    unread = {name for name in documented() - asked() if not re.search(rf"\b{name}\b", text)}
    assert unread == set()


def test_no_variable_stands_twice() -> None:
    tables = [name for table in sections().values() for name in table]
    assert len(tables) == len(set(tables))


def test_every_variable_read_has_a_sample_here() -> None:
    assert asked() - {"CODEEX_CONFIG"} == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_page_says_whether_the_variable_has_an_effect(name: str) -> None:
    """A variable stands among those without effect exactly while nothing looks at it."""
    changed = changed_fields(name)
    assert changed, f"{name}={SAMPLES[name]} changes nothing"
    idle = name in sections()[IDLE_SECTION]
    if name in sections()[LOCAL_SECTION]:
        assert not idle
    else:
        assert idle == (not any(has_effect(field) for field in changed)), changed


def test_defaults_on_the_page_are_the_defaults() -> None:
    defaults = load_settings({})
    tables = {name: default for table in sections().values() for name, default in table.items()}
    for name in PROVIDERS:
        assert tables[f"{name.upper()}_BASE_URL"] == f"`{defaults.providers[name].base_url}`"
    flags = defaults.config.flags
    for name, value in {
        **asdict(flags),
        "ALLOW_ANONYMOUS": defaults.allow_anonymous,
        "CHECK_REVOKED": defaults.check_revoked,
    }.items():
        assert tables[name] == ("`true`" if value else "`false`")
    assert tables["LOG_LEVEL"] == f"`{defaults.log_level.lower()}`"
    assert tables["SAFETY_FAIL_MODE"] == f"`{defaults.safety_fail_mode}`"
    assert tables["REQUIRE_APP_CHECK"] == f"`{defaults.require_app_check}`"
    assert tables["TRUSTED_PROXY_HOPS"] == f"`{defaults.trusted_proxy_hops}`"
