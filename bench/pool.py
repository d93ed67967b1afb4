"""Prompts of others that the teacher of the local classifier reads besides ours.

Licensed for it, and none of them an evaluation set. They lie in a folder of clones named
``owner+name``; ``CLONES`` says which commits the weights in the repository were made with. Texts
that share a run of six words with a folder of evaluation prompts can be left out (``--apart``).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.model import Category

SEED = 4
SHORTEST, LONGEST = 3, 4000  # characters
_RUN = 6

# Repository, commit, licence.
CLONES = (
    (
        "google-research-datasets/dstc8-schema-guided-dialogue",
        "e852981ae34990f4358979625854259302feaa78",
        "CC BY-SA 4.0",
    ),
    ("teknium1/GPTeacher", "481075123c29854bddb82655badeef6a438f2436", "MIT"),
    (
        "gunthercox/chatterbot-corpus",
        "a01efece26661309b870af0251d96f94ee09fb19",
        "BSD 3-Clause",
    ),
    ("hpcaitech/Open-Sora", "7ad6a96a135feb81f755c84fb391818718f6beb2", "Apache-2.0"),
    ("instructor-ai/instructor", "2e6c3b3f6ff0fa528c08cdfd37a745fa91232036", "MIT"),
    ("openai/openai-python", "e43b422412a9e96c9cc5192c61fffbe2d7e04836", "Apache-2.0"),
    ("simonw/llm", "f3f4f29c6e5e623c3776cbf6455dda2345638214", "Apache-2.0"),
)
# Whose pages speak of models, prompts, keys and instructions as any manual of such software does.
_MANUALS = ("instructor-ai+instructor", "openai+openai-python", "simonw+llm")
_ATTACKS = re.compile(r"injection|jailbreak", re.IGNORECASE)


@dataclass(slots=True)
class Source:
    """Texts of one kind. ``category`` is what they are, by what they were made for; ``labelled`` of
    them are taught as that with ``share`` of the teacher's attention, all are read unlabelled."""

    name: str
    texts: list[str]
    category: Category
    labelled: int
    share: float


def sources(folder: Path, apart: set[str]) -> list[Source]:
    """All sources, their texts in a fixed random order."""
    rng = random.Random(SEED)
    said = list(_dialogues(folder / "google-research-datasets+dstc8-schema-guided-dialogue/train"))
    found = [
        Source("dialogues", [turns[0] for turns in said], Category.AGENTIC, 1200, 0.03),
        Source(
            "dialogues, several turns",
            [" ".join(turns[: rng.choice((2, 3, 4))]) for turns in said[::8]],
            Category.AGENTIC,
            800,
            0.02,
        ),
        Source(
            "code",
            list(_orders(folder, "Codegen/codegen-instruct.json")),
            Category.CODING,
            1500,
            0.035,
        ),
        Source(
            "roles",
            list(_orders(folder, "Roleplay/roleplay-simple-deduped-roleplay-instruct.json")),
            Category.MEDIUM,
            700,
            0.02,
        ),
        Source(
            "talk",
            [text for text in _talk(folder) if text.endswith("?") or len(text.split()) < 6],
            Category.SIMPLE,
            350,
            0.012,
        ),
        Source("scenes", list(_scenes(folder)), Category.VIDEO_GEN, 60, 0.006),
    ]
    for source in found:
        texts = sorted({text.strip() for text in source.texts})
        texts = [text for text in texts if SHORTEST <= len(text) <= LONGEST]
        source.texts = [text for text in texts if apart.isdisjoint(runs(text))]
        rng.shuffle(source.texts)
        print(f"  {source.name}: {len(source.texts)} texts, {len(texts)} before")
    return found


def manuals(folder: Path, size: int) -> Iterator[str]:
    """Pages of manuals in pieces of ``size`` characters, but for those that speak of attacks."""
    for name in _MANUALS:
        for path in sorted((folder / name).glob("**/*.md")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if not _ATTACKS.search(text):
                yield from (text[at : at + size] for at in range(0, len(text), size))


def runs(text: str) -> set[str]:
    """Its runs of six words, or the whole of a shorter text."""
    spoken = re.findall(r"[a-z0-9']+", text.lower())
    if len(spoken) < _RUN:
        return {" ".join(spoken)}
    return {" ".join(spoken[at : at + _RUN]) for at in range(len(spoken) - _RUN + 1)}


def _dialogues(folder: Path) -> Iterator[list[str]]:
    for path in sorted(folder.glob("dialogues_*.json")):
        for dialogue in json.loads(path.read_text(encoding="utf-8")):
            turns = [turn["utterance"] for turn in dialogue["turns"] if turn["speaker"] == "USER"]
            if turns and len(turns[0].split()) > 3:
                yield turns


def _orders(folder: Path, name: str) -> Iterator[str]:
    for row in json.loads((folder / "teknium1+GPTeacher" / name).read_text(encoding="utf-8")):
        yield f"{row['instruction']}\n{row.get('input') or ''}".strip()


def _talk(folder: Path) -> Iterator[str]:
    english = folder / "gunthercox+chatterbot-corpus" / "chatterbot_corpus" / "data" / "english"
    for path in sorted(english.glob("*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("- - "):
                yield line[4:].strip(" \"'")


def _scenes(folder: Path) -> Iterator[str]:
    texts = folder / "hpcaitech+Open-Sora" / "assets" / "texts"
    for name in ("sora.csv", "example.csv"):
        for line in (texts / name).read_text(encoding="utf-8").splitlines()[1:]:
            yield line.strip().strip('"')
