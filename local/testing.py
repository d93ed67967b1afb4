"""``make test``: the browser's suite where a browser is found, then pytest with everything else.

Under ``CI=true`` nothing may be left out: what is missing is an error. Elsewhere
suites that need Node or a browser run where these are found and are listed as left out where not.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.node import with_node
from local.pages_build import BuildError, PagesBuild, is_fresh

ROOT = Path(__file__).resolve().parent.parent
# The same places the browser's tests look at (tests/browser/support/browser.mjs).
_BROWSERS = (
    "/usr/bin/chromium-headless-shell",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
)
# Suites with packages of their own, and their folders below tests.
_PACKAGES = {"JavaScript clients": "clients", "security rules": "rules"}
# Told to tests/conftest.py, which lists them at the end.
LEFT_OUT = "CODEEX_LEFT_OUT"
# More processes than this start more emulators than they save time.
MOST_WORKERS = 4


def find_browser(environ: Mapping[str, str]) -> str | None:
    """The Chromium to test with: CHROMIUM_PATH, or the system's."""
    named = environ.get("CHROMIUM_PATH")
    return named or next((place for place in _BROWSERS if Path(place).exists()), None)


def install_packages(folder: Path, environ: Mapping[str, str]) -> str:
    """Install a folder's JavaScript packages by their lockfile; what went wrong, or ""."""
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".codeex-lock"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return ""
    done = _run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], folder, environ)
    if done != 0:
        return f"npm ci failed in tests/{folder.name} (is its registry in reach?)"
    stamp.write_text(wanted, encoding="utf-8")
    return ""


def run_browser_suite(root: Path, environ: Mapping[str, str]) -> tuple[str, int]:
    """Build the pages and run ``npm test`` on them: (why it could not run or "", exit code)."""
    if not is_fresh(root / "public"):
        build = PagesBuild(root, environ, print)
        try:
            build.build()
        except (BuildError, OSError) as error:
            return f"the pages could not be built: {error}", 0
    if find_browser(environ) is None:
        return "there is no Chromium (CHROMIUM_PATH names one)", 0
    checked = _run(["npm", "run", "--silent", "check"], root / "public", environ)
    return "", checked or _run(["npm", "test", "--silent"], root / "public", environ)


def main(arguments: Sequence[str]) -> int:
    """Exit code of the first suite that failed, else pytest's."""
    required = os.environ.get("CI", "").lower() == "true"
    environ = with_node(os.environ)
    left_out: list[str] = []
    failed = 0
    # Named tests: only those. The browser's suite belongs to the whole.
    named = any(not argument.startswith("-") for argument in arguments)
    if environ is None:
        left_out.append("browser, JavaScript clients and rules: there is no Node.js 18 or newer")
    elif not named:
        # npm mostly waits for its registry: the packages of later suites come in meanwhile.
        with ThreadPoolExecutor(1) as beside_it:
            folders = [ROOT / "tests" / packages for packages in _PACKAGES.values()]
            installed = beside_it.map(install_packages, folders, [environ] * len(folders))
            reason, failed = run_browser_suite(ROOT, environ)
            left_out += [f"browser: {reason}"] if reason else []
            for name, reason in zip(_PACKAGES, installed, strict=True):
                left_out += [f"{name}: {reason}"] if reason else []
    if required and left_out:
        print("Missing, and CI requires it: " + "; ".join(left_out), file=sys.stderr)
        return 1
    used = {**(environ or os.environ), LEFT_OUT: "\n".join(left_out)}
    beside = [] if named else side_by_side(os.cpu_count() or 1)
    tested = _run([sys.executable, "-m", "pytest", *beside, *arguments], ROOT, used)
    return failed or tested


def side_by_side(cores: int) -> list[str]:
    """Options that spread the files of the suite over processes, in the order of their names: what
    takes longest (the running system, the faults) comes first, the many short ones fill up. One
    process more than cores: what comes first waits half its time (two cores: 286 s, not 329 s)."""
    if cores < 2:
        return []
    workers = min(MOST_WORKERS, cores + 1)
    return ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
    return subprocess.run(list(command), cwd=folder, env=dict(environ), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
