"""Texts made of others, for a teacher to judge: most are nonsense, and say where its borders run.

Words are exchanged for ones of like meaning, left out, or two texts are run together; so a student
hears the teacher's opinion of more than the prompts there are (Tang et al., "Distilling
Task-Specific Knowledge from BERT into Simple Neural Networks", 2019).
"""

from __future__ import annotations

import random
import re

import numpy as np

from bench.meanings import Meanings

KNOWN = 16_000  # words that are exchanged, commonest first
NEIGHBOURS = 10
_WORD = re.compile(r"[A-Za-z]{3,}")
_BREAK = re.compile(r"(?<=[.!?\n])\s+")
_PIECE, _WORDS = 500, 40  # characters of a text beside another, words of one run into another

Neighbours = dict[str, list[str]]


def neighbours(known: Meanings) -> Neighbours:
    """For each word the ones whose meaning is nearest."""
    words = list(known.vocabulary)[:KNOWN]
    table = np.stack([known.of(word) for word in words])
    table /= np.linalg.norm(table, axis=1, keepdims=True) + 1e-9
    found: Neighbours = {}
    for start in range(0, len(words), 2000):
        near = table[start : start + 2000] @ table.T
        best = np.argpartition(-near, NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1]
        for word, row in zip(words[start : start + 2000], best, strict=True):
            found[word] = [words[at] for at in row if words[at] != word and words[at].isalpha()]
    return found


def augment(text: str, others: list[str], near: Neighbours, rng: random.Random) -> str:
    """One text made of ``text``, and maybe of one of ``others``."""
    way = rng.random()
    if way < 0.45:
        return _exchange(text, near, rng.choice((0.1, 0.2, 0.35)), rng)
    if way < 0.6:
        return _part(text, near, rng)
    other = rng.choice(others)
    if way < 0.75:
        first, second = text.split(" "), other.split(" ")
        head = first[: rng.randrange(1, len(first) + 1)][:_WORDS]
        return " ".join(head + second[rng.randrange(len(second)) :][:_WORDS])
    if way < 0.87:
        pieces = [text[:_PIECE], other[:_PIECE]]
        rng.shuffle(pieces)
        return rng.choice(("\n", " ", "\n\n", ". ")).join(pieces)
    return " ".join(word for word in text.split(" ") if rng.random() > 0.15) or text


def _exchange(text: str, near: Neighbours, often: float, rng: random.Random) -> str:
    def other(match: re.Match[str]) -> str:
        word = match[0]
        choices = near.get(word.lower())
        if not choices or rng.random() >= often:
            return word
        found = rng.choice(choices)
        return found.capitalize() if word[0].isupper() else found

    return _WORD.sub(other, text)


def _part(text: str, near: Neighbours, rng: random.Random) -> str:
    """Some of its sentences, or some words of a short text."""
    sentences = [part for part in _BREAK.split(text) if part.strip()]
    if len(sentences) > 1:
        first = rng.randrange(len(sentences))
        return " ".join(sentences[first : rng.randrange(first + 1, len(sentences) + 1)])
    words = text.split(" ")
    if len(words) <= 6:
        return _exchange(text, near, 0.3, rng)
    first = rng.randrange(len(words) // 2)
    return " ".join(words[first : first + rng.randrange(4, len(words))])
