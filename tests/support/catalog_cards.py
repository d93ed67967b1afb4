"""Generated cards and the real catalog at any date, for tests of what stands on them."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st
from msgspec import structs

from shared.catalog.lifecycle import SECONDS_PER_DAY, parse_day
from shared.catalog.load import load_catalog
from shared.catalog.registry import Catalog
from shared.catalog.rules import RuleBook
from shared.config import RuntimeConfig
from shared.model import Capability, ModelCard
from tests.support.virtual_time import ManualClock

FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2028, 12, 31)
# From the day the data was read until the day it must hold without a change.
DATA_DAY, HOLDS_UNTIL = parse_day("2026-11-23"), parse_day("2027-06-01")

days = st.dates(FIRST_DAY, LAST_DAY).map(date.isoformat)
moments = st.floats(
    parse_day(FIRST_DAY.isoformat()) * SECONDS_PER_DAY,
    parse_day(LAST_DAY.isoformat()) * SECONDS_PER_DAY,
    allow_nan=False,
)


def card(model_id: str, **changes: object) -> ModelCard:
    """A plain living TEXT model with some fields changed."""
    plain = ModelCard(
        id=model_id,
        name=model_id,
        provider="groq",
        provider_model_id=f"vendor/{model_id}",
        capabilities=frozenset({Capability.TEXT}),
        source="test",
        free_tier="quota",
    )
    return structs.replace(plain, **changes)


@st.composite
def card_lists(draw: st.DrawFn, *, cycles: bool = False) -> list[ModelCard]:
    """One to eight cards with any dates, whose replacements and reroutes lead to later cards of
    the list, or with ``cycles`` anywhere."""
    ids = [f"m{number}" for number in range(draw(st.integers(1, 8)))]
    cards = []
    for number, model_id in enumerate(ids):
        others = [one for one in (ids if cycles else ids[number + 1 :]) if one != model_id]
        target = st.none() | st.sampled_from(others) if others else st.none()
        serves = draw(target)
        cards.append(
            card(
                model_id,
                provider=draw(st.sampled_from(["groq", "cerebras", "google"])),
                capabilities=frozenset(
                    draw(st.lists(st.sampled_from(list(Capability)), min_size=1, max_size=4))
                ),
                shutdown_date=draw(st.none() | days),
                last_seen=draw(st.none() | days),
                never_existed=draw(st.integers(0, 9)) == 0,
                replacement=draw(target),
                serves=serves,
                serves_from=draw(days) if serves else None,
                quality=draw(st.integers(0, 100)),
            )
        )
    return cards


def real(day: int, config: RuntimeConfig | None = None) -> tuple[Catalog, RuleBook]:
    """The package's own catalog at 12:00 UTC of that day (days since 1970-01-01)."""
    clock = ManualClock(wall=(day + 0.5) * SECONDS_PER_DAY)
    return load_catalog(clock, config or RuntimeConfig())
