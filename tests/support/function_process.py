"""A real ``functions-framework`` process that serves one function, as the platform starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.messages import JsonObject
from tests.support.local_process import free_port

START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0
# All a deployed process sees of the machine; everything else is named by the test.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> JsonObject:
        """The body, which must be a JSON object."""
        parsed: object = json.loads(self.text)
        assert isinstance(parsed, dict), self.text
        return parsed


class FunctionProcess:
    """``functions-framework --target chat`` in ``folder``, with ``arguments`` behind.

    ``programs`` is the folder of the environment's programs (default: this interpreter's).
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        *,
        arguments: tuple[str, ...] = (),
        programs: Path | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = output
        program = (programs or Path(sys.executable).parent) / "functions-framework"
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                [
                    *(str(program), "--target", "chat", *arguments),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                cwd=folder,
                env={**kept, **environment},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def wait_ready(self) -> None:
        """Returns when ``/health`` answers; raises with the output when it never does."""
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(self.output)

    def wait_end(self) -> int:
        """The exit code of a process that ends by itself."""
        return self._process.wait(START_LIMIT_S)

    def call(
        self, path: str, body: JsonObject | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """GET, or POST where there is a body; errors are answers too."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=START_LIMIT_S) as response:
                return _answer(response.status, response.headers.items(), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers.items(), error.read())

    def stop(self) -> int:
        """SIGTERM, as the platform sends it; the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(STOP_LIMIT_S)
        return self._process.returncode


def _answer(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers}, body.decode())
