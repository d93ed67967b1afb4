"""The environment and the runtime configuration: read whole, refused whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.config import RuntimeConfig, SettingsError, merge_patch, parse_config
from shared.model import Capability, Category
from shared.settings import DEFAULT_BASE_URLS, PROVIDERS, load_settings


def test_nothing_set_gives_the_contracts_defaults() -> None:
    settings = load_settings({})
    assert {name: p.state for name, p in settings.providers.items()} == dict.fromkeys(
        PROVIDERS, "disabled"
    )
    assert settings.providers["groq"].base_url == DEFAULT_BASE_URLS["groq"]
    assert settings.providers["groq"].reason == "GROQ_API_KEY not set"
    flags = settings.config.flags
    assert flags.ENABLE_SAFETY_GUARD
    assert flags.ENABLE_MEMORY_SYSTEM
    assert not flags.ENABLE_VIDEO_GENERATION
    assert not flags.ENABLE_COMPUTER_USE
    assert settings.safety_fail_mode == "closed"
    assert settings.trusted_proxy_hops == 1
    assert settings.allow_anonymous
    assert not settings.check_revoked
    limits = settings.config.client_limits
    assert (limits.user_rpm, limits.ip_rpm, limits.ip_signed_in_rpm) == (10, 50, 600)


def test_a_key_makes_a_provider_live_and_never_shows() -> None:
    settings = load_settings({"GROQ_API_KEY": "gsk_secret", "GROQ_BASE_URL": "http://x:1/v1/"})
    groq = settings.providers["groq"]
    assert (groq.state, groq.base_url, groq.api_key) == ("live", "http://x:1/v1", "gsk_secret")
    assert "gsk_secret" not in repr(settings)


def test_a_local_server_needs_no_key() -> None:
    assert "local" not in load_settings({}).providers
    local = load_settings({"LOCAL_BASE_URL": "http://127.0.0.1:11434/v1"}).providers["local"]
    assert (local.state, local.api_key) == ("live", "")


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"flags": {"NO_SUCH": true}, "client_limits": {"user_rpm": 0}}')
    with pytest.raises(SettingsError) as refused:
        load_settings(
            {
                "GROQ_BASE_URL": "ftp://x",
                "CEREBRAS_API_KEY": "csk broken",
                "ENABLE_SAFETY_GUARD": "perhaps",
                "TRUSTED_PROXY_HOPS": "many",
                "SAFETY_FAIL_MODE": "ajar",
                "LOG_LEVEL": "loud",
                "REQUIRE_APP_CHECK": "yes please",
                "SIMULATE": "groq,nobody",
                "ALLOWED_ORIGINS": "example.com",
                "CODEEX_CONFIG": str(config),
            }
        )
    told = "\n".join(refused.value.problems)
    for name in (
        "GROQ_BASE_URL",
        "CEREBRAS_API_KEY",
        "ENABLE_SAFETY_GUARD",
        "TRUSTED_PROXY_HOPS",
        "SAFETY_FAIL_MODE",
        "LOG_LEVEL",
        "REQUIRE_APP_CHECK",
        "SIMULATE",
        "ALLOWED_ORIGINS",
        "flags.NO_SUCH",
        "client_limits.user_rpm",
    ):
        assert name in told
    assert "csk broken" not in told


@pytest.mark.parametrize(
    ("content", "word"),
    [("{not json", "not JSON"), ("[1]", "JSON object"), (None, "cannot read")],
)
def test_an_unusable_config_file_says_why(tmp_path: Path, content: str | None, word: str) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=word):
        load_settings({"CODEEX_CONFIG": str(path)})


def test_the_config_file_wins_over_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"flags": {"ENABLE_SAFETY_GUARD": True}, "paid_providers": "all"}))
    settings = load_settings(
        {
            "ENABLE_SAFETY_GUARD": "off",
            "ENABLE_COMPUTER_USE": "on",
            "PAID_PROVIDERS": "groq",
            "CODEEX_CONFIG": str(path),
        }
    )
    assert settings.config.flags.ENABLE_SAFETY_GUARD
    assert settings.config.flags.ENABLE_COMPUTER_USE
    assert settings.config.pays("google")


@pytest.mark.parametrize(
    ("value", "paying"),
    [
        *(("", set()), ("none", set()), ("all", set(PROVIDERS)), ("ALL,groq", set(PROVIDERS))),
        *(("groq, google", {"groq", "google"}), ("Groq", {"groq"})),
    ],
)
def test_paid_providers(value: str, paying: set[str]) -> None:
    config = load_settings({"PAID_PROVIDERS": value}).config
    assert {name for name in PROVIDERS if config.pays(name)} == paying


def test_an_unknown_paid_provider_is_refused() -> None:
    with pytest.raises(SettingsError, match="PAID_PROVIDERS") as refused:
        load_settings({"PAID_PROVIDERS": "groq,openai"})
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].endswith("unknown: openai")


def test_the_emulators_unsigned_tokens_are_refused_in_the_cloud() -> None:
    with pytest.raises(SettingsError, match="FIREBASE_AUTH_EMULATOR_HOST"):
        load_settings({"K_SERVICE": "chat", "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"})
    assert load_settings({"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"}).auth_emulator


def test_timeouts_can_be_set_for_all_and_for_one() -> None:
    config = parse_config(
        {"timeouts": {"first_byte": 2, "providers": {"google": {"first_byte": 9}}}}
    )
    assert config.timeouts.of("groq").first_byte == 2
    assert config.timeouts.of("google").first_byte == 9
    assert config.timeouts.of("google").stall == RuntimeConfig().timeouts.stall
    assert config.timeouts.of("local").first_byte == 120
    told = parse_config({"timeouts": {"providers": {"local": {"stall": 5}}}}).timeouts.of("local")
    assert (told.first_byte, told.stall) == (120, 5)


def test_a_whole_configuration_is_taken() -> None:
    config = parse_config(
        {
            "flags": {"ENABLE_VIDEO_GENERATION": True},
            "rules": {
                "CODING": {
                    "entries": [
                        {
                            "model": "groq-gpt-oss-120b",
                            "priority": 100,
                            "conditions": [{"field": "TOKEN_COUNT", "op": "LT", "value": 4000}],
                        }
                    ],
                    "max_attempts": 3,
                }
            },
            "limits": {"groq": {"rpm": 20}},
            "models": {"groq-gpt-oss-120b": {"dead": True, "capabilities": ["TEXT"]}},
            "rollout": {"v33_percent": 50},
            "safety": {"pii": "block"},
        }
    )
    assert config.rules[Category.CODING].max_attempts == 3
    assert config.models["groq-gpt-oss-120b"].capabilities == frozenset({Capability.TEXT})


@pytest.mark.parametrize(
    "data",
    [
        {"nonsense": 1},
        {"rules": {"NO_CATEGORY": {"entries": [{"model": "x", "priority": 1}]}}},
        {"rules": {"CODING": {"entries": []}}},
        {"limits": {"groq": {"rpm": -1}}},
        {"timeouts": {"first_byte": 0}},
        {"rollout": {"v33_percent": 101}},
    ],
)
def test_what_does_not_fit_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        parse_config(data)


def test_merge_patch_is_rfc_7396() -> None:
    target = {"a": {"b": 1, "c": 2}, "d": [1], "e": 3}
    patch = {"a": {"b": None, "x": {"y": None, "z": 1}}, "d": [2], "e": None}
    assert merge_patch(target, patch) == {"a": {"c": 2, "x": {"z": 1}}, "d": [2]}
    assert target["e"] == 3
