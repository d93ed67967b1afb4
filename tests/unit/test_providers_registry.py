"""Which providers start, and what the others say (R22.7)."""

from __future__ import annotations

from shared.providers.http import HttpPool
from shared.providers.openai_profile import OpenAIProfile
from shared.providers.registry import BUILDERS, build_providers
from shared.settings import DEFAULT_BASE_URLS, ProviderSettings, load_settings

KEY = "gsk_s3cretS3cretS3cret"


def test_every_provider_of_the_settings_has_an_adapter() -> None:
    settings = load_settings(
        {f"{name.upper()}_API_KEY": KEY for name in DEFAULT_BASE_URLS}
        | {"LOCAL_BASE_URL": "http://127.0.0.1:11434/v1"}
    ).providers
    built = build_providers(settings, HttpPool(), lambda: 0.0)
    assert built.disabled == {}
    assert {provider.name for provider in built} == {*DEFAULT_BASE_URLS, "local"} == set(BUILDERS)


def test_providers_without_a_key_are_disabled_and_say_so() -> None:
    built = build_providers(load_settings({"GROQ_API_KEY": KEY}).providers, HttpPool(), lambda: 0.0)
    assert built.enabled("groq")
    assert not built.enabled("cerebras")
    assert built.get("cerebras") is None
    assert built.disabled["cerebras"] == "CEREBRAS_API_KEY not set"
    assert "groq" not in built.disabled


def test_one_that_cannot_start_does_not_stop_the_others() -> None:
    settings = {
        "groq": ProviderSettings("groq", "ftp://nowhere", KEY, "live"),
        "cerebras": ProviderSettings("cerebras", "http://[::1", KEY, "live"),
        "google": ProviderSettings("google", "https://host", "", "live"),
        "huggingface": ProviderSettings("huggingface", "https://host/v1", KEY, "live"),
        "elevenlabs": ProviderSettings("elevenlabs", "https://host", "", "live"),
        "seventh": ProviderSettings("seventh", "https://host", KEY, "live"),
    }
    built = build_providers(settings, HttpPool(), lambda: 0.0)
    assert [provider.name for provider in built] == ["huggingface"]
    assert set(built.disabled) == {"groq", "cerebras", "google", "elevenlabs", "seventh"}
    assert all(built.disabled.values())
    assert "no adapter" in built.disabled["seventh"]


def test_a_simulated_provider_needs_no_key() -> None:
    settings = {
        name: ProviderSettings(name, "http://127.0.0.1:9", "", "simulated")
        for name in DEFAULT_BASE_URLS
    }
    built = build_providers(settings, HttpPool(), lambda: 0.0)
    assert {provider.name for provider in built} == set(DEFAULT_BASE_URLS)


def test_the_key_is_in_no_repr() -> None:
    profile = OpenAIProfile(ProviderSettings("groq", "https://host", KEY, "live"), lambda: 0.0)
    assert KEY not in repr(profile)
    assert "groq" in repr(profile)
