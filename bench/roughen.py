"""Prompts as people type them, with care and without: for training the local classifier only."""

from __future__ import annotations

import random

from shared.classify.turn import QUESTION_WORDS
from shared.classify.words import words
from shared.model import Category

_ASKED = (
    "please {}",
    "hey, {}",
    "can you {}",
    "Could you {}",
    "I want you to {}",
    "I need you to {}",
    "Hi! {}",
    "help me: {}",
    "Hello, {}",
    "{} please",
    "{} Thanks!",
    "{} thank you",
)
_STARTS = ("Hi, ", "hey ", "Question: ", "ok so ", "Hello! ", "I was wondering: ", "so, ", "Q: ")
_MATERIAL = (
    "\n\nThe station was built in 1912 and closed in 1974. Since then the hall has been empty, but "
    "a group of neighbours wants to open a market there. The roof leaks and the floor is uneven. "
    "Last spring an engineer looked at the beams and found them sound. The town owns the ground.",
    "\n\nDear all, as you know we moved the date twice. I spoke with Karen and the people from "
    "the venue, and both are fine with the last week of the month. Could everyone have a look at "
    "the list below and tell me by Thursday what is missing? I will bring the drinks myself.",
    "\n\nResults: 41 of 60 people answered. Most of them (73%) were content, some asked for longer "
    "hours, and four said that the rooms are too warm. Costs were 5,120 in the first half of the "
    "year and to 6,045 in the second, which is more than we had thought.",
)
_TAKES_MATERIAL = frozenset({Category.MEDIUM, Category.COMPLEX, Category.MULTILINGUAL})
_ORDERS = words(
    "write make create generate draw give show tell explain find book send translate design plan "
    "solve compute describe compose animate render produce develop analyze"
)


def neaten(text: str) -> str:
    """``text`` as written with care: a capital first, and a question mark after a question."""
    question = text.split(" ", 1)[0].lower() in QUESTION_WORDS and text[-1:].isalnum()
    return text[:1].upper() + text[1:] + ("?" if question else "")


def roughen(text: str, category: Category, rng: random.Random) -> str:
    """``text`` with one to three changes that leave its category as it is."""
    for change in rng.sample((_polite, _small, _bare, _typo, _material), rng.randint(1, 3)):
        text = change(text, category, rng)
    return text


def _polite(text: str, category: Category, rng: random.Random) -> str:
    first = text.split(" ", 1)[0].lower()
    if first in _ORDERS:
        return rng.choice(_ASKED).format(text[0].lower() + text[1:])
    return rng.choice(_STARTS) + text if rng.random() < 0.4 and "\n" not in text else text


def _small(text: str, category: Category, rng: random.Random) -> str:
    return text if category is Category.CODING else text.lower()


def _bare(text: str, category: Category, rng: random.Random) -> str:
    return text.rstrip(".?! ")


def _typo(text: str, category: Category, rng: random.Random) -> str:
    """One letter doubled, left out or swapped with its neighbour, for each ten words."""
    for _ in range(1 + len(text) // 60):
        at = rng.randrange(len(text))
        if text[at : at + 2].isalpha() and len(text[at : at + 2]) == 2:
            swapped = (text[at + 1] + text[at], text[at] * 2 + text[at + 1], text[at])
            text = text[:at] + rng.choice(swapped) + text[at + 2 :]
        if len(text) < 4:
            break
    return text


def _material(text: str, category: Category, rng: random.Random) -> str:
    if category in _TAKES_MATERIAL and rng.random() < 0.3:
        return text + rng.choice(_MATERIAL)
    return text
