"""Blocks and arguments against what the providers declare: a ``terraform validate`` without them.

Checked: resource types, argument and block names, what is required, what can only be read, blocks
that may stand once, and the kind of value where it is written out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from infra.hcl import Block, Value, is_constant, literal
from infra.provider_facts import Facts, Schema

# Arguments and blocks of the language itself, possible in every resource.
META_ARGUMENTS = {"count", "for_each", "depends_on", "provider"}
META_BLOCKS = {
    "lifecycle": {
        "create_before_destroy",
        "prevent_destroy",
        "ignore_changes",
        "replace_triggered_by",
    },
    "precondition": {"condition", "error_message"},
    "postcondition": {"condition", "error_message"},
}
PROVIDER_META = {"alias", "version"}


def schema_problems(blocks: Sequence[Block], facts: Facts) -> list[str]:
    """One line for each disagreement with the declarations."""
    return list(_all(blocks, facts))


def _all(blocks: Iterable[Block], facts: Facts) -> Iterator[str]:
    for block in blocks:
        if block.kind in ("resource", "data"):
            kept = facts["resources"] if block.kind == "resource" else facts["data"]
            declared = kept.get(block.labels[0])
            if declared is None:
                yield (
                    f"{block.address}: {block.labels[0]} is not in provider_facts.json (run "
                    "python -m infra.provider_facts, or mend the name)"
                )
                continue
            yield from _resource(block, declared)
        elif block.kind == "provider":
            settings = facts["configuration"].get(block.labels[0])
            if settings is None:
                yield f"{block.address}: no such provider in provider_facts.json"
                continue
            yield from _body(block, settings, block.address, PROVIDER_META)


def _resource(block: Block, declared: Schema) -> Iterator[str]:
    for inner in block.blocks:
        known = META_BLOCKS.get(inner.kind)
        if known is not None:
            for name in inner.attributes.keys() - known:
                yield f"{block.address}: {inner.kind} has no argument {name}"
    yield from _body(block, declared, block.address, META_ARGUMENTS)


def _body(block: Block, declared: Schema, where: str, meta: set[str]) -> Iterator[str]:
    """One block's own lines, then the blocks inside it."""
    for name, value in block.attributes.items():
        if name not in meta:
            yield from _argument(name, value, declared, where)
    for name, facts in declared["attributes"].items():
        if facts.endswith(" required") and name not in block.attributes:
            yield f"{where}: the argument {name} is required"
    present = [(_name(inner), inner) for inner in block.blocks if inner.kind not in META_BLOCKS]
    counts = Counter(name for name, _ in present)
    for name, expected in declared["blocks"].items():
        if expected["required"] and not counts[name]:
            yield f"{where}: the block {name} is required"
        if not expected["many"] and counts[name] > 1:
            yield f"{where}: the block {name} may stand once"
    for name, inner in present:
        within = declared["blocks"].get(name)
        if within is None:
            what = "is an argument, not a block" if name in declared["attributes"] else "is unknown"
            yield f"{where}: the block {name} {what}"
        elif inner.kind == "dynamic":
            yield from _dynamic(inner, within, f"{where}.{name}")
        else:
            yield from _body(inner, within, f"{where}.{name}", set())


def _name(block: Block) -> str:
    return block.labels[0] if block.kind == "dynamic" else block.kind


def _dynamic(block: Block, declared: Schema, where: str) -> Iterator[str]:
    """A ``dynamic`` block: ``for_each`` and one ``content``, which is the block repeated."""
    if "for_each" not in block.attributes:
        yield f"{where}: dynamic needs for_each"
    for name in block.attributes.keys() - {"for_each", "iterator", "labels"}:
        yield f"{where}: dynamic has no argument {name}"
    contents = block.inner("content")
    if len(contents) != 1 or len(block.blocks) != 1:
        yield f"{where}: dynamic needs exactly one content block"
    for content in contents:
        yield from _body(content, declared, where, set())


def _argument(name: str, value: Value, declared: Schema, where: str) -> Iterator[str]:
    facts = declared["attributes"].get(name)
    if facts is None:
        what = "is a block, not an argument" if name in declared["blocks"] else "is unknown"
        yield f"{where}: the argument {name} {what}"
        return
    kind, use = facts.split()
    if use == "computed":
        yield f"{where}: {name} can only be read"
    elif problem := _kind_problem(kind, value):
        yield f"{where}: {name} {problem}"


def _kind_problem(kind: str, value: Value) -> str | None:
    """Why a value that is written out cannot be of the kind; Terraform converts among scalars."""
    if isinstance(value, list):
        return None if kind == "list" else f"takes a {kind}, not a list"
    if isinstance(value, dict):
        return None if kind == "map" else f"takes a {kind}, not a map"
    if not is_constant(value):
        return None
    if kind in ("list", "map"):
        return f"takes a {kind}"
    plain = literal(value)
    if kind == "number" and not _is_number(plain):
        return f"takes a number, not {plain!r}"
    if kind == "bool" and plain not in (True, False, "true", "false"):
        return f"takes true or false, not {plain!r}"
    return None


def _is_number(value: Value) -> bool:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)
