"""Other gateways, measured beside ours where they are installed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import servers

LITELLM_KEY = "sk-benchmark-of-this-machine-only"
System = tuple[str, Callable[[], servers.Server], dict[str, str], str]


def installed(upstream_port: int) -> list[System]:
    """The peers found on PATH, each set up with the benchmark's upstream as its provider."""
    found: list[System] = []
    if shutil.which("litellm"):
        bearer = {"Authorization": f"Bearer {LITELLM_KEY}"}
        found.append(("litellm", lambda: _litellm(upstream_port), bearer, "bench"))
    return found


def _litellm(upstream_port: int) -> servers.Server:
    """The LiteLLM proxy with one model and no database."""
    model = {
        "model_name": "bench",
        "litellm_params": {
            "model": "openai/bench",
            "api_base": f"http://127.0.0.1:{upstream_port}",
            "api_key": "bench",
        },
    }
    config = Path(tempfile.mkdtemp(prefix="codeex-bench-")) / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [model]}))  # JSON is YAML
    port = servers.free_port()
    command = ["litellm", "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    env = {"LITELLM_MASTER_KEY": LITELLM_KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return servers.spawn(command, port, env, 0)
