"""Builds the pages beside the running server: with the Node of the machine, or one from a wheel.

The API never waits for this, and no failure here stops it: ``PagesBuild.state`` says what is
missing, on the terminal and in place of the page.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.bootstrap import locked
from local.node import OLDEST_NODE, install_command, which, with_node

_STAMP = ".sources"
_NOT_SOURCES = ("dist", "node_modules")
_BUILDING = "The pages are being built; this one looks again by itself. The API is up already."


class BuildError(Exception):
    """The pages cannot be built; the message is one line that says what is missing."""


def sources_hash(folder: Path) -> str:
    """SHA-256 over every source file of the pages, by name and content."""
    digest = hashlib.sha256()
    for path in _sources(folder):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh(folder: Path) -> bool:
    """Whether ``dist`` was built from the sources as they are.

    A build by hand leaves no stamp; it counts while it is newer than every source.
    """
    index = folder / "dist" / "index.html"
    if not index.is_file():
        return False
    try:
        return (folder / "dist" / _STAMP).read_text(encoding="utf-8") == sources_hash(folder)
    except FileNotFoundError:
        newest = max(path.stat().st_mtime for path in _sources(folder))
        return index.stat().st_mtime >= newest


def _sources(folder: Path) -> list[Path]:
    found: list[Path] = []
    for top in sorted(folder.iterdir()):
        if top.name not in _NOT_SOURCES and not top.name.startswith("."):
            below = sorted(top.rglob("*")) if top.is_dir() else [top]
            found += [path for path in below if path.is_file()]
    return found


class PagesBuild:
    """One build in a thread of its own. ``say`` prints a line on the terminal."""

    def __init__(self, root: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._folder = root / "public"
        self._lock = root / "build" / "pages.lock"
        self._environ = dict(environ)
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)
        self.state = ""

    def start(self) -> None:
        """Build where that is needed; returns at once."""
        if not (self._folder / "package.json").is_file():
            self.state = "There are no pages in this checkout. The API is up."
        elif not is_fresh(self._folder):
            self.state = _BUILDING
            self._say("Building the pages in the background ...")
            self._thread.start()

    def stop(self) -> None:
        """End a build that is under way."""
        self._stopped.set()
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> None:
        """Wait for the end of the build, for tools and tests."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            with locked(self._lock, lambda _line: None):
                if not is_fresh(self._folder):  # another start may have built them
                    self.build()
        except (BuildError, OSError) as error:
            if not self._stopped.is_set():
                self.state = f"The pages could not be built: {error}. The API is up."
                self._say(self.state)
            return
        self.state = ""
        self._say("The pages are built.")

    def build(self) -> None:
        """Install by lockfile, then build. Raises ``BuildError``."""
        before = sources_hash(self._folder)
        self._find_node()
        lock_hash = hashlib.sha256((self._folder / "package-lock.json").read_bytes()).hexdigest()
        installed = self._folder / "node_modules" / ".codeex-lock"
        if not (installed.is_file() and installed.read_text(encoding="utf-8") == lock_hash):
            self._command(["npm", "ci", "--no-audit", "--no-fund"], "npm could not be reached")
            installed.write_text(lock_hash, encoding="utf-8")
        self._command(["npm", "run", "build"], "npm run build failed")
        if not (self._folder / "dist" / "index.html").is_file():
            raise BuildError("npm run build made no index.html")
        (self._folder / "dist" / _STAMP).write_text(before, encoding="utf-8")

    def _find_node(self) -> None:
        """Put a Node that is new enough on the path, from a wheel where the machine has none."""
        found = with_node(self._environ)
        if found is None:
            self._say("No Node.js found; getting one from a wheel ...")
            self._command(
                install_command(),
                f"there is no Node.js {OLDEST_NODE} or newer, and its wheel could not be installed",
            )
            found = with_node(self._environ)
        if found is None:
            raise BuildError("the wheel with Node.js has none for this machine")
        self._environ = found

    def _command(self, command: Sequence[str], failed: str) -> None:
        if self._stopped.is_set():
            raise BuildError("stopped")
        program = which(command[0], self._environ) or command[0]
        process = subprocess.Popen(
            [program, *command[1:]],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches it through stop(), with all its children
        )
        self._process = process
        output, _ = process.communicate()
        if process.returncode != 0:
            lines = [line.strip() for line in output.splitlines() if line.strip()]
            told = next((line for line in lines if "error" in line.lower()), "") or (
                lines[-1] if lines else f"exit code {process.returncode}"
            )
            raise BuildError(f"{failed} ({told[:200]})")
