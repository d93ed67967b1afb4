"""Every name in an expression must lead somewhere, and every variable must be said and used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from infra.functions import Row, table
from infra.hcl import Block, Mentions, Reference, Value, mentions
from infra.provider_facts import Facts, Schema

# What the language itself offers (Terraform's language, "References to Values").
PATHS = {"module", "root", "cwd"}
WORKSPACE = {"workspace"}


@dataclass(slots=True)
class Declared:
    """What the files declare. ``resources``, ``data``: (type, name) to its block."""

    blocks: Sequence[Block]
    variables: dict[str, Block] = field(default_factory=dict)
    local_names: set[str] = field(default_factory=set)
    resources: dict[tuple[str, str], Block] = field(default_factory=dict)
    data: dict[tuple[str, str], Block] = field(default_factory=dict)

    def rows(self, block: Block) -> dict[str, Row]:
        """What ``each.value`` is in turn, where that is written out."""
        return table(self.blocks, block.attributes.get("for_each")) or {}


def reference_problems(
    blocks: Sequence[Block], tfvars: dict[str, Value], facts: Facts
) -> list[str]:
    """One line for each name that leads nowhere and each variable or local that is idle."""
    declared = Declared(blocks)
    problems = list(_declare(blocks, declared))
    used: set[tuple[str, str]] = set()
    for block in blocks:
        problems += _block_problems(block, block, set(), declared, facts, used)
    for name, variable in declared.variables.items():
        problems += _variable_problems(name, variable, ("var", name) in used)
    for name in sorted(declared.local_names):
        if ("local", name) not in used:
            problems.append(f"local.{name} is not used")
    for block in blocks:
        if block.kind == "output" and not _text(block, "description"):
            problems.append(f"{block.address}: has no description")
    for name in tfvars:
        if name not in declared.variables:
            problems.append(f"terraform.tfvars.example: there is no variable {name}")
    for name, variable in declared.variables.items():
        secret = variable.attributes.get("sensitive") is True
        if not secret and "default" not in variable.attributes and name not in tfvars:
            problems.append(f"terraform.tfvars.example: lacks {name}, which has no default")
        if secret and name in tfvars:
            problems.append(f"terraform.tfvars.example: {name} is a secret")
    return problems


def _declare(blocks: Sequence[Block], declared: Declared) -> Iterator[str]:
    for block in blocks:
        if block.kind == "variable":
            if block.labels[0] in declared.variables:
                yield f"{block.address}: declared twice"
            declared.variables[block.labels[0]] = block
        elif block.kind == "locals":
            for name in block.attributes:
                if name in declared.local_names:
                    yield f"{block.address}: local.{name} is declared twice"
                declared.local_names.add(name)
        elif block.kind in ("resource", "data"):
            kept = declared.resources if block.kind == "resource" else declared.data
            key = (block.labels[0], block.labels[1])
            if key in kept:
                yield f"{block.address}: declared twice"
            kept[key] = block


def _text(block: Block, name: str) -> str:
    value = block.attributes.get(name)
    return value.strip('" ') if isinstance(value, str) else ""


def _variable_problems(name: str, variable: Block, used: bool) -> Iterator[str]:
    if not _text(variable, "description"):
        yield f"{variable.address}: has no description"
    if "type" not in variable.attributes:
        yield f"{variable.address}: has no type"
    if not used:
        yield f"{variable.address}: is not used"
    if variable.attributes.get("sensitive") is True:
        if variable.attributes.get("ephemeral") is not True:
            yield f"{variable.address}: a secret must be ephemeral, or it lands in the state"
        if "default" in variable.attributes:
            yield f"{variable.address}: a secret has no default"


def _block_problems(
    block: Block,
    top: Block,
    names: set[str],
    declared: Declared,
    facts: Facts,
    used: set[tuple[str, str]],
) -> Iterator[str]:
    """Problems of one block and those inside it. ``names``: iterators of the dynamics around it."""
    if block.kind == "dynamic":
        iterator = block.attributes.get("iterator", block.labels[0])
        names = names | {str(iterator)}
    for attribute, value in block.attributes.items():
        if top.kind == "variable" and attribute == "type":
            continue  # a type looks like a call but is none
        found = mentions(value)
        if top.kind == "moved" and attribute == "from":
            yield from _still_there(top, found, declared)
            continue
        yield from (
            f"{top.address}: there is no function {name}"
            for name in found.functions
            if name not in facts["functions"]
        )
        for reference in found.references:
            # A variable that only its own validation mentions is idle.
            if (top.kind, *top.labels) != ("variable", reference.path[1]):
                used.add((reference.path[0], reference.path[1]))
            problem = _resolve(reference, found, top, names, declared, facts)
            if problem:
                yield f"{top.address}: {reference} {problem}"
    for inner in block.blocks:
        yield from _block_problems(inner, top, names, declared, facts, used)


def _still_there(top: Block, found: Mentions, declared: Declared) -> Iterator[str]:
    """What was moved away must be gone, unless it moved into its own table."""
    to = {reference.path for reference in mentions(top.attributes.get("to")).references}
    for reference in found.references:
        if reference.path in declared.resources and reference.path not in to:
            yield f"{top.address}: {reference} is still declared"


def _resolve(
    reference: Reference,
    found: Mentions,
    top: Block,
    names: set[str],
    declared: Declared,
    facts: Facts,
) -> str | None:
    """Why a name leads nowhere; None where it leads somewhere."""
    root, first, *rest = reference.path
    if root == "var":
        return None if first in declared.variables else "is no variable"
    if root == "local":
        return None if first in declared.local_names else "is no local"
    if root == "path":
        return None if first in PATHS else "is no path"
    if root == "terraform":
        return None if first in WORKSPACE else "is unknown"
    if root == "each":
        if "for_each" not in top.attributes:
            return "stands outside for_each"
        if first == "value" and rest:
            lacking = [key for key, row in declared.rows(top).items() if rest[0] not in row]
            return f"is not in the row {lacking[0]}" if lacking else None
        return None if first in ("key", "value") else "is neither key nor value"
    if root == "count":
        return None if first == "index" and "count" in top.attributes else "stands outside count"
    if root in names:
        return None if first in ("key", "value") else "is neither key nor value"
    if root in found.loop_names:
        return None
    if root == "data":
        name, *rest = rest or [""]
        found_data = facts["data"].get(first)
        if (first, name) not in declared.data or found_data is None:
            return "leads nowhere"
        return _attribute(found_data, rest)
    if (root, first) not in declared.resources:
        return "leads nowhere"
    if top is declared.resources[root, first]:
        return "refers to itself"
    schema = facts["resources"].get(root)
    return _attribute(schema, rest) if schema else None


def _attribute(schema: Schema, path: list[str]) -> str | None:
    """Why a resource has nothing at ``path``."""
    for position, name in enumerate(path):
        if name in schema["attributes"]:
            return None  # what lies below a map or list is not declared
        if name not in schema["blocks"]:
            return f"has no {'.'.join(path[: position + 1])}"
        schema = schema["blocks"][name]
    return None
