"""The network of ``shared/safety/injection_wording.py``, as it is trained.

First over words, whose meanings it starts from; then words that say much the same to all filters
share a code, and the codes' answers are trained on as the bytes they become. Needs ``torch``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from shared.safety.injection_wording import BLOCK, FILTERS, HIGH, MOST, UNKNOWN, WIDTH

LONGEST = 2 * BLOCK  # words of a run
EPOCHS, BATCH, RATE, MEANING_RATE, DECAY = 6, 128, 1e-3, 5e-4, 1e-4
AGAIN, AGAIN_RATE = 3, 5e-4  # epochs over codes
HIDDEN, DROPOUT = 0.1, 0.2  # of the words, and of the filters, while it learns
STEPS = 40.0  # of a byte to a unit of the rates
# Whole texts that are taught, by how many at a time, and how far each is read.
WHOLE, WHOLE_BATCH, WHOLE_RATE, FARTHEST = 160_000, 32, 1e-3, 500
SHOWN = 1000  # steps between two reports
SMOOTH = 0.03  # by which a label is less than sure
ROUNDS = 12  # of choosing codes
_NEAR = 6  # words by which the texts of a step may differ in length

Numbers = list[list[int]]


@dataclass(slots=True)
class Whole:
    """Whole texts, which are attacks, and each one's share of the lesson (in sum 1)."""

    texts: Numbers
    attack: np.ndarray
    share: np.ndarray


