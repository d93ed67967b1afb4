"""Terraform files as blocks, and what their expressions refer to.

python-hcl2 parses; this module turns its dictionaries into ``Block`` values and scans expressions,
which it leaves as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hcl2
from lark.exceptions import LarkError

# What python-hcl2 makes of a value: quoted strings keep their quotes, expressions come as "${...}".
Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
BLOCK_MARK = "__is_block__"
# How many labels a block has at the top of a file (Terraform's language, "Blocks").
LABELS = {"resource": 2, "data": 2, "variable": 1, "output": 1, "provider": 1, "module": 1}
NAME = re.compile(r"[A-Za-z_][\w-]*")
LOOP = re.compile(r"\bfor\s+(\w+)(?:\s*,\s*(\w+))?\s+in\b")


class HclError(Exception):
    """A file is not valid HCL; the message names it."""


@dataclass(slots=True)
class Block:
    """One block. ``blocks`` are those directly inside; ``file`` is the file's name."""

    kind: str
    labels: tuple[str, ...]
    file: str
    attributes: dict[str, Value] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    @property
    def address(self) -> str:
        """How messages name it: ``chat.tf: google_storage_bucket.source``."""
        parts = self.labels if self.kind == "resource" else (self.kind, *self.labels)
        return f"{self.file}: {'.'.join(parts)}"

    def inner(self, kind: str) -> list[Block]:
        """The blocks of one kind directly inside."""
        return [block for block in self.blocks if block.kind == kind]

    def walk(self) -> Iterator[Block]:
        """This block and every block below it."""
        yield self
        for block in self.blocks:
            yield from block.walk()


@dataclass(frozen=True, slots=True)
class Reference:
    """A dotted name inside an expression, indexes left out: ``("var", "project")``."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(slots=True)
class Mentions:
    """What an expression mentions: dotted names, functions called, names its loops make."""

    references: list[Reference] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    loop_names: set[str] = field(default_factory=set)


def load_folder(folder: Path) -> list[Block]:
    """The top blocks of every ``*.tf`` in ``folder``. Raises ``HclError``."""
    blocks: list[Block] = []
    for path in sorted(folder.glob("*.tf")):
        blocks += parse(path.read_text(encoding="utf-8"), path.name)
    return blocks


def parse(text: str, file: str) -> list[Block]:
    """The top blocks of one file. Raises ``HclError``."""
    try:
        parsed: dict[str, Value] = hcl2.loads(text)
    except LarkError as error:
        raise HclError(f"{file}: {str(error).splitlines()[0]}") from None
    found: list[Block] = []
    for kind, items in parsed.items():
        if isinstance(items, list):
            found += [_labelled(kind, item, file, LABELS.get(kind, 0)) for item in items if item]
    return [block for block in found if not block.kind.startswith("__")]


def attributes_of(text: str, file: str) -> dict[str, Value]:
    """The assignments of a ``.tfvars`` file. Raises ``HclError``."""
    try:
        parsed: dict[str, Value] = hcl2.loads(text)
    except LarkError as error:
        raise HclError(f"{file}: {str(error).splitlines()[0]}") from None
    return {name: value for name, value in parsed.items() if not name.startswith("__")}


def _labelled(kind: str, item: Value, file: str, count: int) -> Block:
    labels: list[str] = []
    while count > 0 and isinstance(item, dict):
        label, item = next(iter(item.items()))
        labels.append(label.strip('"'))
        count -= 1
    block = Block(kind, tuple(labels), file)
    if isinstance(item, dict):
        _fill(block, item)
    return block


def _fill(block: Block, body: dict[str, Value]) -> None:
    for name, value in body.items():
        if name.startswith("__"):
            continue
        if isinstance(value, list) and value and all(_is_block(item) for item in value):
            labels = 1 if name == "dynamic" else 0
            block.blocks += [_labelled(name, item, block.file, labels) for item in value]
        else:
            block.attributes[name] = value


def _is_block(value: Value) -> bool:
    if not isinstance(value, dict):
        return False
    # A labelled block holds its label first, its body below.
    return BLOCK_MARK in value or any(
        isinstance(inner, dict) and BLOCK_MARK in inner for inner in value.values()
    )


def literal(value: Value) -> Value:
    """A constant without its quotes; an expression or a template as it stands."""
    if isinstance(value, str) and is_constant(value):
        return value[1:-1] if value.startswith('"') else value
    return value


def is_constant(value: Value) -> bool:
    """Whether the value is written out: a number, a truth value, or a string without templates."""
    if isinstance(value, str):
        return value.startswith('"') and "${" not in value and "%{" not in value
    return isinstance(value, int | float)


def texts(value: Value) -> Iterator[str]:
    """Every string inside a value: keys, items and the value itself."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.startswith(('"', "$")):
                yield key
            yield from texts(item)


def mentions(value: Value) -> Mentions:
    """What all expressions inside a value mention."""
    found = Mentions()
    for text in texts(value):
        expression = text[2:-1] if text.startswith("${") and text.endswith("}") else text
        found.loop_names.update(name for pair in LOOP.findall(expression) for name in pair if name)
        _scan(expression, 0, "", found)
    return found


def _scan(text: str, at: int, closer: str, found: Mentions) -> int:
    """Read an expression up to ``closer`` (or its end); the position behind it."""
    while at < len(text):
        char = text[at]
        if char == closer:
            return at + 1
        if char == '"':
            at = _scan_string(text, at + 1, found)
        elif char in "([{":
            at = _scan(text, at + 1, {"(": ")", "[": "]", "{": "}"}[char], found)
        elif name := NAME.match(text, at):
            at = _scan_name(text, name, found)
        elif char.isdigit():
            at += len(re.match(r"[\d.]+", text[at:]).group())  # type: ignore[union-attr]
        else:
            at += 1
    return at


def _scan_string(text: str, at: int, found: Mentions) -> int:
    """Read a quoted string from behind its quote, templates included."""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            at += 2
        elif text.startswith(("${", "%{"), at):
            at = _scan(text, at + 2, "}", found)
        else:
            at += 1
    return at + 1


def _scan_name(text: str, name: re.Match[str], found: Mentions) -> int:
    """Read a dotted name with its indexes, or the name of a function called."""
    path, at = [name.group()], name.end()
    while at < len(text):
        if text[at] == "." and (part := NAME.match(text, at + 1)):
            path.append(part.group())
            at = part.end()
        elif text.startswith((".*", "[*]"), at):
            at += 2 if text[at] == "." else 3
        elif text[at] == "[":
            at = _scan(text, at + 1, "]", found)
        else:
            break
    if len(path) == 1 and at < len(text) and text[at] == "(":
        found.functions.append(path[0])
    elif len(path) > 1:
        found.references.append(Reference(tuple(path)))
    return at
