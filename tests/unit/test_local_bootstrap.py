"""The environment: stamp, lock, interrupted installs, and what is said when it cannot be made."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from local import bootstrap
from local.bootstrap import BootstrapError, Home

ROOT = Path(__file__).resolve().parent.parent.parent


class FakeRunner:
    """Plays the programs: ``venv`` makes a python file, pip succeeds unless told otherwise."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.commands: list[list[str]] = []
        self.pip_output: str | None = None  # an error's text: pip fails
        self.venv_works = True
        self.usable = True

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.commands.append(list(command))
        code, output = 0, ""
        if "venv" in command:
            if self.venv_works:
                self.home.python.parent.mkdir(parents=True)
                self.home.python.touch()
            code, output = (0, "") if self.venv_works else (1, "Error: ensurepip is not available")
        elif "pip" in command:
            code, output = (0, "") if self.pip_output is None else (1, self.pip_output)
        elif "-c" in command:
            code = 0 if self.usable and self.home.python.exists() else 1
        return subprocess.CompletedProcess(list(command), code, output)

    @property
    def installs(self) -> int:
        return sum("pip" in command for command in self.commands)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "requirements.txt").write_text("uvicorn==1\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\npytest==1\n")
    return Home(tmp_path)


def ensure(home: Home, runner: FakeRunner, command: str = "run") -> list[str]:
    said: list[str] = []
    bootstrap.ensure_environment(home, command, python="python3", run=runner, say=said.append)
    return said


def test_the_second_time_nothing_is_installed(home: Home) -> None:
    runner = FakeRunner(home)
    assert ensure(home, runner)
    runner.commands.clear()
    assert ensure(home, runner) == []
    assert runner.installs == 0


def test_changed_requirements_are_installed_into_the_same_environment(home: Home) -> None:
    runner = FakeRunner(home)
    ensure(home, runner)
    (home.venv / "kept").touch()
    (home.root / "requirements.txt").write_text("uvicorn==2\n")
    ensure(home, runner)
    assert runner.installs == 2
    assert (home.venv / "kept").exists()


def test_the_tests_environment_serves_the_server_too(home: Home) -> None:
    runner = FakeRunner(home)
    ensure(home, runner, "test")
    ensure(home, runner, "run")
    assert runner.installs == 1
    ensure(home, FakeRunner(home), "prepare")


def test_the_servers_environment_is_completed_for_tests(home: Home) -> None:
    runner = FakeRunner(home)
    ensure(home, runner, "run")
    ensure(home, runner, "test")
    assert runner.installs == 2
    assert runner.commands[-2][-1].endswith("requirements-dev.txt")
    assert "compileall" in runner.commands[-1]


def test_an_interrupted_install_is_made_anew(home: Home) -> None:
    runner = FakeRunner(home)
    runner.pip_output = "ERROR: No matching distribution found for uvicorn==1\nmore"
    with pytest.raises(BootstrapError, match="No matching distribution"):
        ensure(home, runner)
    (home.venv / "half-installed").touch()
    runner.pip_output = None
    ensure(home, runner)
    assert not (home.venv / "half-installed").exists()
    assert not list(home.root.glob(".venv-old-*"))
    assert bootstrap.is_ready(home, "run")


def test_an_environment_made_by_hand_is_kept(home: Home) -> None:
    home.python.parent.mkdir(parents=True)
    home.python.touch()
    (home.venv / "kept").touch()
    ensure(home, FakeRunner(home))
    assert (home.venv / "kept").exists()


def test_an_environment_whose_python_broke_is_made_anew(home: Home) -> None:
    runner = FakeRunner(home)
    ensure(home, runner)
    (home.venv / "old").touch()
    runner.usable = False
    ensure(home, runner)
    assert not (home.venv / "old").exists()


def test_a_python_without_venv_is_told_what_to_install(home: Home) -> None:
    runner = FakeRunner(home)
    runner.venv_works = False
    with pytest.raises(BootstrapError, match=r"ensurepip is not available.*python3-venv") as told:
        ensure(home, runner)
    assert "\n" not in str(told.value)


def test_a_broken_stamp_counts_as_none(home: Home) -> None:
    runner = FakeRunner(home)
    ensure(home, runner)
    (home.venv / bootstrap.STAMP).write_text("[not an object]")
    assert not bootstrap.is_ready(home, "run")


def test_two_starts_at_once_install_once(home: Home) -> None:
    runner = FakeRunner(home)
    both = [threading.Thread(target=ensure, args=(home, runner)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(30)
    assert runner.installs == 1


def test_the_lock_waits_for_its_holder_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    waiting, order = threading.Event(), list[str]()

    def tell(line: str) -> None:
        said.append(line)
        waiting.set()

    def second() -> None:
        with bootstrap.locked(tmp_path / "build" / "lock", tell):
            order.append("second")

    thread = threading.Thread(target=second)
    with bootstrap.locked(tmp_path / "build" / "lock", said.append):
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert said == ["Another start is making the environment; waiting for it ..."]


def test_an_old_python_is_told_in_one_line() -> None:
    with pytest.raises(BootstrapError, match=r"needs Python 3\.11.*is 3\.8") as told:
        bootstrap.check_python((3, 8), "/usr/bin/python3")
    assert "\n" not in str(told.value)
    bootstrap.check_python((3, 11), "python3")


def test_an_old_python_can_read_the_file() -> None:
    source = (ROOT / "local" / "bootstrap.py").read_text(encoding="utf-8")
    assert ast.parse(source, feature_version=(3, 8)).body


@pytest.fixture
def repository(home: Home) -> Home:
    subprocess.run(["git", "init", "-q", str(home.root)], check=True)
    return home


def test_a_repository_without_a_commit_is_refused(repository: Home) -> None:
    with pytest.raises(BootstrapError, match="no commit yet"):
        bootstrap.check_commit(repository, bootstrap.run_quietly)


def test_a_repository_with_a_commit_is_fine(repository: Home) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    commit = [
        "git",
        "-C",
        str(repository.root),
        *identity,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    ]
    subprocess.run(commit, check=True)
    bootstrap.check_commit(repository, bootstrap.run_quietly)


def test_an_unpacked_archive_is_fine(home: Home) -> None:
    def never(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        raise AssertionError(command)

    bootstrap.check_commit(home, never)


def test_a_missing_program_is_no_crash() -> None:
    assert bootstrap.run_quietly(["/nowhere/at/all"]).returncode == 127


def launch(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "local" / "launch.sh"), *arguments],
        env={"PATH": path, "PYTHON": "python-of-nowhere python3"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_at_all_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    done = launch(str(tmp_path), "run")
    assert done.returncode == 1
    assert "needs Python 3.11" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_too_old_says_so_itself(tmp_path: Path) -> None:
    """A stand-in that fails every look at its version, and runs the file all the same."""
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    old = tmp_path / "python3"
    old.write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in -c*"(3, 11)"*) exit 1 ;; -c*) exit 0 ;; esac\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = (3, 8); '
        "sys.argv = ['b', 'run']; import runpy; "
        "runpy.run_path('local/bootstrap.py', run_name='__main__')\"\n"
    )
    old.chmod(0o755)
    done = launch(str(tmp_path), "run")
    assert done.returncode == 1, done.stderr
    assert "is 3.8" in done.stderr
    assert "Traceback" not in done.stderr
