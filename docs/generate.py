"""The tables of these pages, written from the data they describe.

``python -m docs.generate`` rewrites them, ``--check`` fails where a page differs from the data.
A table stands between ``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``; ``TABLES`` says
which function makes it. Tables hold dates, never today's status, so they stay true by themselves.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from docs import error_tables
from shared.catalog.lifecycle import NEVER_EXISTED_SINCE
from shared.catalog.load import load_catalog, provider_terms
from shared.catalog.registry import Catalog
from shared.catalog.rules import RuleBook
from shared.classify.llm_data import classifiers
from shared.clock import SystemClock
from shared.config import RuntimeConfig
from shared.model import Capability, Category, Limits, ModelCard
from shared.safety.guard_data import guards, hazards

ROOT = Path(__file__).resolve().parent.parent
Table = Callable[[], str]

CATEGORY_EXAMPLES = {
    Category.SIMPLE: "What is the capital of Norway?",
    Category.MEDIUM: "Explain how vaccines work.",
    Category.COMPLEX: "Plan our move to a new warehouse with a fixed budget and three deadlines.",
    Category.CODING: "Why does this function raise a KeyError?",
    Category.REASONING: "Prove that the square root of 2 is irrational.",
    Category.VISION_IN: "What is in this picture? (with an image)",
    Category.IMAGE_GEN: "Draw a red fox in the snow.",
    Category.VIDEO_GEN: "Make a short video of waves at dawn.",
    Category.MULTILINGUAL: "¿Cómo se dice esto en francés?",
    Category.AGENTIC: "Book a table for four tonight. (or any request with tools)",
    Category.LONG_CONTEXT: "Summarize this book. (over 100,000 tokens)",
}


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; pipes inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _data() -> tuple[Catalog, RuleBook]:
    # The clock plays no part: nothing below asks for a status.
    return load_catalog(SystemClock(), RuntimeConfig())


# ------------------------------------------------------------------------------------- tables


def providers_table() -> str:
    """Ceilings, the day's turn and what a free key gets."""
    rows = []
    for terms in provider_terms().values():
        links = ", ".join(f"[{_host(url)}]({url})" for url in terms.sources)
        rows.append([terms.name, _limits(terms.ceiling), terms.day_reset, terms.free_tier, links])
    head = ["provider", "ceiling for all its models", "day turns", "what a free key gets", "source"]
    return markdown_table(head, rows)


def models_table(provider: str) -> Table:
    """A function that makes the table of one provider's models."""

    def table() -> str:
        catalog, _ = _data()
        rows = [
            [
                f"`{card.id}`",
                f"`{card.provider_model_id}`",
                ", ".join(one.value for one in Capability if one in card.capabilities),
                _window(card),
                _limits(card.limits),
                card.free_tier,
                _life(card),
                f"`{card.replacement}`" if card.replacement else "",
            ]
            for card in catalog.by_provider(provider)
        ]
        head = [
            "id",
            "provider's id",
            "capabilities",
            "window / output",
            "limits",
            "free key",
            "life",
            "replacement",
        ]
        return markdown_table(head, rows)

    return table


def features_table() -> str:
    """Which request fields each chat model honours; models with an announced end are left out."""
    catalog, _ = _data()
    rows = [
        [
            f"`{card.id}`",
            ", ".join(sorted(one.value for one in card.features if one.value != "reasoning_effort"))
            or "none",
            ", ".join(card.reasoning_efforts),
        ]
        for card in catalog.with_capability(Capability.TEXT)
        if card.chat and not _ended(card)
    ]
    return markdown_table(["id", "fields", "reasoning_effort"], rows)


def categories_table() -> str:
    """The categories with an example each."""
    rows = [[one.value, CATEGORY_EXAMPLES[one]] for one in Category]
    return markdown_table(["category", "example"], rows)


def chains_table() -> str:
    """Each category's chain, every entry with what serves it from which day on."""
    catalog, rules = _data()
    parts = []
    for category in Category:
        rule = rules.rule(category)
        rows = [
            [str(entry.priority), f"`{entry.model}`", _successors(catalog, entry.model)]
            for entry in rule.entries
        ]
        table = markdown_table(["priority", "model", "served by"], rows)
        parts.append(
            f"### {category.value}\n\nAt most {rule.max_attempts} attempts. {rule.note}\n\n{table}"
        )
    return "\n\n".join(parts)


def guards_table() -> str:
    """The guard chain, every entry with what is asked in its place from which day on."""
    catalog, _ = _data()
    rows = []
    for terms in guards():
        way = "Llama Guard" if terms.speaks == "llama_guard" else "our policy"
        images = "yes" if terms.sees_images else ""
        rows.append([f"`{terms.model}`", way, images, _successors(catalog, terms.model)])
    return markdown_table(["guard", "speaks", "sees images", "served by"], rows)


def classifiers_table() -> str:
    """The models that classify, each with what is asked in its place from which day on."""
    catalog, _ = _data()
    rows = [
        [f"`{terms.model}`", _successors(catalog, terms.model), str(terms.max_tokens)]
        for terms in classifiers()
    ]
    return markdown_table(["model", "served by", "longest answer (tokens)"], rows)


