"""Makes the wording network of the injection screen: ``python -m bench.fit_wording --pool FOLDER``.

Needs what ``bench/train_classifier.py`` needs; takes half an hour on two cores.

1. A teacher (``bench/minilm.py``) is taught to tell attacks from other texts: the training rows of
   ``bench/data/injection.jsonl``, texts of its templates, and as ordinary ones our prompts, pages
   and sources and the prompts of ``bench/pool.py``. Attacks also stand between ordinary texts.
2. The teacher judges short pieces of all these, and pieces made of them (``bench/augment.py``).
3. A student, the network of ``shared/safety/injection_wording.py``, learns its judgements
   (``bench/wording_net.py``). It starts from what words mean to the teacher.
4. The student learns the labels of whole texts, of which the strongest run decides as it does in
   the screen: what is an order in a run may be a rule in a long harmless text.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench import minilm
from bench.augment import Neighbours, augment, neighbours
from bench.fit_injection import PAGE, ordinary
from bench.injection_rows import drawn, load
from bench.meanings import Meanings, meanings
from bench.pool import manuals, sources
from bench.train_classifier import examples
from bench.wording_net import (
    AGAIN,
    AGAIN_RATE,
    DROPOUT,
    EPOCHS,
    LONGEST,
    MEANING_RATE,
    RATE,
    STEPS,
    Codes,
    Rates,
    Whole,
    choose,
    fresh,
    learn,
    learn_whole,
    rounded,
)
from shared.safety.injection_forms import visible
from shared.safety.injection_wording import HIGH, MOST, PATH, ROWS, place
from shared.safety.injection_words import plain_words

SEED = 3
DRAWN = 8  # texts of each template
PROMPTS, EACH = 6000, 1500  # of our prompts, and of each source of the pool
TAUGHT = 40_000  # texts that the teacher is taught with
AMONG, MIXED = 2500, 2000  # attacks between ordinary texts, and ordinary texts together
MADE, MADE_ORDINARY = 45_000, 28_000  # texts made of attacks and of others
LENGTHS = (6, 8, 12, 16, 24, 32)  # words of a piece
PIECES = 3  # of a text, at most
CODES = 4096  # of words
AXES, COMMON = 64, 20_000  # of a meaning, and the words by which they are chosen
_PART = 400  # characters of an ordinary text beside another


@dataclass(slots=True)
class Judged:
    """Pieces as words, and the chance of each to be an attack."""

    texts: list[list[str]]
    chances: np.ndarray


@dataclass(slots=True)
class Taught:
    """All words, the code of each after that of unknown ones, and the network of the codes."""

    words: list[str]
    codes: np.ndarray
    net: Codes


@dataclass(slots=True)
class Text:
    """A text, whether it is an attack, and its share of the teacher's attention."""

    text: str
    attack: bool
    share: float


def lesson(folder: Path, rng: random.Random) -> list[Text]:
    """What the teacher is taught with."""
    found = [Text(row.text, row.attack, 3.0) for row in load() if not row.held_out]
    found += [Text(row.text, row.attack, 0.4) for row in drawn(DRAWN, SEED)]
    pages = [row.text for row in ordinary()]
    prompts = [example.text for example in examples(random.Random(SEED))]
    pool = [text for source in sources(folder, set()) for text in source.texts[:EACH]]
    read = list(manuals(folder, PAGE))
    found += [Text(text, False, 0.4) for text in read]
    found += [Text(text, False, 0.7) for text in pages]
    found += [Text(text, False, 0.15) for text in rng.sample(prompts, PROMPTS)]
    found += [Text(text, False, 0.2) for text in pool]
    others = [*prompts, *pages, *read, *pool]
    attacks = [each for each in found if each.attack]
    for each in rng.choices(attacks, weights=[each.share for each in attacks], k=AMONG):
        parts = [rng.choice(others)[:_PART] for _ in range(rng.choice((1, 1, 2, 3)))]
        parts.insert(rng.randrange(len(parts) + 1), each.text)
        found.append(Text(rng.choice(("\n", " ", "\n\n")).join(parts), True, 0.5))
    for _ in range(MIXED):
        parts = [rng.choice(others)[:_PART] for _ in range(rng.choice((2, 3, 4)))]
        found.append(Text(rng.choice(("\n", " ", "\n\n")).join(parts), False, 0.4))
    return found


def shares(found: list[Text]) -> np.ndarray:
    """The texts' shares, attacks and others alike in sum."""
    share_of = np.array([each.share for each in found])
    attack = np.array([each.attack for each in found])
    for kind in (attack, ~attack):
        share_of[kind] /= 2 * share_of[kind].sum()
    return share_of


def pieces(text: str, rng: random.Random) -> list[str]:
    """A few runs of words of ``text``, or the whole of a short one."""
    spoken = text.split()
    if len(spoken) <= LENGTHS[0]:
        return [text]
    found = []
    for _ in range(PIECES if len(spoken) > LENGTHS[-1] else 1):
        size = rng.choice(LENGTHS)
        start = rng.randrange(max(1, len(spoken) - size + 1))
        found.append(" ".join(spoken[start : start + size]))
    if len(spoken) <= LENGTHS[-1]:
        found.append(text)
    return found


def judged(found: list[Text], near: Neighbours, rng: random.Random) -> list[str]:
    """Pieces for the teacher to judge."""
    attacks = [each.text for each in found if each.attack]
    weights = [each.share for each in found if each.attack]
    others = [each.text for each in found if not each.attack]
    made = [
        augment(text, others, near, rng) for text in rng.choices(attacks, weights=weights, k=MADE)
    ]
    made += [augment(rng.choice(others), attacks, near, rng) for _ in range(MADE_ORDINARY)]
    every = [*(each.text for each in found), *made]
    return list(dict.fromkeys(piece for text in every for piece in pieces(text, rng)))


