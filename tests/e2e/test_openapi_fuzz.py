"""Schemathesis on docs/openapi.json against the running system (settings: schemathesis.toml).

Bodies that the description allows and bodies that it forbids: no answer may be a fault of ours,
undescribed, or a success for what should have been refused.
"""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path

from tests.support.local_process import ROOT, LocalProcess, clean_environment

CONFIG = Path(__file__).resolve().parent / "schemathesis.toml"
LIMIT_S = 240  # half a minute on an idle machine
HOOKS = {"SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
# Least number of successes by path: a run that is refused everywhere would prove nothing.
ANSWERED = {
    "/v1/chat/completions": 100,
    "/v1/route": 100,
    "/v1/embeddings": 15,
    "/v1/moderations": 15,
    "/v1/models": 1,
}


def test_the_running_system_answers_as_described(running: LocalProcess, tmp_path: Path) -> None:
    before = running.output.stat().st_size
    done = subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts")) / "schemathesis"),
            f"--config-file={CONFIG}",
            "run",
            str(ROOT / "docs" / "openapi.json"),
            f"--url={running.url}",
        ],
        cwd=tmp_path,
        env=clean_environment({"NO_COLOR": "1", "COLUMNS": "100", **HOOKS}),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated is not None, done.stdout[-2000:]
    assert int(generated.group(2)) >= 1_000
    successes = successes_by_path(running.output.read_bytes()[before:].decode())
    for path, least in ANSWERED.items():
        assert successes[path] >= least, (path, successes)


def successes_by_path(log: str) -> Counter[str]:
    """How many requests each path answered with 200, by the system's own log."""
    counted: Counter[str] = Counter()
    for line in log.splitlines(keepends=True):
        # The server's own words about broken requests; a line that is still being written.
        if not line.startswith("{") or not line.endswith("\n"):
            continue
        record = json.loads(line)
        if record.get("status") == 200:
            counted[record["path"]] += 1
    return counted