@dataclass(slots=True)
class Words:
    """Meanings of words (0: unknown), the convolution over them, and what its filters count."""

    meaning: torch.Tensor
    filters: torch.Tensor
    floors: torch.Tensor
    weights: torch.Tensor
    bias: torch.Tensor

    def odds(self, numbers: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        """The log odds of texts (texts, words); ``drop`` is the share of the filters left out."""
        meant = functional.embedding(numbers, self.meaning).transpose(1, 2)
        answers = functional.conv1d(meant, self.filters, self.floors).max(2).values
        strong = functional.dropout(functional.relu(answers), drop, training=drop > 0)
        return strong @ self.weights + self.bias

    def slow(self) -> torch.Tensor:
        """The largest table, which learns at a rate of its own."""
        return self.meaning

    def others(self) -> list[torch.Tensor]:
        """What else learns."""
        return [self.filters, self.floors, self.weights, self.bias]

    def answers(self) -> np.ndarray:
        """What each word says to each filter at each place: (words, ``WIDTH``, ``FILTERS``)."""
        with torch.no_grad():
            each: np.ndarray = torch.einsum("wd,fdp->wpf", self.meaning, self.filters).numpy()
        return each


def fresh(meanings: np.ndarray, seed: int) -> Words:
    """A network that knows nothing but the words' ``meanings``."""
    torch.manual_seed(seed)
    wide = meanings.shape[1]
    unknown = np.zeros((1, wide), np.float32)

    def about(size: tuple[int, ...], inputs: int) -> torch.Tensor:
        found: torch.Tensor = (torch.rand(size) * 2 - 1) / inputs**0.5
        return found

    net = Words(
        torch.from_numpy(np.concatenate([unknown, meanings])),
        about((FILTERS, wide, WIDTH), wide * WIDTH),
        about((FILTERS,), wide * WIDTH),
        about((FILTERS,), FILTERS),
        about((1,), FILTERS),
    )
    for tensor in (net.meaning, *net.others()):
        tensor.requires_grad_()
    return net


@dataclass(slots=True)
class Codes:
    """The answers of codes (codes, ``WIDTH``, ``FILTERS``), rounded as they will be."""

    table: torch.Tensor
    floors: torch.Tensor
    weights: torch.Tensor
    bias: torch.Tensor

    def odds(self, numbers: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        """The log odds of texts (texts, codes); ``drop`` is the share of the filters left out."""
        even = self.table + (self.table.clamp(0, MOST).round() - self.table).detach()
        floors = self.floors + (self.floors.clamp(0, HIGH - 1).round() - self.floors).detach()
        count = numbers.shape[1] - WIDTH + 1
        said = sum(even[numbers[:, place : place + count], place] for place in range(WIDTH))
        assert isinstance(said, torch.Tensor)
        strong = functional.relu(said.max(1).values - floors)
        strong = functional.dropout(strong, drop, training=drop > 0)
        return strong @ self.weights + self.bias

    def slow(self) -> torch.Tensor:
        """The largest table, which learns at a rate of its own."""
        return self.table

    def others(self) -> list[torch.Tensor]:
        """What else learns."""
        return [self.floors, self.weights, self.bias]


def rounded(answers: np.ndarray, net: Words) -> Codes:
    """The network ``net`` over codes that say ``answers``, in steps that fit a byte."""
    middle = np.median(answers, axis=0)
    spread = np.quantile(np.abs(answers - middle), 0.999, axis=(0, 1))
    step = 2 * spread / MOST
    # What is taken off the answers here comes back where they are compared.
    floors = MOST / 2 * WIDTH - (net.floors.detach().numpy() + middle.sum(0)) / step
    codes = Codes(
        torch.from_numpy((answers - middle) / step + MOST / 2).float(),
        torch.from_numpy(floors).float(),
        net.weights.detach() * torch.from_numpy(step).float(),
        net.bias.detach().clone(),
    )
    for tensor in (codes.table, *codes.others()):
        tensor.requires_grad_()
    return codes


@dataclass(slots=True)
class Rates:
    """How long and how fast a network learns; ``slow`` is its largest table's rate, ``drop`` the
    share of the filters left out."""

    epochs: int
    rate: float
    slow: float
    drop: float


def padded(texts: Numbers, around: Sequence[int] = (UNKNOWN,) * (WIDTH - 1)) -> torch.Tensor:
    """Texts of one step, with what stands before and after a text."""
    longest = max(map(len, texts))
    return torch.tensor(
        [[*around, *text, *[UNKNOWN] * (longest - len(text)), *around] for text in texts]
    )


def _steps(texts: Numbers, order: np.random.Generator) -> Iterator[np.ndarray]:
    """The texts' numbers step by step, those of like length together."""
    lengths = np.array([len(text) for text in texts]) + order.random(len(texts)) * _NEAR
    sorted_ = np.argsort(lengths)
    steps = [sorted_[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    order.shuffle(steps)
    yield from steps


def learn(net: Words | Codes, texts: Numbers, targets: np.ndarray, rates: Rates, seed: int) -> None:
    """Teaches ``net`` the probabilities ``targets`` of texts of at most ``LONGEST`` words."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(
        [
            {"params": [net.slow()], "lr": rates.slow, "weight_decay": 0.0},
            {"params": net.others(), "lr": rates.rate, "weight_decay": DECAY},
        ]
    )
    wanted = torch.from_numpy(targets).float()
    steps = rates.epochs * -(-len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0, 1 - step / steps))
    for epoch in range(rates.epochs):
        lost = 0.0
        for batch in _steps(texts, order):
            numbers = padded([texts[index] for index in batch])
            numbers = numbers.masked_fill(torch.rand(numbers.shape) < HIDDEN, UNKNOWN)
            loss = functional.binary_cross_entropy_with_logits(
                net.odds(numbers, rates.drop), wanted[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            lost += loss.item() * len(batch)
        print(f"  epoch {epoch + 1}, loss {lost / len(texts):.4f}", flush=True)


def windows(text: list[int]) -> Numbers:
    """The runs of a whole text as the screen cuts it, each with the words its filters see."""
    around = [UNKNOWN] * (WIDTH - 1)
    wide = [*around, *text, *around]
    starts = range(0, max(1, len(wide) - WIDTH + 1 - BLOCK), BLOCK)
    return [wide[start : start + LONGEST + WIDTH - 1] for start in starts]


def learn_whole(net: Codes, whole: Whole, pieces: Numbers, targets: np.ndarray, seed: int) -> None:
    """Teaches ``net`` whole texts, whose strongest run decides, and the pieces along with them."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(
        [
            {"params": [net.table], "lr": WHOLE_RATE * STEPS},
            {"params": [net.floors], "lr": WHOLE_RATE * STEPS},
            {"params": [net.weights, net.bias], "lr": WHOLE_RATE},
        ]
    )
    steps = WHOLE // WHOLE_BATCH
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0, 1 - step / steps))
    drawn = order.choice(len(whole.texts), (steps, WHOLE_BATCH), p=whole.share)
    lost = 0.0
    for step, batch in enumerate(drawn):
        runs = [windows(whole.texts[index][:FARTHEST]) for index in batch]
        numbers = padded([run for text in runs for run in text], ())
        hidden = torch.rand(numbers.shape) < HIDDEN / 2
        said = net.odds(numbers.masked_fill(hidden, UNKNOWN), DROPOUT / 2)
        most = torch.stack([part.max() for part in said.split([len(text) for text in runs])])
        labels = torch.from_numpy(whole.attack[batch]).float() * (1 - 2 * SMOOTH) + SMOOTH
        some = order.choice(len(pieces), BATCH)
        near = net.odds(padded([pieces[index] for index in some]), DROPOUT / 2)
        wanted = torch.from_numpy(targets[some]).float()
        loss = functional.binary_cross_entropy_with_logits(most, labels)
        both = loss + functional.binary_cross_entropy_with_logits(near, wanted)
        optimizer.zero_grad()
        both.backward()
        optimizer.step()
        schedule.step()
        lost += loss.item()
        if step % SHOWN == SHOWN - 1:
            print(f"  step {step + 1} of {steps}, loss {lost / SHOWN:.4f}", flush=True)
            lost = 0.0


def choose(answers: np.ndarray, often: np.ndarray, count: int, seed: int) -> np.ndarray:
    """A code below ``count`` for each word: words with like answers share one, above all rare ones
    (k-means, a word weighs as ``often`` says). Word 0 keeps code 0."""
    order = np.random.default_rng(seed)
    points = torch.from_numpy(answers.reshape(len(answers), -1))
    weight = torch.from_numpy(often).float()
    first = np.argsort(-often)[: count // 2]
    rest = order.choice(np.setdiff1d(np.arange(len(answers)), first), count - 1 - len(first), False)
    centres = points[np.concatenate([first, rest])].clone()
    for _ in range(ROUNDS):
        nearest = torch.cat([torch.cdist(part, centres).argmin(1) for part in points.split(4096)])
        total = torch.zeros(len(centres)).index_add_(0, nearest, weight)
        summed = torch.zeros_like(centres).index_add_(0, nearest, points * weight[:, None])
        kept = total > 0
        centres[kept] = summed[kept] / total[kept, None]
    codes = nearest.numpy() + 1
    codes[0] = UNKNOWN
    return codes
