"""Makes the phrases of the injection screen: ``python -m bench.fit_phrases --pool FOLDER``.

Needs what ``bench/train_classifier.py`` needs; takes a quarter of an hour on two cores.

1. A teacher (``bench/minilm.py``) is taught to tell attacks from other texts: the training rows of
   ``bench/data/injection.jsonl``, texts of its templates, and as ordinary ones our prompts, pages
   and sources and the prompts of ``bench/pool.py``. Attacks also stand between ordinary texts.
2. The teacher judges short pieces of all these, and pieces made of them (``bench/augment.py``).
3. A student, the weights of ``shared/safety/injection_phrases.py``, learns its judgements: a word's
   weight is partly that of its meaning, so words that no row has are known too.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from bench import minilm
from bench.augment import Neighbours, augment, neighbours
from bench.fit_injection import PAGE, ordinary
from bench.injection_rows import drawn, load
from bench.meanings import DIMENSIONS, Meanings, meanings
from bench.pool import manuals, sources
from bench.train_classifier import examples
from shared.safety.injection_forms import visible
from shared.safety.injection_phrases import PATH, ROWS, rows, share
from shared.safety.injection_words import plain_words

SEED = 3
DRAWN = 8  # texts of each template
PROMPTS, EACH = 6000, 1500  # of our prompts, and of each source of the pool
TAUGHT = 20_000  # texts that the teacher is taught with
AMONG, MIXED = 2500, 2000  # attacks between ordinary texts, and ordinary texts together
MADE, MADE_ORDINARY = 14_000, 8_000  # texts made of attacks and of others
LENGTHS = (6, 8, 12, 16, 24, 32)  # words of a piece
PIECES = 2  # of a text, at most
EPOCHS, BATCH, RATE, PULL, HIDDEN = 8, 256, 5e-3, 2e-6, 0.1
_PART = 400  # characters of an ordinary text beside another


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


@dataclass(slots=True)
class Student:
    """Weights of the words' rows, of the pairs' rows and of the meanings' axes, and the bias."""

    words: np.ndarray
    pairs: np.ndarray
    meaning: np.ndarray
    bias: float


def fit(texts: list[list[str]], targets: np.ndarray, known: Meanings) -> Student:
    """Learns the probabilities ``targets`` of texts in plain words."""
    torch.manual_seed(SEED)
    order = np.random.default_rng(SEED)
    places = [
        torch.tensor(
            [[row, ROWS + pair] for row, _, pair in rows(text)], dtype=torch.long
        ).flatten()
        for text in texts
    ]
    part = torch.tensor([share(max(1, len(text))) for text in texts])
    dense = torch.tensor(
        np.stack(
            [np.sum([known.of(w) for w in text] or [np.zeros(DIMENSIONS)], 0) for text in texts]
        )
    ).float()
    table = torch.zeros(2 * ROWS, 1, requires_grad=True)
    meaning = torch.zeros(1, DIMENSIONS, requires_grad=True)
    bias = torch.full((1,), -1.0, requires_grad=True)
    optimizer = torch.optim.Adam([table, meaning, bias], lr=RATE)
    wanted = torch.from_numpy(targets).float()
    steps, step = EPOCHS * (len(texts) // BATCH + 1), 0
    for epoch in range(EPOCHS):
        shuffled, lost = order.permutation(len(texts)), 0.0
        for start in range(0, len(texts), BATCH):
            batch = shuffled[start : start + BATCH]
            chosen = [places[index] for index in batch]
            begins = torch.tensor([0, *np.cumsum([len(each) for each in chosen])[:-1]])
            numbers = torch.cat(chosen)
            kept = (torch.rand(numbers.shape) > HIDDEN) / (1 - HIDDEN)
            summed = functional.embedding_bag(
                numbers, table, begins, mode="sum", per_sample_weights=kept
            ) + functional.linear(dense[batch], meaning)
            scores = summed[:, 0] * part[batch] + bias
            loss = functional.binary_cross_entropy_with_logits(scores, wanted[batch])
            pull = PULL * ((table**2).sum() + (meaning**2).sum())
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / steps)
            optimizer.zero_grad()
            (loss + pull).backward()
            optimizer.step()
            step += 1
            lost += float(loss) * len(batch)
        print(f"  epoch {epoch + 1}, loss {lost / len(texts):.3f}", flush=True)
    own = table.detach().numpy()[:, 0]
    return Student(own[:ROWS], own[ROWS:], meaning.detach().numpy()[0], float(bias))


def write(student: Student, known: Meanings, words: list[str]) -> None:
    """The file of ``shared.safety.injection_phrases``. A row is the first of its words'."""
    own = student.words.copy()
    marks = np.zeros(ROWS, np.uint8)
    for word in [*words, *known.vocabulary]:
        ((row, mark, _),) = rows([word])
        if not marks[row]:
            marks[row] = mark
            own[row] += student.meaning @ known.of(word)
    both = np.concatenate([own, student.pairs])
    step = np.quantile(np.abs(both[both != 0]), 0.9999) / 127
    body = np.clip(np.rint(both / step), -127, 127).astype(np.int8)
    head = {
        "about": "Written by bench/fit_phrases.py.",
        "bias": round(student.bias, 4),
        "step": round(float(step), 8),
    }
    PATH.write_bytes(json.dumps(head).encode() + b"\n" + marks.tobytes() + body.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="the folder of clones")
    parser.add_argument("--keep", type=Path, help="a folder to keep what takes long in")
    arguments = parser.parse_args()
    keep: Path | None = arguments.keep
    rng = random.Random(SEED)
    found = lesson(arguments.pool, rng)
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
    every = judged(found, neighbours(known), rng)
    print(f"the teacher judges {len(every)} pieces", flush=True)
    kept = keep / "scores-injection.npy" if keep else None
    scores = np.load(kept) if kept and kept.exists() else minilm.scores(teacher, every)
    if kept:
        np.save(kept, scores)
    odds = scores[:, 1] - scores[:, 0]
    spoken = [plain_words(visible(text)) for text in every]
    student = fit(spoken, 1 / (1 + np.exp(-odds)), known)
    write(student, known, list(dict.fromkeys(word for text in spoken for word in text)))
    print(f"{PATH}: {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