def judgements(found: list[Text], known: Meanings, teacher: minilm.Teacher) -> Judged:
    """Pieces of all texts and what the teacher says of them."""
    every = judged(found, neighbours(known), random.Random(SEED + 1))
    print(f"the teacher judges {len(every)} pieces", flush=True)
    scores = minilm.scores(teacher, every)
    chances = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
    return Judged([plain_words(visible(text))[:LONGEST] for text in every], chances)


def meaning_of(words: list[str], teacher: minilm.Teacher) -> np.ndarray:
    """What words mean to the published model and to the teacher, (words, 2 * ``AXES``)."""
    parts = []
    for tensors in (teacher.tensors, minilm.published()):
        vectors = _means(tensors, minilm.tokens(words))
        vectors -= vectors.mean(0)
        _, _, axes = np.linalg.svd(vectors[:COMMON], full_matrices=False)
        parts.append(vectors @ axes[:AXES].T)
    both = np.concatenate([part / np.linalg.norm(part, axis=1).mean() for part in parts], axis=1)
    found: np.ndarray = (both / both.std()).astype(np.float32)
    return found


def _means(tensors: minilm.Tensors, ids: list[list[int]]) -> np.ndarray:
    found = np.zeros((len(ids), minilm.WIDTH), np.float32)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    with torch.inference_mode():
        for start in range(0, len(order), 512):
            batch = order[start : start + 512]
            shown, there = minilm.pad([ids[index] for index in batch])
            found[batch] = minilm.means(tensors, shown, there, 0.0).numpy()
    return found


def write(taught: Taught, path: Path) -> None:
    """The file of ``shared.safety.injection_wording``. A row is the first of its words'."""
    marks, rows = np.zeros(ROWS, np.uint8), np.zeros(ROWS, np.uint16)
    for word, code in zip(taught.words, taught.codes[1:], strict=True):
        row, mark = place(word)
        if not marks[row]:
            marks[row], rows[row] = mark, code
    net = taught.net
    table = np.clip(np.rint(net.table.detach().numpy()), 0, MOST).astype(np.uint8)
    head = {
        "about": "Written by bench/fit_wording.py.",
        "bias": round(net.bias.item(), 4),
        "floors": [int(value) for value in net.floors.detach().round().clamp(0, HIGH - 1)],
        "weights": [round(value, 5) for value in net.weights.tolist()],
        "codes": len(table),
    }
    path.write_bytes(
        json.dumps(head).encode()
        + b"\n"
        + marks.tobytes()
        + rows.astype("<u2").tobytes()
        + table.tobytes()
    )


def student(taken: Judged, teacher: minilm.Teacher, known: Meanings, found: list[Text]) -> Taught:
    """What learns the teacher's judgements of pieces, and then the labels of whole texts."""
    whole = [plain_words(visible(each.text)) for each in found]
    often = Counter(word for text in [*taken.texts, *whole] for word in set(text))
    words = [word for word, _ in often.most_common()]
    words += [word for word in known.vocabulary if word not in often]
    number = {word: index + 1 for index, word in enumerate(words)}
    numbers = [[number[word] for word in text] for text in taken.texts]
    net = fresh(meaning_of(words, teacher), SEED)
    learn(net, numbers, taken.chances, Rates(EPOCHS, RATE, MEANING_RATE, DROPOUT), SEED)
    answers = net.answers()
    weight = np.array([1.0, *(math.sqrt(often[word] + 0.05) for word in words)])
    codes = choose(answers, weight, CODES, SEED)
    shared = np.zeros((CODES, *answers.shape[1:]), np.float32)
    total = np.zeros(CODES)
    np.add.at(total, codes, weight)
    np.add.at(shared, codes, answers * weight[:, None, None])
    shared /= np.maximum(total, 1e-9)[:, None, None]
    final = rounded(shared, net)
    coded = [[int(codes[word]) for word in text] for text in numbers]
    again = Rates(AGAIN, AGAIN_RATE, AGAIN_RATE * STEPS, DROPOUT / 2)
    learn(final, coded, taken.chances, again, SEED + 1)
    code = {word: int(codes[number[word]]) for word in words}
    labelled = Whole(
        [[code[word] for word in text] for text in whole],
        np.array([each.attack for each in found]),
        shares(found),
    )
    learn_whole(final, labelled, coded, taken.chances, SEED + 2)
    return Taught(words, codes, final)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="the folder of clones")
    parser.add_argument("--keep", type=Path, help="a folder to keep what takes long in")
    arguments = parser.parse_args()
    keep: Path | None = arguments.keep
    found = lesson(arguments.pool, random.Random(SEED))
    known = meanings(keep / "meanings.npy" if keep else None)
    path = keep / "teacher-injection.pt" if keep else None
    if path is not None and path.exists():
        teacher = minilm.load(path)
    else:
        labels = np.array([int(each.attack) for each in found])
        texts = [each.text for each in found]
        teacher = minilm.fit(texts, labels, shares(found), 2, TAUGHT, SEED)
        if path is not None:
            teacher.save(path)
    kept = keep / "judged-injection.pkl" if keep else None
    if kept is not None and kept.exists():
        taken: Judged = pickle.loads(kept.read_bytes())
    else:
        taken = judgements(found, known, teacher)
        if kept is not None:
            kept.write_bytes(pickle.dumps(taken))
    write(student(taken, teacher, known, found), PATH)
    print(f"{PATH}: {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
