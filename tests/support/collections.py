"""The collections the code keeps documents in, read out of its source.

Every text in ``shared`` that looks like a path (``users/{}/jobs``) counts, and every constant that
names a collection. What looks like one and is none stands in ``NOT_DOCUMENTS``, with what it is:
so that a new path is looked at once.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from infra.package import ROOT

SHARED = ROOT / "shared"
# Rooms that keep no documents: their paths are those of other services.
_ELSEWHERE = ("providers", "catalog", "classify")
_GOOGLE = "projects/"  # what Google Cloud calls its own
NOT_DOCUMENTS = {
    "*/queues/{}": "a queue of Cloud Tasks",
    "*/queues/{}/tasks/{}": "a task of Cloud Tasks",
    "image/{}": "a content type",
    "jobs/{}/{}": "a job's folder of blobs",
    "steps/{}": "a step's blob below the job's folder",
}
_PATH = re.compile(r"(?:[a-z_]+|\{\}/[a-z_]+)(?:/(?:[\w-]+|\{\}))+")
_NAMES_COLLECTION = re.compile(r"_?(?:\w+_)?(?:COLLECTION|GROUP|PATH|HISTORY)")


def collections_in_code(folder: Path = SHARED) -> set[str]:
    """Collections by path, ``{}`` for every document's id: ``users/{}/jobs``.

    Of ``*/jobs`` only the name is written: it lies below another document, or is asked across all.
    """
    found: set[str] = set()
    for file in sorted(folder.rglob("*.py")):
        if file.relative_to(folder).parts[0] not in _ELSEWHERE:
            found |= set(_paths(ast.parse(file.read_text(encoding="utf-8"))))
    found = {path for path in found if path not in NOT_DOCUMENTS and not path.startswith(_GOOGLE)}
    return {_collection(path) for path in found}


def _paths(tree: ast.Module) -> Iterator[str]:
    constants = _constants(tree)
    for name, value in constants.items():
        if _NAMES_COLLECTION.fullmatch(name) and re.fullmatch(r"[a-z_]+(?:/[a-z_]+)*", value):
            yield f"*/{value}" if name.endswith("GROUP") else value
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = _written(node, constants)
            if _PATH.fullmatch(text):
                yield re.sub(r"^\{\}/", "*/", text)


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts by the module's names for them."""
    found: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found[node.targets[0].id] = node.value.value
        elif isinstance(node.value, ast.JoinedStr):
            found[node.targets[0].id] = _written(node.value, found)
    return found


def _written(text: ast.JoinedStr, constants: dict[str, str]) -> str:
    """An f-string with its constants put in and ``{}`` for the rest, once where two meet."""
    parts = []
    for part in text.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            name = part.value.id if isinstance(part.value, ast.Name) else ""
            parts.append(constants.get(name, "{}"))
    return "".join(parts).replace("{}{}", "{}")


def _collection(path: str) -> str:
    """The collection of a path, which may be a document's; ids written out become ``{}``."""
    if path.startswith("*/"):
        return f"*/{path.split('/')[1]}"
    segments = path.split("/")
    last = len(segments) - (len(segments) % 2 == 0)
    return "/".join("{}" if index % 2 else name for index, name in enumerate(segments[:last]))


def decided_collections() -> set[str]:
    """The same of ``tests/rules/decisions.json``."""
    decisions = json.loads((ROOT / "tests/rules/decisions.json").read_text(encoding="utf-8"))
    found = {_collection(re.sub(r"\{\w+\}", "{}", path)) for path in decisions}
    return found | {f"*/{path.rpartition('/')[2]}" for path in found}
