"""A function whose environment is wrong does not start: one line for each problem, exit code 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.package import ROOT, functions
from tests.support.function_process import FunctionProcess

SOURCE = ("--source", "functions/chat/main.py")


def start(
    environment: dict[str, str], output: Path, arguments: tuple[str, ...] = SOURCE
) -> tuple[int, list[str]]:
    """Exit code and printed lines of a real process that must end by itself."""
    function = FunctionProcess(
        ROOT, {"PYTHONPATH": ".", **environment}, output, arguments=arguments
    )
    try:
        code = function.wait_end()
    finally:
        function.stop()
    return code, function.output.splitlines()


@pytest.mark.parametrize("folder", functions())
def test_no_deployed_function_takes_an_auth_emulator(folder: str, tmp_path: Path) -> None:
    """Its tokens are unsigned: anybody could sign in as anybody (contract, Identity)."""
    name = folder.replace("_", "-")
    code, lines = start(
        {"K_SERVICE": name, "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"},
        tmp_path / "output.txt",
        ("--source", f"functions/{folder}/main.py", "--target", folder),
    )
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"{name} cannot start: FIREBASE_AUTH_EMULATOR_HOST: must not be set")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    code, lines = start(
        {"GROQ_BASE_URL": "ftp://x", "LOG_LEVEL": "loud", "GROQ_API_KEY": "a key"},
        tmp_path / "output.txt",
    )
    assert code == 1
    assert [line.split(": ")[1] for line in lines] == [
        *("GROQ_API_KEY", "GROQ_BASE_URL", "LOG_LEVEL"),
    ]
    assert "a key" not in "\n".join(lines)


def test_a_configuration_that_does_not_fit_the_catalog_does_not_start(tmp_path: Path) -> None:
    """Not a crash at every request later on: what is configured is checked whole, first."""
    config = tmp_path / "config.json"
    config.write_text(
        '{"rules": {"SIMPLE": {"entries": [{"model": "nobody-9", "priority": 1}]}},'
        ' "models": {"nobody-8": {"enabled": false}}}'
    )
    code, lines = start({"CODEEX_CONFIG": str(config)}, tmp_path / "output.txt")
    assert code == 1
    assert lines == [
        "chat cannot start: models.nobody-8: unknown model",
        "chat cannot start: rules.SIMPLE: unknown model 'nobody-9'",
    ]


@pytest.mark.parametrize("environment", [{"K_SERVICE": "chat"}, {}])
def test_right_environment_starts(environment: dict[str, str], tmp_path: Path) -> None:
    """With K_SERVICE alone, as deployed, and with neither: both serve."""
    function = FunctionProcess(
        ROOT,
        {"PYTHONPATH": ".", "GOOGLE_CLOUD_PROJECT": "demo-start", **environment},
        tmp_path / "output.txt",
        arguments=SOURCE,
    )
    try:
        function.wait_ready()
        assert function.call("/health").status == 200
    finally:
        function.stop()
