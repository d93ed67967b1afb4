"""Faults: what is refused, and whom a fault hits."""

from __future__ import annotations

import random

import pytest

from local.sim.faults import FaultError, Faults
from shared.messages import JsonObject, JsonValue

GPT = ("groq-gpt-oss-120b", "openai/gpt-oss-120b")


@pytest.fixture
def faults() -> Faults:
    return Faults(("groq", "google"), lambda _, model: model in GPT, random.Random(1))


@pytest.mark.parametrize(
    ("described", "param"),
    [
        ([], None),
        ("groq", None),
        (None, None),
        ({"kind": "hang"}, "provider"),
        ({"provider": "openai", "kind": "hang"}, "provider"),
        ({"provider": "cerebras", "kind": "hang"}, "provider"),
        ({"provider": 1, "kind": "hang"}, "provider"),
        ({"provider": "groq"}, "kind"),
        ({"provider": "groq", "kind": "explode"}, "kind"),
        ({"provider": "groq", "kind": ["hang"]}, "kind"),
        ({"provider": "groq", "kind": "hang", "model": "unknown"}, "model"),
        ({"provider": "groq", "kind": "hang", "model": 5}, "model"),
        ({"provider": "groq", "kind": "status", "status": 200}, "status"),
        ({"provider": "groq", "kind": "status", "status": "503"}, "status"),
        ({"provider": "groq", "kind": "status", "status": True}, "status"),
        ({"provider": "groq", "kind": "status", "retry_after": -1}, "retry_after"),
        ({"provider": "groq", "kind": "status", "retry_after": "1"}, "retry_after"),
        ({"provider": "groq", "kind": "cut", "after_bytes": -1}, "after_bytes"),
        ({"provider": "groq", "kind": "slow", "delay_ms": 1.5}, "delay_ms"),
        ({"provider": "groq", "kind": "slow", "delay_ms": 10**9}, "delay_ms"),
        ({"provider": "groq", "kind": "hang", "times": 0}, "times"),
        ({"provider": "groq", "kind": "hang", "probability": 1.1}, "probability"),
        ({"provider": "groq", "kind": "hang", "probability": float("nan")}, "probability"),
        ({"provider": "groq", "kind": "hang", "chance": 1}, "chance"),
    ],
)
def test_a_wrong_fault_is_refused_by_its_field(
    faults: Faults, described: JsonValue, param: str | None
) -> None:
    with pytest.raises(FaultError) as told:
        faults.add(described)
    assert told.value.param == param
    assert faults.listed() == []


def hit(faults: Faults, provider: str = "groq", model: str | None = "openai/gpt-oss-120b") -> bool:
    return faults.strike(provider, model, GPT if model in GPT else (model or "",)) is not None


def test_a_providers_fault_hits_all_it_is_asked(faults: Faults) -> None:
    faults.add({"provider": "groq", "kind": "status", "status": 401})
    assert hit(faults)
    assert hit(faults, model=None)
    assert hit(faults, model="other")
    assert not hit(faults, provider="google")


@pytest.mark.parametrize("name", GPT)
def test_a_models_fault_hits_that_model_by_either_id(faults: Faults, name: str) -> None:
    faults.add({"provider": "groq", "kind": "hang", "model": name})
    assert hit(faults)
    assert not hit(faults, model="other")
    assert not hit(faults, model=None)


def test_times_counts_calls_of_models_only_and_then_is_over(faults: Faults) -> None:
    faults.add({"provider": "groq", "kind": "hang", "times": 2})
    assert not hit(faults, model=None)
    assert [hit(faults) for _ in range(3)] == [True, True, False]
    assert faults.listed() == []


def test_probability_is_of_each_call(faults: Faults) -> None:
    faults.add({"provider": "groq", "kind": "hang", "probability": 0.5})
    hits = sum(hit(faults) for _ in range(400))
    assert 150 < hits < 250


def test_the_oldest_that_applies_strikes(faults: Faults) -> None:
    first = faults.add({"provider": "groq", "kind": "slow", "times": 1})
    second = faults.add({"provider": "groq", "kind": "hang"})
    assert [faults.strike("groq", "x", ("x",)) for _ in range(2)] == [first, second]


def test_clearing_by_provider_keeps_the_others(faults: Faults) -> None:
    faults.add({"provider": "groq", "kind": "hang"})
    faults.add({"provider": "google", "kind": "hang"})
    assert faults.clear("groq") == 1
    assert not hit(faults)
    assert hit(faults, provider="google")
    assert faults.clear() == 1
    with pytest.raises(FaultError):
        faults.clear("openai")


def test_a_fault_is_listed_as_it_was_set(faults: Faults) -> None:
    faults.add({"provider": "groq", "kind": "status", "status": 429, "retry_after": 20, "times": 3})
    hit(faults)
    wanted: JsonObject = {
        "id": "fault-1",
        "provider": "groq",
        "kind": "status",
        "status": 429,
        "retry_after": 20,
        "times": 2,
        "after_bytes": 0,
        "delay_ms": 0,
        "probability": 1.0,
        "struck": 1,
    }
    assert faults.listed() == [wanted]


def test_there_is_a_most(faults: Faults) -> None:
    for _ in range(200):
        faults.add({"provider": "groq", "kind": "hang"})
    with pytest.raises(FaultError, match="200"):
        faults.add({"provider": "groq", "kind": "hang"})


def test_without_simulated_providers_the_way_out_is_told() -> None:
    nobody = Faults((), lambda *_: False, random.Random(1))
    with pytest.raises(FaultError, match="SIMULATE=all"):
        nobody.add({"provider": "groq", "kind": "hang"})
