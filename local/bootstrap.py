"""Makes the environment in ``.venv`` and starts a command in it: ``bootstrap.py run|test [...]``.

``prepare`` makes the tests' environment and starts nothing.

Standard library only, and written so that a Python as old as 3.8 can read it far enough to say
that it is too old. The stamp in ``.venv`` holds the hash of the requirements that were installed;
while it matches, nothing is installed and pip is not called.

A crash at any point is mended by the next start: a mark stands in ``.venv`` from before the first
change until the stamp is written, and an environment with that mark is thrown away and made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Runner = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]

MINIMUM = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
# What each command needs; the later file includes the earlier.
REQUIREMENTS = {
    "run": ("requirements.txt",),
    "test": ("requirements.txt", "requirements-dev.txt"),
    "prepare": ("requirements.txt", "requirements-dev.txt"),
}
MODULES = {"run": "local", "test": "local.testing"}
STAMP = "codeex-stamp.json"
MARK = "codeex-unfinished"


class BootstrapError(Exception):
    """The environment cannot be made; the message is the one line the user sees."""


class Home(NamedTuple):
    """Where things are; ``root`` is the checkout."""

    root: Path

    @property
    def venv(self) -> Path:
        """The environment's folder."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def lock(self) -> Path:
        """Held while the environment is looked at or changed."""
        return self.root / "build" / "environment.lock"


def run_quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run ``command`` to its end, output kept. A missing program counts as exit code 127."""
    try:
        return subprocess.run(
            list(command),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        return subprocess.CompletedProcess(list(command), 127, str(error))


def check_python(version: Sequence[int], executable: str) -> None:
    """Raise ``BootstrapError`` where ``version`` is too old."""
    if tuple(version[:2]) < MINIMUM:
        raise BootstrapError(
            f"CODEEX Router needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer; {executable} is "
            f"{version[0]}.{version[1]}. Install a newer one, or name it: "
            "PYTHON=/path/to/python3 make run"
        )


def check_commit(home: Home, run: Runner) -> None:
    """Raise ``BootstrapError`` for a Git repository without a commit.

    An unpacked archive (no ``.git``) and a machine without Git are fine: only an unborn branch
    makes ``rev-parse --verify --quiet`` end with 1, every other trouble ends with 128.
    """
    if not (home.root / ".git").exists():
        return
    done = run(["git", "-C", str(home.root), "rev-parse", "--verify", "--quiet", "HEAD"])
    if done.returncode == 1:
        raise BootstrapError(
            "This Git repository has no commit yet, so there is no version to run: commit first "
            "(git add . && git commit), or clone the project again."
        )


def requirements_hash(home: Home, command: str) -> str:
    """SHA-256 over the requirement files of ``command``."""
    digest = hashlib.sha256()
    for name in REQUIREMENTS[command]:
        try:
            digest.update(name.encode() + b"\0" + (home.root / name).read_bytes())
        except OSError as error:
            raise BootstrapError(f"Cannot read {name}: {error.strerror}") from None
    return digest.hexdigest()


def read_stamp(home: Home) -> dict[str, str]:
    """The hashes installed so far by command; empty where there is no readable stamp."""
    try:
        loaded = json.loads((home.venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {str(key): str(value) for key, value in loaded.items()}


def is_ready(home: Home, command: str) -> bool:
    """Whether everything ``command`` needs is installed (tests' needs include the server's)."""
    stamp = read_stamp(home)
    covering = [
        name for name in REQUIREMENTS if set(REQUIREMENTS[command]) <= set(REQUIREMENTS[name])
    ]
    return not (home.venv / MARK).exists() and any(
        stamp.get(name) == requirements_hash(home, name) for name in covering
    )


def is_usable(home: Home, run: Runner) -> bool:
    """Whether the environment's Python runs, is new enough and finds its own packages.

    A system upgrade may change the Python behind the link, whose packages then lie elsewhere.
    """
    probe = (
        "import sys, importlib.util as u; "
        f"sys.exit(sys.version_info < {MINIMUM!r} or u.find_spec('pip') is None)"
    )
    return run([str(home.python), "-c", probe]).returncode == 0


@contextlib.contextmanager
def locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the system frees it when the process ends, however."""
    import fcntl  # not there on Windows, where the line below would be the first to say so

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is making the environment; waiting for it ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_environment(
    home: Home,
    command: str,
    *,
    python: str = sys.executable,
    run: Runner = run_quietly,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Make or complete ``.venv`` for ``command``. Raises ``BootstrapError`` with one line."""
    if is_ready(home, command) and is_usable(home, run):
        return
    try:
        with locked(home.lock, say):
            if is_ready(home, command) and is_usable(home, run):
                return  # the one we waited for has made it
            _install(home, command, python, run, say)
    except OSError as error:
        raise BootstrapError(f"Cannot make the environment in .venv: {error}") from None


def _install(
    home: Home,
    command: str,
    python: str,
    run: Runner,
    say: Callable[[str], None],
) -> None:
    stamp = read_stamp(home)
    if (home.venv / MARK).exists() or not is_usable(home, run):
        _create(home, python, run, say)
        stamp = {}
    (home.venv / MARK).touch()
    say("Installing the packages (once; about a minute) ...")
    pip = [str(home.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    done = run([*pip, "--quiet", "-r", str(home.root / REQUIREMENTS[command][-1])])
    if done.returncode != 0:
        raise BootstrapError(
            f"pip could not install {REQUIREMENTS[command][-1]}: {_last_error(done.stdout)} "
            "(the package index may be out of reach; run the command again to retry)"
        )
    # The first start should not pay for compiling; where it fails, Python does it as it imports.
    folders = [str(home.root / name) for name in ("shared", "functions", "local")]
    run([str(home.python), "-m", "compileall", "-q", *folders])
    stamp[command] = requirements_hash(home, command)
    _write_whole(home.venv / STAMP, json.dumps(stamp))
    (home.venv / MARK).unlink()


def _create(
    home: Home,
    python: str,
    run: Runner,
    say: Callable[[str], None],
) -> None:
    for left in home.root.glob(".venv-old-*"):
        shutil.rmtree(left, ignore_errors=True)
    if home.venv.exists() or home.venv.is_symlink():
        # Renamed before it is emptied, so that no crash leaves a half-empty one in its place.
        old = home.root / f".venv-old-{os.getpid()}"
        home.venv.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    say("Making the environment in .venv ...")
    home.venv.mkdir()
    (home.venv / MARK).touch()
    done = run([python, "-m", "venv", str(home.venv)])
    if done.returncode != 0 or not home.python.exists():
        raise BootstrapError(
            f"{python} cannot make environments (its venv module fails: "
            f"{_last_error(done.stdout)}). On Debian or Ubuntu: apt-get install python3-venv; "
            "or name another Python: PYTHON=/path/to/python3 make run"
        )


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _last_error(output: str) -> str:
    """The line of a failed command's output that says most."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no output"])[-1]


def main(arguments: Sequence[str]) -> int:
    """Prepare, then become the command. Returns an exit code where it does not become one."""
    command = arguments[0] if arguments else ""
    if command not in REQUIREMENTS:
        print("usage: bootstrap.py run|test|prepare [arguments]", file=sys.stderr)
        return 2
    home = Home(ROOT)
    try:
        check_python(sys.version_info[:2], sys.executable)
        check_commit(home, run_quietly)
        ensure_environment(home, command)
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the next start goes on from here.", file=sys.stderr)
        return 130
    if command not in MODULES:
        return 0
    os.chdir(ROOT)
    os.execv(str(home.python), [str(home.python), "-m", MODULES[command], *arguments[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
