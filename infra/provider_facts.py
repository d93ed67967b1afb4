"""Writes ``provider_facts.json``: what the Terraform providers declare of the resources used here.

``python -m infra.provider_facts FOLDER ...`` reads the declarations of prebuilt CDKTF packages
(``npm pack @cdktf/provider-google@16.12.1``, ``npm pack @cdktf/provider-time@11.0.1``, unpacked:
FOLDER is each one's ``package``) and the functions that the installed ``terraform`` knows. Only
names, types and what is required are taken, and only of the resource types and data sources in
``infra/terraform``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from infra.hcl import load_folder

HERE = Path(__file__).resolve().parent
TERRAFORM = HERE / "terraform"
FACTS = HERE / "provider_facts.json"
TYPES = {
    "string": "string",
    "number": "number",
    "boolean | cdktf.IResolvable": "bool",
    "boolean": "bool",
    "string[]": "list",
    "number[]": "list",
}
INTERFACE = re.compile(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
# The link above a property carries its Terraform name, the question mark says it is optional.
PROPERTY = re.compile(
    r"docs(?:/(?:resources|data-sources)/\w+|)#(\w+) \w+#\w+\}(?:(?!\*/).)*\*/"
    r"\s+readonly \w+(\??): (.*?);\n(?= {4}/|\Z)",
    re.DOTALL,
)
CLASS = re.compile(r"^class (\w+) extends ", re.MULTILINE)
COMPUTED = re.compile(r"// (\w+) - computed: true, optional: false, required: false")


class Schema(TypedDict):
    """A block: attributes as ``"TYPE USE"`` (``"string required"``), and the blocks inside."""

    attributes: dict[str, str]
    blocks: dict[str, BlockFacts]


class BlockFacts(Schema):
    """A block inside another: ``many`` says it may stand more than once."""

    required: bool
    many: bool


class Facts(TypedDict):
    """The whole file. ``providers``: source to version; the rest by type or name."""

    providers: dict[str, str]
    resources: dict[str, Schema]
    data: dict[str, Schema]
    configuration: dict[str, Schema]
    functions: list[str]


class FactsError(Exception):
    """The packages do not hold what is needed; the message names it."""


def load_facts(path: Path = FACTS) -> Facts:
    """The committed facts."""
    facts: Facts = json.loads(path.read_text(encoding="utf-8"))
    return facts


def schema(folder: Path, config: str | None = None) -> Schema:
    """What one module of a package declares. ``config`` names its interface where not ``*Config``.

    Raises ``FactsError`` where the declarations do not have the known form.
    """
    interfaces = dict(INTERFACE.findall((folder / "index.d.ts").read_text(encoding="utf-8")))
    computed = _computed((folder / "index.js").read_text(encoding="utf-8"))
    name = config or next((key for key in interfaces if key.endswith("Config")), "")
    if name not in interfaces:
        raise FactsError(f"{folder} declares no configuration")
    return _schema(name, interfaces, computed)


def _computed(script: str) -> dict[str, list[str]]:
    """Interface name to the attributes that can only be read."""
    found: dict[str, list[str]] = {}
    pieces = CLASS.split(script)
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        names = COMPUTED.findall(body)
        found[name.removesuffix("OutputReference")] = names
        found[name + "Config"] = names
    return found


def _schema(name: str, interfaces: dict[str, str], computed: dict[str, list[str]]) -> Schema:
    attributes: dict[str, str] = {}
    blocks: dict[str, BlockFacts] = {}
    body = interfaces[name]
    properties = PROPERTY.findall(body)
    if len(properties) != body.count("readonly "):
        raise FactsError(f"{name}: {body.count('readonly ')} properties, {len(properties)} read")
    for terraform_name, optional, declared in properties:
        block = re.match(r"\w+", declared)
        if block and block.group() in interfaces:
            inner = _schema(block.group(), interfaces, computed)
            blocks[terraform_name] = {
                "required": not optional,
                "many": "[]" in declared,
                "attributes": inner["attributes"],
                "blocks": inner["blocks"],
            }
            continue
        kind = "map" if declared.startswith("{") else TYPES.get(declared)
        if kind is None:
            raise FactsError(f"{name}.{terraform_name}: unknown type {declared}")
        attributes[terraform_name] = f"{kind} {'optional' if optional else 'required'}"
    for read_only in computed.get(name, []):
        attributes.setdefault(read_only, "any computed")
    return {
        "attributes": dict(sorted(attributes.items())),
        "blocks": dict(sorted(blocks.items())),
    }


def collect(packages: Sequence[Path], folder: Path, functions: list[str]) -> Facts:
    """The facts of the resource types in ``folder``. Raises ``FactsError``."""
    facts: Facts = {
        "providers": {},
        "resources": {},
        "data": {},
        "configuration": {},
        "functions": sorted(functions),
    }
    blocks = load_folder(folder)
    used = {block.labels[0] for block in blocks if block.kind == "resource"}
    read = {block.labels[0] for block in blocks if block.kind == "data"}
    for package in packages:
        about = json.loads((package / "package.json").read_text(encoding="utf-8"))
        provider = about["cdktf"]["provider"]
        source = provider["name"].removeprefix("registry.terraform.io/")
        facts["providers"][source] = provider["version"]
        short = source.rpartition("/")[2]
        settings = schema(package / "lib" / "provider", f"{short.capitalize()}ProviderConfig")
        for name in [name for name in settings["attributes"] if name.endswith("_endpoint")]:
            del settings["attributes"][name]  # one a product, none of use here
        facts["configuration"][short] = settings
        for resource in sorted(name for name in used if name.startswith(f"{short}_")):
            facts["resources"][resource] = _declared(package, resource, short, "")
        for source_type in sorted(name for name in read if name.startswith(f"{short}_")):
            facts["data"][source_type] = _declared(package, source_type, short, f"data-{short}-")
    if missing := (used - set(facts["resources"])) | (read - set(facts["data"])):
        raise FactsError(f"no package declares {', '.join(sorted(missing))}")
    return facts


def _declared(package: Path, name: str, short: str, prefix: str) -> Schema:
    """What ``package`` declares of a resource or, with the prefix, of a data source."""
    module = prefix + name.removeprefix(f"{short}_").replace("_", "-")
    declared = schema(package / "lib" / module)
    declared["attributes"]["id"] = "string computed"
    return declared


def terraform_functions() -> list[str]:
    """The functions of the language, asked of the installed ``terraform``."""
    done = subprocess.run(
        ["terraform", "metadata", "functions", "-json"], check=True, capture_output=True, text=True
    )
    found: dict[str, object] = json.loads(done.stdout)["function_signatures"]
    return [name for name in found if "::" not in name]


def main(arguments: Sequence[str]) -> int:
    """Write the file; 2 where no package was named."""
    if not arguments:
        sys.stderr.write("usage: python -m infra.provider_facts PACKAGE_FOLDER ...\n")
        return 2
    packages = [Path(argument) for argument in arguments]
    facts = collect(packages, TERRAFORM, terraform_functions())
    FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
