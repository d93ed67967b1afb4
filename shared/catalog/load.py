"""Catalog and rules from their data files, refused with every problem at once (R1, R15)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import orjson
from msgspec import Struct

from shared.catalog.checks import (
    card_problems,
    cycle_problems,
    effective_cards,
    override_problems,
    rule_problems,
)
from shared.catalog.registry import Catalog
from shared.catalog.rules import RuleBook
from shared.catalog.terms import ProviderTerms
from shared.checking import checked
from shared.clock import Clock
from shared.config import Rule, RuntimeConfig
from shared.model import Category, ModelCard

FOLDER = Path(__file__).parent
T = TypeVar("T")


class CatalogError(Exception):
    """Data or overrides are wrong; ``problems`` lists everything, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CatalogData(Struct, frozen=True):
    """The three data files, parsed. ``known`` are all model ids of the file; ``problems`` is empty
    for the files of this package (a test holds that)."""

    providers: Mapping[str, ProviderTerms]
    cards: tuple[ModelCard, ...]
    rules: Mapping[Category, Rule]
    known: frozenset[str]
    problems: tuple[str, ...]


def load_catalog(
    clock: Clock, config: RuntimeConfig, *, folder: Path = FOLDER
) -> tuple[Catalog, RuleBook]:
    """Registry and rules with the runtime configuration applied.

    Raises ``CatalogError`` with every problem of the files, the overrides and the rules.
    """
    data = _package_data() if folder == FOLDER else read_data(folder)
    problems = list(data.problems)
    problems.extend(override_problems(config, data.known))
    cards = effective_cards(data.cards, config.models)
    problems.extend(cycle_problems(cards))
    rules = {**data.rules, **config.rules}
    problems.extend(rule_problems(rules, cards, data.known))
    if problems:
        raise CatalogError(problems)
    return Catalog(data.cards, clock, config.models), RuleBook(data.rules, config.rules)


def provider_terms() -> Mapping[str, ProviderTerms]:
    """Terms by provider: the five, and ``local`` for the user's own server."""
    return _package_data().providers


@cache
def _package_data() -> CatalogData:
    """The package's own files, validated once per process: they cannot change while it runs."""
    return read_data(FOLDER)


def read_data(folder: Path) -> CatalogData:
    """``providers.json``, ``models.json`` and ``rules.json`` of a folder, with their problems.

    What cannot be read is left out, so that the rest is checked in the same pass.
    """
    problems: list[str] = []
    raw_providers = _json_object(folder / "providers.json", problems)
    providers = {
        name: terms
        for name, value in raw_providers.items()
        if (terms := _validated(ProviderTerms, value, f"providers.{name}", problems))
    }
    raw_cards = _json_list(folder / "models.json", problems)
    cards = _cards(raw_cards, raw_providers, problems)
    raw_rules = _json_object(folder / "rules.json", problems)
    rules: dict[Category, Rule] = {}
    for name, value in raw_rules.items():
        if name not in Category.__members__:
            problems.append(f"rules.{name}: unknown category")
            continue
        rule = _validated(Rule, value, f"rules.{name}", problems)
        if rule is not None:
            rules[Category(name)] = rule
    known = frozenset(
        str(raw["id"]) for raw in raw_cards if isinstance(raw, dict) and raw.get("id")
    )
    problems.extend(card_problems(cards, providers, known))
    return CatalogData(providers, cards, rules, known, tuple(problems))


def _cards(
    raw_cards: list[object], raw_providers: dict[str, object], problems: list[str]
) -> tuple[ModelCard, ...]:
    found = []
    for index, raw in enumerate(raw_cards):
        merged = _with_defaults(raw, raw_providers)
        name = merged.get("id", index) if isinstance(merged, dict) else index
        card = _validated(ModelCard, merged, f"models.{name}", problems)
        if card is not None:
            found.append(card)
    return tuple(found)


def _with_defaults(raw: object, providers: dict[str, object]) -> object:
    """A raw card over its provider's defaults: the day's turn, and for TEXT models ``chat``."""
    if not isinstance(raw, dict):
        return raw
    provider = providers.get(str(raw.get("provider")))
    if not isinstance(provider, dict):
        return raw
    defaults: dict[str, object] = {"day_reset": provider.get("day_reset")}
    chat = provider.get("chat")
    capabilities = raw.get("capabilities")
    if isinstance(chat, dict) and isinstance(capabilities, list) and "TEXT" in capabilities:
        defaults.update(chat)
    return {**defaults, **raw}


def _json_object(path: Path, problems: list[str]) -> dict[str, object]:
    loaded = _json(path, problems)
    if isinstance(loaded, dict):
        return loaded
    if loaded is not None:
        problems.append(f"{path.name}: expected a JSON object")
    return {}


def _json_list(path: Path, problems: list[str]) -> list[object]:
    loaded = _json(path, problems)
    if isinstance(loaded, list):
        return loaded
    if loaded is not None:
        problems.append(f"{path.name}: expected a JSON list")
    return []


def _json(path: Path, problems: list[str]) -> object:
    try:
        loaded: object = orjson.loads(path.read_bytes())
    except OSError as error:
        problems.append(f"{path.name}: cannot be read: {error.strerror}")
        return None
    except ValueError as error:
        problems.append(f"{path.name}: not JSON: {error}")
        return None
    return loaded


def _validated(shape: type[T], value: object, where: str, problems: list[str]) -> T | None:
    found, wrong = checked(value, shape)
    problems.extend(f"{'.'.join((where, *path))}: {said}" for path, said in wrong)
    return found
