"""The snippets of docs/clients.md, run as they stand, only with the address of the system here.

Those for web apps run in Chromium too (tests/clients/browser.test.mjs).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.messages import JsonObject
from tests.e2e.conftest import FirebaseSystem
from tests.support.local_process import ROOT, LocalProcess, clean_environment
from tests.support.openapi import check_answer
from tests.support.router_client import RouterClient

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"
AUTH_EMULATOR = "http://127.0.0.1:9099"
EMULATOR = '"127.0.0.1", 8080'
# Run nowhere here; no SDK for these languages comes as a package of this machine's registries.
OF_OTHERS = {
    "dart": ("httpsCallable('chat')", "useFunctionsEmulator('127.0.0.1', 8080)"),
    "swift": ('httpsCallable("chat")', 'useEmulator(withHost: "127.0.0.1", port: 8080)'),
    "kotlin": ('getHttpsCallable("chat")', 'useEmulator("10.0.2.2", 8080)'),
}
SNIPPETS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)


def of(language: str) -> list[str]:
    """The page's snippets in that language; a page without one fails."""
    found = [text for name, text in SNIPPETS if name == language]
    assert found != []
    return found


def printed(command: list[str], program: str, folder: Path) -> str:
    """What ``command`` prints with ``program`` on its standard input."""
    done = subprocess.run(
        command,
        input=program,
        cwd=folder,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_no_snippet_that_is_not_run() -> None:
    assert {name for name, _ in SNIPPETS} == {"python", "javascript", "sh", *OF_OTHERS}
    run = [text for name, text in SNIPPETS if name not in OF_OTHERS]
    assert all(ADDRESS in text or EMULATOR in text for text in run)


@pytest.mark.parametrize("language", OF_OTHERS)
def test_other_languages_call_the_same_function_at_the_same_address(language: str) -> None:
    (snippet,) = of(language)
    assert all(part in snippet for part in OF_OTHERS[language])


@pytest.mark.parametrize("snippet", of("python"))
def test_python(running: LocalProcess, tmp_path: Path, snippet: str) -> None:
    program = snippet.replace(ADDRESS, running.url)
    assert "[simulated" in printed([sys.executable, "-"], program, tmp_path)


@pytest.mark.needs_node
@pytest.mark.parametrize("snippet", [one for one in of("javascript") if "firebase/" not in one])
def test_javascript(running: LocalProcess, snippet: str) -> None:
    assert "[simulated" in in_node(snippet.replace(ADDRESS, running.url))


@pytest.mark.needs_node
@pytest.mark.parametrize("snippet", [one for one in of("javascript") if "firebase/" in one])
def test_web(firebase: FirebaseSystem, snippet: str) -> None:
    here = f'"127.0.0.1", {firebase.local.port}'
    program = snippet.replace(ADDRESS, firebase.local.url).replace(EMULATOR, here)
    program = program.replace(AUTH_EMULATOR, f"http://{firebase.auth.host}")
    assert "[simulated" in in_node(program)


def in_node(program: str) -> str:
    """What the program prints."""
    node = shutil.which("node")
    assert node is not None
    return printed([node, "--input-type=module", "-"], program, ROOT / "tests" / "clients")


@pytest.mark.parametrize("snippet", of("sh"))
def test_curl(router: RouterClient, snippet: str) -> None:
    """Read as curl reads it and sent: a machine without curl can run this too."""
    program, *words = shlex.split(snippet.replace("\\\n", " "))
    assert program == "curl"
    headers: list[str] = []
    address, body = "", ""
    while words:
        word = words.pop(0)
        if word == "-H":
            headers.append(words.pop(0))
        elif word == "-d":
            body = words.pop(0)
        elif word != "-N":
            address = word
    assert headers == ["Authorization: Bearer dev-alice", "Content-Type: application/json"]
    path = address.removeprefix(ADDRESS)
    sent: JsonObject = json.loads(body)
    answer = router.post(path, sent)
    assert answer.status == 200
    if path.startswith("/callable/"):
        assert list(answer.json()) == ["result"]
    else:
        check_answer(answer, "post", path)
