"""What the catalog refuses at load, each kind of problem and several at once."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.catalog.load import FOLDER, CatalogError, load_catalog, provider_terms, read_data
from shared.clock import SystemClock
from shared.config import Condition, LimitOverride, ModelOverride, Rule, RuleEntry, RuntimeConfig
from shared.model import Capability, Category
from tests.support.virtual_time import ManualClock

Card = dict[str, object]


def card(model_id: str, **changes: object) -> Card:
    return {
        "id": model_id,
        "name": model_id,
        "provider": "groq",
        "provider_model_id": f"vendor/{model_id}",
        "capabilities": ["TEXT", "VISION", "IMAGE_GEN", "VIDEO_GEN"],
        "context_window": 200_000,
        "source": "test",
        "free_tier": "quota",
        **changes,
    }


def rules_of(model_id: str) -> dict[str, object]:
    return {
        category.value: {"entries": [{"model": model_id, "priority": 10}]} for category in Category
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(FOLDER / "providers.json", tmp_path)
    write(tmp_path, [card("a"), card("b")], rules_of("a"))
    return tmp_path


def write(folder: Path, cards: object, rules: object) -> None:
    (folder / "models.json").write_text(json.dumps(cards))
    (folder / "rules.json").write_text(json.dumps(rules))


def problems(folder: Path, config: RuntimeConfig | None = None) -> list[str]:
    with pytest.raises(CatalogError) as refused:
        load_catalog(ManualClock(), config or RuntimeConfig(), folder=folder)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def test_the_package_data_has_no_problem() -> None:
    assert read_data(FOLDER).problems == ()
    catalog, _ = load_catalog(SystemClock(), RuntimeConfig())
    assert len(catalog.all()) >= 60
    assert len({one.provider for one in catalog.all()}) == 5


def test_provider_defaults_are_merged_under_a_card(folder: Path) -> None:
    write(folder, [card("a"), card("b", features=[], latency_ms=7)], rules_of("a"))
    catalog, _ = load_catalog(ManualClock(), RuntimeConfig(), folder=folder)
    chat = provider_terms()["groq"].chat
    plain, own = catalog.get("a"), catalog.get("b")
    assert plain is not None
    assert own is not None
    assert plain.features == chat.features
    assert plain.latency_ms == chat.latency_ms
    assert own.features == frozenset()
    assert own.latency_ms == 7
    assert plain.day_reset == "rolling"


BAD_CARDS: list[tuple[Card, str]] = [
    (card("b", colour="red"), "models.b.colour: unknown; there are id, name"),
    (card("b", limits={"rpm": 1, "rph": 2}), "models.b.limits.rph: unknown; there are rpm, rpd"),
    (card("b", context_window="big"), "models.b.context_window: Expected `int"),
    (card("b", capabilities=["SMELL"]), "models.b.capabilities.0: Invalid enum value"),
    (card("b", capabilities=[]), "models.b.capabilities: at least one is needed"),
    (card("b", shutdown_date="2026-13-01"), "models.b.shutdown_date: month must be in 1..12"),
    (card("b", released="2026-05"), "models.b.released: '2026-05' is not a day (YYYY-MM-DD)"),
    (card("b", last_seen="20260501"), "models.b.last_seen: '20260501' is not a day"),
    (card("b", replacement="c"), "models.b.replacement: unknown model 'c'"),
    (card("b", serves="c", serves_from="2026-01-01"), "models.b.serves: unknown model 'c'"),
    (card("b", serves="a"), "models.b: serves and serves_from go together"),
    (card("b", provider="acme"), "models.b.provider: unknown provider 'acme'"),
    (card("b", free_tier="maybe"), "models.b.free_tier: expected one of quota"),
    (card("a"), "models.a: the id is given twice"),
    (card("b", replacement="b"), "models: replacement cycle b -> b"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_CARDS, ids=[m for _, m in BAD_CARDS])
def test_a_bad_card_is_refused_with_its_place(folder: Path, bad: Card, message: str) -> None:
    write(folder, [card("a"), bad], rules_of("a"))
    found = problems(folder)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_a_cycle_of_replacements_and_reroutes_is_named_once(folder: Path) -> None:
    cards = [
        card("a", replacement="b"),
        card("b", serves="c", serves_from="2026-01-01"),
        card("c", replacement="a"),
        card("d", replacement="b"),
    ]
    write(folder, cards, rules_of("d"))
    assert problems(folder) == ["models: replacement cycle a -> b -> c -> a"]


def test_a_cycle_made_by_overrides_is_refused(folder: Path) -> None:
    write(folder, [card("a", replacement="b"), card("b")], rules_of("a"))
    config = RuntimeConfig(models={"b": ModelOverride(replacement="a")})
    assert problems(folder, config) == ["models: replacement cycle a -> b -> a"]


NO_VISION = card("b", capabilities=["TEXT"])


@pytest.mark.parametrize(
    ("cards", "rules", "message"),
    [
        ([card("a")], {"VISION_IN": "z"}, "rules.VISION_IN: unknown model 'z'"),
        (
            [card("a"), NO_VISION],
            {"VISION_IN": "b"},
            "rules.VISION_IN: b cannot serve it (no VISION)",
        ),
        (
            [card("a"), card("c", replacement="b"), NO_VISION],
            {"VISION_IN": "c"},
            "rules.VISION_IN: c is replaced by b, which cannot serve it (no VISION)",
        ),
        (
            [card("a"), card("b", capabilities=["VIDEO_GEN"])],
            {"CODING": "b"},
            "rules.CODING: b cannot serve it (no TEXT)",
        ),
        (
            [card("a"), card("b", chat=False)],
            {"SIMPLE": "b"},
            "rules.SIMPLE: b cannot serve it (a guard)",
        ),
        (
            [card("a"), card("b", context_window=100_000)],
            {"LONG_CONTEXT": "b"},
            "rules.LONG_CONTEXT: b cannot serve it (its window is not known to be over 100,000",
        ),
        ([card("a")], {"COOKING": "a"}, "rules.COOKING: unknown category"),
    ],
)
def test_a_rule_that_cannot_be_served_is_refused(
    folder: Path, cards: list[Card], rules: dict[str, str], message: str
) -> None:
    changed = {name: {"entries": [{"model": one, "priority": 1}]} for name, one in rules.items()}
    write(folder, cards, {**rules_of("a"), **changed})
    found = problems(folder)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_a_missing_rule_is_refused(folder: Path) -> None:
    rules = rules_of("a")
    del rules["CODING"]
    write(folder, [card("a")], rules)
    assert problems(folder) == ["rules.CODING: the rule is missing"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (RuntimeConfig(models={"z": ModelOverride()}), "models.z: unknown model"),
        (
            RuntimeConfig(models={"a": ModelOverride(replacement="z")}),
            "models.a.replacement: unknown model 'z'",
        ),
        (
            RuntimeConfig(limits={"acme": LimitOverride(rpm=1)}),
            "limits.acme: neither a provider nor a model",
        ),
        (
            RuntimeConfig(
                rules={Category.SIMPLE: Rule(entries=(RuleEntry(model="z", priority=1),))}
            ),
            "rules.SIMPLE: unknown model 'z'",
        ),
        (
            RuntimeConfig(models={"a": ModelOverride(replacement="local-x")}),
            "rules.VISION_IN: a is replaced by local-x, which cannot serve it (no VISION)",
        ),
    ],
)
def test_overrides_are_checked_like_the_files(
    folder: Path, config: RuntimeConfig, message: str
) -> None:
    assert message in problems(folder, config)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(field="TOKEN_COUNT", op="IN", value=[1, 2]), True),
        (Condition(field="TIME_OF_DAY", op="GT", value=23), True),
        (Condition(field="USER_TIER", op="EQ", value="gold"), True),
        (Condition(field="PROVIDER_AVAILABLE", op="EQ", value=False), True),
        (Condition(field="PROVIDER_AVAILABLE", op="IN", value=["groq", "local"]), True),
        (Condition(field="TOKEN_COUNT", op="IN", value=1), False),
        (Condition(field="TOKEN_COUNT", op="GT", value=[1]), False),
        (Condition(field="TOKEN_COUNT", op="GT", value="1"), False),
        (Condition(field="TOKEN_COUNT", op="GT", value=True), False),
        (Condition(field="TIME_OF_DAY", op="LT", value=24), False),
        (Condition(field="USER_TIER", op="GT", value="free"), False),
        (Condition(field="USER_TIER", op="EQ", value=1), False),
        (Condition(field="PROVIDER_AVAILABLE", op="EQ", value="acme"), False),
        (Condition(field="PROVIDER_AVAILABLE", op="GT", value="groq"), False),
    ],
)
def test_a_condition_that_could_never_hold_is_refused(
    folder: Path, condition: Condition, holds: bool
) -> None:
    entry = RuleEntry(model="a", priority=1, conditions=(condition,))
    rule = Rule(entries=(entry, RuleEntry(model="z", priority=1)))
    found = problems(folder, RuntimeConfig(rules={Category.SIMPLE: rule}))
    assert found.pop() == "rules.SIMPLE: unknown model 'z'"
    told = [problem.partition(": ")[0] for problem in found]
    assert told == ([] if holds else ["rules.SIMPLE.entries.0.conditions.0"])


def test_an_override_that_takes_a_needed_capability_is_refused(folder: Path) -> None:
    config = RuntimeConfig(models={"a": ModelOverride(capabilities=frozenset({Capability.TEXT}))})
    assert problems(folder, config) == [
        "rules.VISION_IN: a cannot serve it (no VISION)",
        "rules.IMAGE_GEN: a cannot serve it (no IMAGE_GEN)",
        "rules.VIDEO_GEN: a cannot serve it (no VIDEO_GEN)",
    ]


def test_local_models_may_stand_in_overrides_before_they_are_found(folder: Path) -> None:
    config = RuntimeConfig(
        models={"local-llama3:8b": ModelOverride(capabilities=frozenset(Capability))},
        limits={"local": LimitOverride(rpm=5), "groq": LimitOverride(rpm=1)},
    )
    catalog, _ = load_catalog(ManualClock(), config, folder=folder)
    assert catalog.get("local-llama3:8b") is None


def test_all_problems_are_listed_at_once(folder: Path) -> None:
    cards = [
        card("a", replacement="b", colour="red"),
        card("b", shutdown_date="soon", replacement="nobody"),
        card("c", replacement="d"),
        card("d", replacement="c"),
    ]
    write(folder, cards, {**rules_of("c"), "SIMPLE": {"entries": [], "extra": 1}})
    config = RuntimeConfig(models={"ghost": ModelOverride(dead=True)})
    text = "\n".join(problems(folder, config))
    for part in (
        "models.a.colour",
        "models.b.shutdown_date",
        "models.b.replacement: unknown model 'nobody'",
        "replacement cycle c -> d -> c",
        "rules.SIMPLE.entries",
        "rules.SIMPLE.extra",
        "models.ghost: unknown model",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "models.json").unlink(), "models.json: cannot be read"),
        (lambda folder: (folder / "models.json").write_text("{]"), "models.json: not JSON"),
        (lambda folder: (folder / "models.json").write_text("{}"), "models.json: expected a JSON"),
        (lambda folder: (folder / "rules.json").write_text("[]"), "rules.json: expected a JSON"),
        (lambda folder: (folder / "models.json").write_text("[7]"), "models.0: "),
        (
            lambda folder: (folder / "providers.json").write_text('{"groq": {"name": 1}}'),
            "providers.groq.name",
        ),
    ],
)
def test_files_that_are_not_what_they_should_be(
    folder: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(folder)
    assert any(one.startswith(message) for one in problems(folder))


def test_loading_is_quick() -> None:
    # 0.03 s is the budget of a cold start; the machine of a test may be ten times as slow.
    started = time.perf_counter()
    read_data(FOLDER)
    assert time.perf_counter() - started < 0.3
