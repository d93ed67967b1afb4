"""Starts the systems under measurement, one process each, pinned to one core."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "demo-bench"
MANY = 1_000_000  # requests a minute
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def emulator_token(uid: str) -> str:
    """An unsigned ID token as the Auth emulator issues it (taken outside the cloud only)."""
    now = int(time.time())
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": uid,
        "iat": now - 10,
        "auth_time": now - 10,
        "exp": now + 3600,
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


@dataclass(slots=True)
class Server:
    """A running process tree on ``port``."""

    process: subprocess.Popen[bytes]
    port: int
    started: float  # perf_counter at spawn

    def cpu_seconds(self) -> float:
        """User and system time of the process and all its children so far."""
        return sum(_cpu(pid) for pid in self._pids())

    def memory_mib(self) -> float:
        """Proportional set size of the process tree (shared pages are counted once)."""
        return sum(_pss_kib(pid) for pid in self._pids()) / 1024

    def wait_ready(self, path: str = "/health", timeout: float = 60.0) -> float:
        """Seconds from spawn until ``path`` answers anything at all."""
        end = time.perf_counter() + timeout
        while time.perf_counter() < end:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5).close()
                return time.perf_counter() - self.started
            except urllib.error.HTTPError:
                return time.perf_counter() - self.started
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"process ended with {self.process.returncode}") from None
                time.sleep(0.005)
        raise RuntimeError(f"nothing answered on port {self.port} in {timeout} s")

    def stop(self) -> None:
        """End the whole process group."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sign)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
            return

    def _pids(self) -> list[int]:
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            except OSError:
                continue
            todo += [int(child) for child in children]
        return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _pss_kib(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def spawn(command: list[str], port: int, env: Mapping[str, str], core: int) -> Server:
    """Start ``command`` in a process group of its own, on one core."""
    if shutil.which("taskset"):
        command = ["taskset", "-c", str(core), *command]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **env},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Server(process, port, started)


def upstream(core: int) -> Server:
    """The provider of no latency."""
    port = free_port()
    return spawn([sys.executable, "-m", "bench.upstream", str(port)], port, {}, core)


def _framework(source: str, target: str, env: Mapping[str, str], core: int) -> Server:
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "functions-framework"),
        *("--source", source, "--target", target, "--port", str(port), "--host", "127.0.0.1"),
    ]
    return spawn(command, port, {"PYTHONPATH": ".", **env}, core)


def bare(upstream_port: int, core: int) -> Server:
    """functions-framework and aiohttp, passing through."""
    url = f"http://127.0.0.1:{upstream_port}"
    return _framework("bench/bare/main.py", "bare", {"UPSTREAM_URL": url}, core)


def _config(folder: str) -> str:
    """Limits that hold for everything and are never reached: their accounts are kept all the same,
    for providers and for the one caller."""
    config = {
        "client_limits": {"user_rpm": MANY, "ip_rpm": MANY, "ip_signed_in_rpm": MANY},
        "limits": {
            name: {"rpm": MANY, "rpd": 100 * MANY, "tpm": 1000 * MANY, "tpd": 100_000 * MANY}
            for name in ("groq", "google")
        },
    }
    path = Path(folder) / "bench-config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


def ours(
    upstream_port: int, core: int, data_dir: str | None = None, firestore: str | None = None
) -> Server:
    """The chat function as it is deployed, with the benchmark's upstream as Groq and Google, on the
    embedded store or on the Firestore emulator at ``firestore``."""
    data_dir = data_dir or tempfile.mkdtemp(prefix="codeex-bench-")
    store = {"CODEEX_DATA_DIR": data_dir}
    if firestore is not None:
        store = {"FIRESTORE_EMULATOR_HOST": firestore}
    env = {
        "CODEEX_CONFIG": _config(data_dir),
        "GROQ_API_KEY": "bench",
        "GROQ_BASE_URL": f"http://127.0.0.1:{upstream_port}",
        "GOOGLE_API_KEY": "bench",
        "GOOGLE_BASE_URL": f"http://127.0.0.1:{upstream_port}",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:1",
        "ENABLE_SAFETY_GUARD": "false",
        "ENABLE_MEMORY_SYSTEM": "false",
        **store,
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return _framework("functions/chat/main.py", "chat", env, core)
