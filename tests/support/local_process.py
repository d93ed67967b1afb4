"""A real ``python -m local`` on a free port, for tests that talk to the whole system."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT_S = 60.0
# What a developer's shell may hold and the process under test must not see.
FOREIGN = ("_API_KEY", "_BASE_URL", "SIMULATE", "CODEEX_", "FIRESTORE_", "FIREBASE_", "PAID_")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without provider keys and settings, with ``extra``."""
    kept = {name: value for name, value in os.environ.items() if not _foreign(name)}
    return {**kept, **extra}


def _foreign(name: str) -> bool:
    return any(part in name for part in FOREIGN)


class LocalProcess:
    """The running system. ``output`` is a file with everything it printed."""

    def __init__(self, data_dir: Path, extra: Mapping[str, str] | None = None) -> None:
        """The guard is off unless ``extra`` has it on: providers' calls are a test's own."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = data_dir / "output.txt"
        environment = clean_environment(
            {
                "PORT": str(self.port),
                "HOST": "127.0.0.1",
                "CODEEX_DATA_DIR": str(data_dir / "data"),
                "CODEEX_ENV_FILE": str(data_dir / "no.env"),
                "ENABLE_SAFETY_GUARD": "false",
                **(extra or {}),
            }
        )
        with self.output.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local"],
                cwd=ROOT,
                env=environment,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Returns when ``/health`` answers; raises with the output when it never does."""
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(self.output.read_text(errors="replace"))

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        return self.process.returncode