def hazards_table() -> str:
    """Llama Guard's codes, and what they mean to us."""
    rows = [
        [code, terms.name, terms.category.value, terms.severity.value]
        for code, terms in hazards().items()
    ]
    return markdown_table(["code", "hazard", "category", "severity"], rows)


def codes_table() -> str:
    """The error codes of the API."""
    return markdown_table(["code", "status", "Firebase", "meaning"], error_tables.codes())


def outcomes_table() -> str:
    """What an attempt at one model can end in, and what follows."""
    head = ["outcome", "meaning", "then", "concerns", "counts against health"]
    return markdown_table(head, error_tables.outcomes())


# -------------------------------------------------------------------------------------- cells


def _host(url: str) -> str:
    return url.split("/")[2]


def _limits(limits: Limits) -> str:
    named = [
        (limits.rpm, "requests a minute"),
        (limits.rpd, "a day"),
        (limits.tpm, "tokens a minute"),
        (limits.tpd, "tokens a day"),
        (limits.characters_per_month, "characters a month"),
    ]
    return ", ".join(f"{value:,} {unit}" for value, unit in named if value is not None)


def _window(card: ModelCard) -> str:
    def figure(tokens: int | None) -> str:
        return f"{tokens:,}" if tokens else "-"

    free = f" (free {card.context_window_free:,})" if card.context_window_free else ""
    return f"{figure(card.context_window)}{free} / {figure(card.max_output_tokens)}"


def _life(card: ModelCard) -> str:
    facts = []
    if card.released:
        facts.append(f"released {card.released}")
    if card.never_existed:
        facts.append("never offered")
    if card.shutdown_date:
        facts.append(f"ends {card.shutdown_date}")
    if card.last_seen:
        facts.append(f"last seen {card.last_seen}")
    if card.serves:
        facts.append(f"answered by `{card.serves}` from {card.serves_from}")
    return ", ".join(facts)


def _end(card: ModelCard) -> tuple[str, str] | None:
    """The day from which another model answers, and its id; None while nothing is known."""
    if card.serves and card.serves_from:
        return card.serves_from, card.serves
    day = card.shutdown_date or card.last_seen
    if day is None and card.never_existed:
        day = NEVER_EXISTED_SINCE
    return (day, card.replacement or "") if day else None


def _ended(card: ModelCard) -> bool:
    return bool(card.last_seen or card.never_existed or card.shutdown_date)


def _successors(catalog: Catalog, model_id: str) -> str:
    steps = []
    card = catalog.get(model_id)
    since = ""
    while card is not None and (end := _end(card)) is not None:
        # A successor that ended before it was needed is passed over on the same day.
        since = max(since, end[0])
        card = catalog.get(end[1])
        if card is not None:
            following = _end(card)
            if following is None or following[0] > since:
                steps.append(f"from {since} `{card.id}`")
    return ", ".join(steps) or "itself"


# --------------------------------------------------------------------------------------- pages

# A new page or table is one more line here and its pair of markers on the page.
TABLES: Mapping[str, Mapping[str, Table]] = {
    "docs/models.md": {
        "providers": providers_table,
        "features": features_table,
        "groq": models_table("groq"),
        "cerebras": models_table("cerebras"),
        "google": models_table("google"),
        "huggingface": models_table("huggingface"),
        "elevenlabs": models_table("elevenlabs"),
    },
    "docs/routing.md": {"categories": categories_table, "chains": chains_table},
    "docs/classifier.md": {"classifiers": classifiers_table},
    "docs/safety.md": {"guards": guards_table, "hazards": hazards_table},
    "docs/errors.md": {"codes": codes_table, "outcomes": outcomes_table},
}


class PageError(Exception):
    """A page lacks the markers of a table, or has markers nobody fills."""


def render(text: str, tables: Mapping[str, Table]) -> str:
    """The page with every table made anew. Raises ``PageError`` where markers and tables differ."""
    marked = re.findall(r"^<!-- generated: (\S+) -->$", text, re.MULTILINE)
    if sorted(marked) != sorted(tables):
        raise PageError(f"markers {sorted(marked)} do not match tables {sorted(tables)}")
    for name, table in tables.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, rest = text.split(begin, 1)
        if end not in rest:
            raise PageError(f"{name}: no line {end}")
        after = rest.split(end, 1)[1]
        text = f"{before}{begin}\n{table()}\n\n{end}{after}"
    return text


def stale_pages(
    root: Path = ROOT, pages: Mapping[str, Mapping[str, Table]] = TABLES
) -> dict[str, str]:
    """Pages that differ from the data, with what they should hold."""
    stale = {}
    for name, tables in pages.items():
        text = (root / name).read_text(encoding="utf-8")
        wanted = render(text, tables)
        if wanted != text:
            stale[name] = wanted
    return stale


def main(arguments: Sequence[str]) -> int:
    """0, or 1 where ``--check`` finds a stale page or the arguments are wrong."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m docs.generate [--check]", file=sys.stderr)
        return 1
    stale = stale_pages()
    for name, wanted in stale.items():
        if arguments:
            print(f"{name} differs from the data: run python -m docs.generate", file=sys.stderr)
        else:
            (ROOT / name).write_text(wanted, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
