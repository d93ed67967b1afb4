"""firestore.rules on the emulator, asked by the Firebase SDK in every role (tests/rules)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).resolve().parent.parent / "rules"


@pytest.mark.needs_node_rules
@pytest.mark.needs_firestore
@pytest.mark.parametrize("suite", sorted(path.name for path in RULES.glob("*.test.mjs")))
def test_rules(firestore_emulator: str, suite: str) -> None:
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "--test", suite],
        cwd=RULES,
        env={**os.environ, "FIRESTORE_EMULATOR_HOST": firestore_emulator},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    failed = [line for line in done.stdout.splitlines() if "not ok" in line or "error:" in line]
    assert done.returncode == 0, "\n".join(failed[:40]) + done.stderr[-2000:]
