"""What ``make run`` prints once it answers."""

from __future__ import annotations

from shared import VERSION
from shared.settings import Settings

# Addresses only this machine reaches; any other opens the dev tokens to the network.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("0.0.0.0", "::")


def banner(host: str, port: int, settings: Settings) -> str:
    """Addresses, how to sign in, and how each provider is served."""
    shown = "127.0.0.1" if host in _EVERYWHERE else host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    lines = [
        "",
        f"CODEEX Router {VERSION}",
        f"  Playground   {url}/",
        f"  Dashboard    {url}/admin",
        f"  API          {url}/v1   (Authorization: Bearer dev-alice; administrator: dev-admin)",
        "  Providers    " + "\n               ".join(_providers(settings)),
    ]
    if host not in _LOOPBACK:
        lines.append(
            f"  Warning      HOST={host} lets other machines in: dev-... tokens need no password"
        )
    return "\n".join([*lines, "  Ctrl-C stops it.", ""])


def _providers(settings: Settings) -> list[str]:
    lines = []
    for provider in settings.providers.values():
        reason = f": {provider.reason}" if provider.state == "disabled" else ""
        lines.append(f"{provider.name:<12} {provider.state}{reason}")
    return lines
