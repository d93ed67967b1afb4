"""Builds the archive of a deployed function: ``python -m infra.package [function ...]``.

An archive is the function's ``main.py`` at the root, ``shared/`` with its data files and
``requirements.txt``. Equal sources give equal bytes on every machine, so an unchanged function is
not deployed again.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "functions"
# The earliest time a zip can hold; real times would make equal archives differ.
EPOCH = (1980, 1, 1, 0, 0, 0)
# A regular file, readable by all, as a Unix zip says it.
MODE = 0o100644 << 16
UNIX = 3


def members(function: str) -> dict[str, Path]:
    """Archive name to file of everything in the archive of ``function``."""
    main = ROOT / "functions" / function / "main.py"
    if not main.is_file():
        raise SystemExit(f"there is no functions/{function}/main.py")
    found = {"main.py": main, "requirements.txt": ROOT / "requirements.txt"}
    for path in sorted((ROOT / "shared").rglob("*")):
        inside = path.relative_to(ROOT)
        if path.is_file() and not any(_left_out(part) for part in inside.parts):
            found[inside.as_posix()] = path
    return found


def _left_out(part: str) -> bool:
    """Bytecode, and what tools leave in hidden files and folders."""
    return part == "__pycache__" or part.endswith(".pyc") or part.startswith(".")


def build(function: str, folder: Path = BUILD) -> Path:
    """Write the archive and return its path.

    Its members are stored, not compressed: compressors differ from one Python to the next.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{function}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(members(function).items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = UNIX
            entry.external_attr = MODE
            archive.writestr(entry, path.read_bytes())
    return target


def functions() -> list[str]:
    """Every deployed function."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


if __name__ == "__main__":
    for name in sys.argv[1:] or functions():
        archive = build(name)
        sys.stdout.write(f"{archive.relative_to(ROOT)} {archive.stat().st_size} bytes\n")
