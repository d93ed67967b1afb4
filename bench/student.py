"""The local classifier's weights as they are trained: a linear model of a text's features.

One model learns a teacher's judgements, another the labels of our prompts. As both are linear they
can be added, and judge better together than either.

Needs ``numpy``, ``scikit-learn``, ``scipy`` and ``torch``; the finished weights need nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from bench.meanings import DIMENSIONS, Meanings
from shared.classify.features import ROWS, place, read_features, word_hash
from shared.classify.language import detect
from shared.classify.rules import look
from shared.classify.turn import read_turn
from shared.classify.weights import MIDDLE
from shared.model import Category

CATEGORIES: list[Category] = [
    category for category in Category if category not in (Category.VISION_IN, Category.LONG_CONTEXT)
]
ANCHOR = 20.0  # features of a text up to which each counts whole
# How cheap a kind of feature is: the larger, the more it is used.
MEANING, FORM = 1.0, 0.6
EPOCHS, BATCH, RATE = 6, 256, 5e-3
PULL = 1e-5  # of every weight towards 0
HIDDEN = 0.1  # of the features that are hidden while it learns
COST = 1.0  # of the labels' model: the inverse of its regularisation


@dataclass(slots=True)
class Inputs:
    """What the model sees of texts: sparse rows (words, then grams and form), and the sums of
    their words' meanings."""

    sparse: sp.csr_matrix
    dense: np.ndarray


@dataclass(slots=True)
class Student:
    """Weights by row and category, by the meanings' axes and category, and the biases."""

    rows: np.ndarray
    meaning: np.ndarray
    bias: np.ndarray

    def scores(self, inputs: Inputs) -> np.ndarray:
        """Before the softmax: (texts, categories)."""
        own: np.ndarray = inputs.sparse @ self.rows + inputs.dense @ self.meaning.T + self.bias
        return own

    def plus(self, other: Student, part: float) -> Student:
        """This one and ``part`` of another."""
        return Student(
            self.rows + part * other.rows,
            self.meaning + part * other.meaning,
            self.bias + part * other.bias,
        )


def read(texts: list[str], known: Meanings) -> Inputs:
    """The features of ``texts`` (``shared.classify.features``)."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    dense = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
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
    return Inputs(sp.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float32), dense)


def _take(inputs: Inputs, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
    """A batch: the features' numbers, where each text's begin, their values, the meanings."""
    part = inputs.sparse[rows]
    return (
        torch.from_numpy(part.indices.astype(np.int64)),
        torch.from_numpy(part.indptr[:-1].astype(np.int64)),
        torch.from_numpy(part.data),
        torch.from_numpy(inputs.dense[rows]),
    )


def fit_labels(inputs: Inputs, labels: np.ndarray, share: np.ndarray) -> Student:
    """Learns labels; each text counts by its ``share``."""
    used = np.unique(inputs.sparse.indices)  # rows without an example need not be seen
    every = sp.hstack([inputs.sparse[:, used], sp.csr_matrix(inputs.dense)], format="csr")
    model = LogisticRegression(C=COST, max_iter=100, tol=1e-4)
    model.fit(every, labels, sample_weight=share)
    rows = np.zeros((2 * ROWS, len(CATEGORIES)))
    rows[used] = model.coef_[:, : len(used)].T
    return Student(rows, model.coef_[:, len(used) :], model.intercept_)


def fit(inputs: Inputs, targets: np.ndarray, seed: int) -> Student:
    """Learns the probabilities ``targets`` (texts, categories)."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    count, classes = targets.shape
    rows = torch.zeros(2 * ROWS, classes, requires_grad=True)
    meaning = torch.zeros(classes, DIMENSIONS, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.Adam([rows, meaning, bias], lr=RATE)
    wanted = torch.from_numpy(targets).float()
    steps, step = EPOCHS * (count // BATCH + 1), 0
    for epoch in range(EPOCHS):
        shuffled, lost = order.permutation(count), 0.0
        for start in range(0, count, BATCH):
            batch = shuffled[start : start + BATCH]
            numbers, begins, values, dense = _take(inputs, batch)
            kept = (torch.rand(values.shape) > HIDDEN) / (1 - HIDDEN)
            scores = functional.embedding_bag(
                numbers, rows, begins, mode="sum", per_sample_weights=values * kept
            ) + functional.linear(dense, meaning, bias)
            loss = -(wanted[batch] * functional.log_softmax(scores, 1)).sum(1).mean()
            pull = PULL * ((rows**2).sum() + (meaning**2).sum())
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / steps)
            optimizer.zero_grad()
            (loss + pull).backward()
            optimizer.step()
            step += 1
            lost += float(loss) * len(batch)
        print(f"  epoch {epoch + 1}, loss {lost / count:.3f}", flush=True)
    return Student(*(tensor.detach().numpy() for tensor in (rows, meaning, bias)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities of scores, by row."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(1, keepdims=True)
    return shares


def temperature(scores: np.ndarray, labels: np.ndarray, share: np.ndarray) -> float:
    """What scores are divided by so that probabilities are as often right as they say."""
    best, lowest = 1.0, np.inf
    for value in np.arange(0.3, 4.0, 0.05):
        logs = np.log(softmax(scores / value))
        loss = -(share * logs[np.arange(len(labels)), labels]).sum()
        if loss < lowest:
            best, lowest = float(value), float(loss)
    return best


def report(scores: np.ndarray, labels: np.ndarray, share: np.ndarray) -> None:
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


def spoken(texts: list[str]) -> list[str]:
    """The words of ``texts``, commonest first."""
    count: Counter[str] = Counter()
    for text in texts:
        count.update(set(read_features(read_turn(text), []).shapes))
    return [word for word, _ in count.most_common()]


def write(student: Student, known: Meanings, words: list[str], heat: float, path: Path) -> None:
    """The file of ``shared.classify.weights``; ``heat`` divides the scores.

    A row belongs to the first of its words: in ``words``, then in the vocabulary.
    """
    own = student.rows.T.copy()
    marks = np.zeros(ROWS, np.uint8)
    for word in [*words, *known.vocabulary]:
        row, mark = place(word_hash(word))
        if not marks[row] and row:
            marks[row] = mark
            own[:, row] += MEANING * (student.meaning @ known.of(word))
    own[:, ROWS] = 0.0
    own -= own.mean(0, keepdims=True)  # a softmax only sees differences
    save(own / heat, (student.bias - student.bias.mean()) / heat, marks, path)


def save(own: np.ndarray, bias: np.ndarray, marks: np.ndarray, path: Path) -> None:
    """Writes weights (categories, rows of both tables), biases and the words' marks."""
    step = np.quantile(np.abs(own[own != 0]), 0.9995) / 127
    body = (np.clip(np.rint(own / step), -127, 127) + MIDDLE).astype(np.uint8)
    head = {
        "categories": [category.value for category in CATEGORIES],
        "bias": [round(float(value), 4) for value in bias],
        "step": round(float(step), 8),
        "form": FORM,
        "anchor": ANCHOR,
    }
    path.write_bytes(json.dumps(head).encode() + b"\n" + marks.tobytes() + body.T.tobytes())
