"""The deployed functions as Terraform makes them: every row of their table put into the resource.

Only what such a resource needs is worked out: ``each.key`` and ``each.value.NAME``, ``replace`` of
constants and a choice between two. All else stays the expression it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.hcl import Block, Value, literal

FUNCTION = "google_cloudfunctions2_function"
_LOCAL = re.compile(r"\$\{local\.(\w+)\}")
_FIELD = re.compile(r"\beach\.value\.(\w+)")
_KEY = re.compile(r"\beach\.key\b")
_REPLACE = re.compile(r'replace\("([^"]*)", "([^"/]*)", "([^"]*)"\)')
_CHOICE = re.compile(r'(true|false) \? ("[^"]*") : ("[^"]*")')
_TEMPLATE = re.compile(r'\$\{"([^"$]*)"\}')
_CONSTANT = re.compile(r'\$\{("[^"$]*"|\d+|true|false)\}')

Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Deployed:
    """One function: its service's name, where messages say it stands, its two inner blocks."""

    name: str
    address: str
    block: Block
    location: Value
    build: Row
    service: Row

    @property
    def folder(self) -> str:
        """Its folder below ``functions`` (contract: underscores for the hyphens)."""
        return self.name.replace("-", "_")


def deployed(blocks: Sequence[Block]) -> list[Deployed]:
    """Every function of the files, by its resource and its row."""
    found: list[Deployed] = []
    for block in blocks:
        if block.kind == "resource" and block.labels[0] == FUNCTION:
            found += _made_of(block, blocks)
    return found


def table(blocks: Sequence[Block], for_each: Value) -> dict[str, Row] | None:
    """The rows of ``for_each = local.NAME`` where that is a map of maps written out; else None."""
    match = _LOCAL.fullmatch(for_each) if isinstance(for_each, str) else None
    for block in blocks:
        value = block.attributes.get(match[1]) if match and block.kind == "locals" else None
        if isinstance(value, dict):
            rows: dict[str, Row] = {
                key.strip('"'): row for key, row in value.items() if isinstance(row, dict)
            }
            return rows if len(rows) == len(value) else None
    return None


def _made_of(block: Block, blocks: Sequence[Block]) -> Iterator[Deployed]:
    rows = table(blocks, block.attributes.get("for_each"))
    if rows is None:
        yield _deployed(block, block.address, str(literal(block.attributes.get("name"))), {})
        return
    for key, row in rows.items():
        yield _deployed(block, f'{block.address}["{key}"]', key, row)


def _deployed(block: Block, address: str, key: str, row: Row) -> Deployed:
    def inner(kind: str) -> Row:
        found = block.inner(kind)
        attributes = found[0].attributes if found else {}
        return {name: worked_out(value, key, row) for name, value in attributes.items()}

    name = str(literal(worked_out(block.attributes.get("name"), key, row)))
    location = block.attributes.get("location")
    return Deployed(name, address, block, location, inner("build_config"), inner("service_config"))


def worked_out(value: Value, key: str, row: Row) -> Value:
    """``value`` in the row ``key``."""
    if not isinstance(value, str) or "each." not in value:
        return value
    whole = re.fullmatch(r"\$\{each\.value\.(\w+)\}", value)
    if whole and whole[1] in row:
        return row[whole[1]]
    text = _KEY.sub(f'"{key}"', value)
    text = _FIELD.sub(lambda found: _written(found[0], row.get(found[1])), text)
    text = _REPLACE.sub(lambda found: f'"{found[1].replace(found[2], found[3])}"', text)
    text = _CHOICE.sub(lambda found: found[2] if found[1] == "true" else found[3], text)
    constant = _CONSTANT.fullmatch(text)
    return constant[1] if constant else _TEMPLATE.sub(lambda found: found[1], text)


def _written(text: str, value: Value) -> str:
    """A constant as HCL writes it; ``text`` where it is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith("${"):
        return value[2:-1]
    return text if value is None or isinstance(value, list | dict) else str(value)
