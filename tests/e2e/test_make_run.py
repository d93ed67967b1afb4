"""The real process: first answer, one clear line for each wrong start, a quick clean stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.local_process import ROOT, LocalProcess, clean_environment

QUICK_S = 5.0  # first answer of a warm start, and the end after Ctrl-C (contract, Two commands)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LocalProcess]]:
    """Starts processes that are ended with the test."""
    started: list[LocalProcess] = []

    def make(**extra: str) -> LocalProcess:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        process = LocalProcess(folder, extra)
        started.append(process)
        return process

    yield make
    for process in started:
        process.stop()


def refused(tmp_path: Path, **extra: str) -> list[str]:
    """A start that must fail: its lines on stderr."""
    environment = clean_environment(
        {
            "PORT": "0",
            "CODEEX_DATA_DIR": str(tmp_path / "data"),
            "CODEEX_ENV_FILE": str(tmp_path / ".env"),
            **extra,
        }
    )
    done = subprocess.run(
        [sys.executable, "-m", "local"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


def ask(url: str, body: dict[str, object]) -> urllib.request.Request:
    return urllib.request.Request(
        f"{url}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"authorization": "Bearer dev-alice", "content-type": "application/json"},
    )


QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is 6 * 7?"}]}


def test_a_warm_start_answers_quickly_and_says_where(start: Callable[..., LocalProcess]) -> None:
    began = time.monotonic()
    process = start()
    process.wait_ready()
    with urllib.request.urlopen(ask(process.url, dict(QUESTION)), timeout=30) as response:
        answer = json.load(response)
    took = time.monotonic() - began
    assert "6 * 7 = 42" in answer["choices"][0]["message"]["content"]
    assert took < QUICK_S
    said = process.output.read_text()
    for part in (f"{process.url}/\n", f"{process.url}/v1 ", "groq         simulated"):
        assert part in said


def test_the_emulators_address_and_faults_work(start: Callable[..., LocalProcess]) -> None:
    process = start()
    process.wait_ready()
    with urllib.request.urlopen(f"{process.url}/demo/us-central1/chat/health", timeout=30) as found:
        assert json.load(found)["function"] == "chat"
    for provider in ("groq", "cerebras"):
        fault = json.dumps({"provider": provider, "kind": "status", "status": 503}).encode()
        set_ = urllib.request.Request(f"{process.url}/sim/faults", data=fault)
        with urllib.request.urlopen(set_, timeout=30) as response:
            assert response.status == 201
    with urllib.request.urlopen(ask(process.url, dict(QUESTION)), timeout=30) as response:
        receipt = json.load(response)["codeex"]
    outcomes = {a["provider"]: a["outcome"] for a in receipt["routing"]["attempts"]}
    assert [name for name, outcome in outcomes.items() if outcome == "ok"] not in (
        [],
        ["groq"],
        ["cerebras"],
    )


def test_a_port_in_use_is_one_line(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    process = start()
    process.wait_ready()
    (line,) = refused(tmp_path, PORT=str(process.port), HOST="127.0.0.1")
    assert f"Port {process.port} on 127.0.0.1 is in use" in line


def test_a_broken_env_file_is_a_line_for_each_problem(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GROQ_API_KEY=gsk_fine\nnonsense\nB='open\n")
    lines = refused(tmp_path)
    assert [line[:12] for line in lines] == [".env line 2:", ".env line 3:"]


def test_a_bad_configuration_is_a_line_for_each_problem(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"flags": {"X": 1}, "client_limits": {"user_rpm": 0}}')
    lines = refused(
        tmp_path, CODEEX_CONFIG=str(tmp_path / "config.json"), LOG_LEVEL="loud", PORT="http"
    )
    assert len(lines) == 4
    for part in ("LOG_LEVEL", "PORT", "flags.X", "client_limits.user_rpm"):
        assert any(part in line for line in lines), part


def test_a_configuration_against_the_catalog_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"models": {"no-such-model": {"enabled": false}}}')
    (line,) = refused(tmp_path, CODEEX_CONFIG=str(tmp_path / "config.json"))
    assert "no-such-model" in line


def test_an_unwritable_data_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (line,) = refused(tmp_path, CODEEX_DATA_DIR=str(tmp_path / "file"))
    assert line.startswith("CODEEX_DATA_DIR: cannot write to")


def test_an_address_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, HOST="192.0.2.1")
    assert "192.0.2.1" in line


def hang(process: LocalProcess) -> threading.Thread:
    """A request that no provider answers, under way when this returns."""
    for provider in ("groq", "cerebras", "google", "huggingface"):
        fault = json.dumps({"provider": provider, "kind": "hang"}).encode()
        set_ = urllib.request.Request(f"{process.url}/sim/faults", data=fault)
        urllib.request.urlopen(set_, timeout=30).close()

    def call() -> None:
        try:
            urllib.request.urlopen(ask(process.url, dict(QUESTION)), timeout=60).close()
        except OSError:
            return

    thread = threading.Thread(target=call)
    thread.start()
    received = f"{process.url}/sim/requests"
    while not json.load(urllib.request.urlopen(received, timeout=30))["requests"]:
        assert thread.is_alive()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_even_under_way(
    start: Callable[..., LocalProcess], number: signal.Signals
) -> None:
    process = start()
    process.wait_ready()
    waiting = hang(process)
    began = time.monotonic()
    process.process.send_signal(number)
    assert process.process.wait(30) == 0
    assert time.monotonic() - began < QUICK_S
    waiting.join(30)
    assert "Traceback" not in process.output.read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", process.port), timeout=5).close()


def test_make_run_serves_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """The command itself; Ctrl-C in a terminal reaches the whole process group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = tmp_path / "output.txt"
    environment = clean_environment({"PORT": str(port), "CODEEX_ENV_FILE": str(tmp_path / ".env")})
    environment["CODEEX_DATA_DIR"] = str(tmp_path / "data")
    with output.open("wb") as sink:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, output)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    assert "Traceback" not in output.read_text()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + 120  # the environment may have to be completed first
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(output.read_text())
