"""What types cannot say of catalog, rules and overrides: every problem, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shared.catalog.lifecycle import parse_day
from shared.catalog.registry import LOCAL_PREFIX, local_card, overridden
from shared.catalog.rules import LONG_CONTEXT_WINDOW, can_serve, needed_capability
from shared.catalog.terms import ProviderTerms
from shared.config import Condition, ModelOverride, Rule, RuntimeConfig
from shared.model import Category, ModelCard
from shared.settings import PROVIDERS

FREE_TIERS = ("quota", "credit", "none", "unknown")
LOCAL_PROVIDER = "local"
LAST_HOUR = 23
_DATES = ("released", "shutdown_date", "last_seen", "serves_from")


def card_problems(
    cards: Iterable[ModelCard], providers: Mapping[str, ProviderTerms], known: frozenset[str]
) -> Iterator[str]:
    """Problems of single cards. ``known`` are all ids of the file, the unreadable ones too."""
    seen: set[str] = set()
    for card in cards:
        where = f"models.{card.id}"
        if card.id in seen:
            yield f"{where}: the id is given twice"
        seen.add(card.id)
        if card.provider not in providers:
            yield f"{where}.provider: unknown provider {card.provider!r}"
        if card.free_tier not in FREE_TIERS:
            yield f"{where}.free_tier: expected one of {', '.join(FREE_TIERS)}"
        if not card.capabilities:
            yield f"{where}.capabilities: at least one is needed"
        if (card.serves is None) != (card.serves_from is None):
            yield f"{where}: serves and serves_from go together"
        yield from _date_problems(card)
        for name, target in (("replacement", card.replacement), ("serves", card.serves)):
            if target is not None and target not in known:
                yield f"{where}.{name}: unknown model {target!r}"


def _date_problems(card: ModelCard) -> Iterator[str]:
    for name in _DATES:
        text: str | None = getattr(card, name)
        if text is not None:
            try:
                parse_day(text)
            except ValueError as error:
                yield f"models.{card.id}.{name}: {error}"


def override_problems(config: RuntimeConfig, known: frozenset[str]) -> Iterator[str]:
    """Ids in the runtime configuration that nobody has. Local models are found later, so any
    ``local-`` id passes here."""
    for model_id, override in config.models.items():
        if not _may_exist(model_id, known):
            yield f"models.{model_id}: unknown model"
        target = override.replacement
        if target is not None and not _may_exist(target, known):
            yield f"models.{model_id}.replacement: unknown model {target!r}"
    for name in config.limits:
        if name not in (*PROVIDERS, LOCAL_PROVIDER) and not _may_exist(name, known):
            yield f"limits.{name}: neither a provider nor a model"


def _may_exist(model_id: str, known: frozenset[str]) -> bool:
    return model_id in known or model_id.startswith(LOCAL_PREFIX)


def effective_cards(
    cards: Iterable[ModelCard], overrides: Mapping[str, ModelOverride]
) -> dict[str, ModelCard]:
    """Cards by id as the overrides make them, with those of the local models they name."""
    found = {card.id: overridden(card, overrides.get(card.id)) for card in cards}
    named = [*overrides, *(o.replacement for o in overrides.values() if o.replacement)]
    for model_id in named:
        if model_id.startswith(LOCAL_PREFIX) and model_id not in found:
            override = overrides.get(model_id)
            found[model_id] = overridden(
                local_card(model_id.removeprefix(LOCAL_PREFIX), override), override
            )
    return found


def cycle_problems(cards: Mapping[str, ModelCard]) -> Iterator[str]:
    """Each cycle of replacements and reroutes once, named by its members."""
    reported: set[frozenset[str]] = set()
    finished: set[str] = set()
    for start in cards:
        path = [start]
        branches = [_targets(start, cards)]
        while branches:
            target = next(branches[-1], None)
            if target is None:
                finished.add(path.pop())
                branches.pop()
            elif target in path:
                cycle = path[path.index(target) :]
                if frozenset(cycle) not in reported:
                    reported.add(frozenset(cycle))
                    yield f"models: replacement cycle {' -> '.join((*cycle, target))}"
            elif target not in finished:
                path.append(target)
                branches.append(_targets(target, cards))


def _targets(model_id: str, cards: Mapping[str, ModelCard]) -> Iterator[str]:
    card = cards[model_id]
    return (one for one in (card.replacement, card.serves) if one is not None and one in cards)


def rule_problems(
    rules: Mapping[Category, Rule], cards: Mapping[str, ModelCard], known: frozenset[str]
) -> Iterator[str]:
    """Missing rules, unknown ids, and models that cannot do what their rule is for.

    Everything an entry may ever resolve to is looked at, so that no date brings a surprise.
    """
    for category in Category:
        rule = rules.get(category)
        if rule is None:
            yield f"rules.{category.value}: the rule is missing"
            continue
        where = f"rules.{category.value}"
        for at, entry in enumerate(rule.entries):
            for number, condition in enumerate(entry.conditions):
                problem = _condition_problem(condition)
                if problem is not None:
                    yield f"{where}.entries.{at}.conditions.{number}: {problem}"
            if entry.model not in known:
                yield f"{where}: unknown model {entry.model!r}"
            elif entry.model in cards:
                yield from _gaps(where, category, entry.model, cards)


def _condition_problem(condition: Condition) -> str | None:
    """Why it could never hold, whatever is asked: refused rather than silently never met."""
    field, op, value = condition.field, condition.op, condition.value
    values = value if isinstance(value, list) else [value]
    if (op == "IN") is not isinstance(value, list):
        return "IN takes a list, the other operators one value"
    if field in ("TOKEN_COUNT", "TIME_OF_DAY"):
        if not all(isinstance(one, int) and not isinstance(one, bool) for one in values):
            return f"{field} is compared with whole numbers"
        if field == "TIME_OF_DAY" and not all(0 <= int(one) <= LAST_HOUR for one in values):
            return f"TIME_OF_DAY is an hour of UTC, 0 to {LAST_HOUR}"
        return None
    if op in ("GT", "LT"):
        return f"{field} is compared by EQ or IN"
    if field == "PROVIDER_AVAILABLE":
        if isinstance(value, bool):
            return None
        if not all(one in (*PROVIDERS, LOCAL_PROVIDER) for one in values):
            return "PROVIDER_AVAILABLE takes true, false or names of providers"
        return None
    return None if all(isinstance(one, str) for one in values) else f"{field} is compared with text"


def _gaps(
    where: str, category: Category, model_id: str, cards: Mapping[str, ModelCard]
) -> Iterator[str]:
    if not can_serve(cards[model_id], category):
        yield f"{where}: {model_id} cannot serve it ({_lack(cards[model_id], category)})"
        return
    seen = {model_id}
    queue = [model_id]
    while queue:
        here = queue.pop()
        for target in _targets(here, cards):
            if target in seen:
                continue
            seen.add(target)
            queue.append(target)
            if not can_serve(cards[target], category):
                lack = _lack(cards[target], category)
                yield f"{where}: {here} is replaced by {target}, which cannot serve it ({lack})"


def _lack(card: ModelCard, category: Category) -> str:
    need = needed_capability(category)
    if need not in card.capabilities:
        return f"no {need.value}"
    if not card.chat:
        return "a guard"
    return f"its window is not known to be over {LONG_CONTEXT_WINDOW:,} tokens"
