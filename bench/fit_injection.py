"""Fits the weights of the injection screen: ``python -m bench.fit_injection``.

Logistic regression on the training rows of ``bench/data/injection.jsonl``, on texts drawn from
templates and, as ordinary ones, on those of ``bench/data/classify.jsonl`` and this project's pages
and sources (all written for it). A text counts by its heaviest region, so regions are chosen anew
in each round. Weights may not fall below 0 but for those of what speaks for an ordinary request
(``CALM``), and are held near a start set by hand, so that what no row shows is not forgotten.
"""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import dataclass
from pathlib import Path

from bench.classify import load as load_prompts
from bench.injection_rows import Row, drawn, load
from shared.safety.injection import feature_name, readings, regions
from shared.safety.injection_words import ANCHORS, lexicon

DOCS = Path(__file__).parent.parent / "docs"
SOURCES = Path(__file__).parent.parent / "shared"
PAGE = 1500  # characters
OUT = Path(__file__).parent.parent / "shared" / "safety" / "injection_weights.json"
ROUNDS, STEPS, RATE = 5, 30, 0.3
PULL = 2.5  # towards the start, in texts
FAR, FORM = 0.3, 0.8  # of what a feature says when it is near; of every form
# What speaks for an ordinary request may not outweigh a plain order: everyday words stand in both.
FLOOR = -0.6
# From this score on a text is blocked. ``LESS`` is taken off all log odds for it. ``WORDING`` is
# what the log odds of how a text sounds (bench/fit_wording.py) count beside the concepts; ``HEARD``
# of them are enough alone, with ``BESIDE`` of what the concepts say. These were chosen on the rows
# of ``injection_rows.TUNING``, which no fit has seen, and on ordinary prompts, with the sums of the
# other rows held out in view.
THRESHOLD, LESS, WORDING = 0.5, 1.0, 0.5
HEARD, BESIDE = 1.1, 0.3
# Customers speak of "your rules" and "your instructions" as well: how a text sounds tells the two
# apart, so of what these say by themselves only a part counts.
MILD = {"RULES<YOUR": 0.5, "PROMPT<YOUR": 0.5}
SEED = 5
DRAWN = 12  # texts of each template

# What the concepts say beside each other before any text was seen, set by hand.
STARTS: dict[str, dict[str, float]] = json.loads(
    (Path(__file__).parent / "data" / "injection_start.json").read_text(encoding="utf-8")
)
# Concepts that may speak against an attack.
CALM = frozenset({"TOPIC", "ME", "ASK"})
CODE = "form:code"

Features = frozenset[str]


@dataclass(slots=True)
class Example:
    """A text as the regions it has, and whether it is an attack."""

    regions: list[Features]
    attack: bool


def features(text: str) -> list[Features]:
    """The features of each region of a text, and of its forms alone."""
    found: list[Features] = []
    for words, shapes in readings(text):
        forms = {f"form:{shape}" for shape in shapes}
        found.append(frozenset(forms))
        found += [frozenset(forms | set(map(feature_name, codes))) for codes in regions(words)]
    return found


def start(name: str) -> float:
    """The weight a feature has before anything is known of it."""
    if name.startswith("form:"):
        return 0.0 if name == CODE else FORM
    parts = re.split("[<>~]", name)
    other = parts[1] if len(parts) == 2 else ""
    return STARTS[parts[0]].get(other, 0.0) * (FAR if "~" in name else 1.0)


def calm(name: str) -> bool:
    """Whether a feature may speak for an ordinary request."""
    return name == CODE or not CALM.isdisjoint(re.split("[<>~]", name))


def ordinary() -> list[Row]:
    """Prompts and pages that nobody wrote to look like anything."""
    prompts = [
        str(message["content"])
        for row in load_prompts()
        if not row.held_out and isinstance(row.request.get("messages"), list)
        for message in row.request["messages"]  # type: ignore[attr-defined]
        if message["role"] == "user" and isinstance(message["content"], str)
    ]
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        prompts += [text[place : place + PAGE] for place in range(0, len(text), PAGE)]
    for source in sorted(SOURCES.glob("*/*.py"))[::2]:
        text = source.read_text(encoding="utf-8")
        prompts += [text[place : place + PAGE] for place in range(0, len(text), 4 * PAGE)]
    return [Row(text, False, False) for text in prompts]


def examples(rows: list[Row]) -> list[Example]:
    """The rows, and each attack once more between two harmless sentences."""
    rng = random.Random(SEED)
    plain = [row.text for row in rows if not row.attack]
    made = [Example(features(row.text), row.attack) for row in rows]
    for row in rows:
        if row.attack:
            around = rng.choices(plain, k=rng.choice((1, 2, 4, 8, 16)))
            around.insert(rng.randrange(len(around) + 1), row.text)
            made.append(Example(features("\n".join(around)), True))
    for size in (2, 4, 8, 16):
        for _ in range(len(plain) // 6):
            made.append(Example(features("\n".join(rng.choices(plain, k=size))), False))
    return made


def total(region: Features, weights: dict[str, float]) -> float:
    return sum(weights[name] for name in region)


def fit(made: list[Example]) -> tuple[float, dict[str, float]]:
    """Bias and weights, by AdaGrad on the whole set at once."""
    names = sorted({name for example in made for region in example.regions for name in region})
    weights = {name: start(name) for name in names}
    squares = dict.fromkeys(names, 0.01)
    bias = -2.0
    for _ in range(ROUNDS):
        chosen = [
            (max(example.regions, key=lambda region: total(region, weights)), example.attack)
            for example in made
        ]
        for _ in range(STEPS):
            slope = {name: PULL * (weights[name] - start(name)) for name in names}
            tilt = sway = 0.0
            for region, attack in chosen:
                guess = 1 / (1 + math.exp(-max(-30.0, bias + total(region, weights))))
                error = guess - attack
                tilt += error
                sway += guess * (1 - guess)
                for name in region:
                    slope[name] += error
            bias -= tilt / (sway + 1)
            for name, way in slope.items():
                squares[name] += way * way
                moved = weights[name] - RATE * way / math.sqrt(squares[name])
                weights[name] = max(FLOOR if calm(name) else 0.0, moved)
    return bias, weights


def score(example: Example, bias: float, weights: dict[str, float]) -> float:
    best = max([0.0, *(total(region, weights) for region in example.regions)])
    return 1 / (1 + math.exp(-bias - best))


def main() -> None:
    rows = [row for row in load() if not row.held_out]
    more = [*ordinary(), *drawn(DRAWN, SEED)]
    made = [*examples(rows), *(Example(features(row.text), row.attack) for row in more)]
    bias, weights = fit(made)
    names = lexicon().names
    pairs = [f"{a}{sign}{b}" for a in names if a in ANCHORS for sign in "<>~" for b in names]
    every = [*(name for name in names if name in ANCHORS), *pairs]
    kept = {name: start(name) for name in every} | weights
    kept |= {name: kept[name] * part for name, part in MILD.items()}
    OUT.write_text(
        json.dumps(
            {
                "about": "Written by bench/fit_injection.py; not by hand.",
                "bias": round(bias - LESS, 3),
                "threshold": THRESHOLD,
                "wording": WORDING,
                "heard": HEARD,
                "beside": BESIDE,
                "weights": {n: round(w, 2) for n, w in sorted(kept.items()) if round(w, 2)},
            },
            indent=0,
        )
        + "\n",
        encoding="utf-8",
    )
    caught = [score(e, bias - LESS, weights) >= THRESHOLD for e in made if e.attack]
    print(f"{sum(caught)} of {len(caught)} training attacks caught")


if __name__ == "__main__":
    main()
