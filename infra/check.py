"""Checks the Terraform files without a provider or a network: ``python -m infra.check``.

Against the providers' declarations (``provider_facts.json``), every name in every expression, what
waits for what, and the rules of this deployment. Formatting is checked by ``terraform fmt`` where
``terraform`` is installed; ``--require-terraform`` makes its absence a failure.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.cycles import cycle_problems
from infra.hcl import HclError, attributes_of, load_folder
from infra.house_rules import rule_problems
from infra.provider_facts import TERRAFORM, Facts, load_facts
from infra.references import reference_problems
from infra.schema_check import schema_problems

EXAMPLE = "terraform.tfvars.example"
Which = Callable[[str], str | None]


def problems(folder: Path, facts: Facts) -> list[str]:
    """Every problem of the files in ``folder``, a line each; empty where all is well."""
    try:
        blocks = load_folder(folder)
        example = (folder / EXAMPLE).read_text(encoding="utf-8")
        tfvars = attributes_of(example, EXAMPLE)
    except HclError as error:
        return [str(error)]
    except OSError as error:
        return [f"{error.filename}: {error.strerror}"]
    if not blocks:
        return [f"{folder}: no Terraform files"]
    return [
        *schema_problems(blocks, facts),
        *reference_problems(blocks, tfvars, facts),
        *cycle_problems(blocks),
        *rule_problems(blocks, facts),
    ]


def format_problems(folder: Path, required: bool, which: Which = shutil.which) -> list[str]:
    """Files that ``terraform fmt`` would change; its absence only where it is required."""
    terraform = which("terraform")
    if terraform is None:
        return ["terraform is not installed: formatting is not checked"] if required else []
    done = subprocess.run(
        [terraform, "fmt", "-check", "-recursive", "-no-color", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return []
    lines = done.stdout.splitlines() or done.stderr.splitlines()
    return [f"{line}: terraform fmt would change it" for line in lines]


def main(arguments: Sequence[str]) -> int:
    """0 where all is well, 1 with the problems on stderr, 2 for wrong arguments."""
    if list(arguments) not in ([], ["--require-terraform"]):
        sys.stderr.write("usage: python -m infra.check [--require-terraform]\n")
        return 2
    found = problems(TERRAFORM, load_facts())
    found += format_problems(TERRAFORM, bool(arguments))
    for line in found:
        sys.stderr.write(line + "\n")
    if not found and shutil.which("terraform") is None:
        sys.stdout.write("terraform is not installed: formatting was not checked\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
