"""One address for everything: functions by the hosting table, ``/sim``, ``/blobs``, pages.

Each function is its own ASGI app of functions-framework, made from its own ``main.py``, exactly as
it is deployed; the address only hands it the services of this process on the scope.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from functions_framework.aio import create_asgi_app
from starlette.types import ASGIApp, Receive, Scope, Send

from local.hosting import Hosting, HostingError
from local.private_functions import PREFIX as PRIVATE_PREFIX
from local.private_functions import PRIVATE, PrivateFunctions
from local.sim_api import PREFIX as SIM_PREFIX
from local.static_pages import StaticPages
from shared.app import SERVICES_KEY, Services
from shared.storage.blobs_links import PATH as BLOBS_PREFIX

# /{project}/{region}/{function}/..., as connectFunctionsEmulator asks for it.
_EMULATOR = re.compile(r"/[a-z0-9-]{1,64}/[a-z]+-[a-z]+\d+/([a-z0-9_-]+)(/.*)?", re.DOTALL)
_CALLABLE = "/callable/"


def load_functions(hosting: Hosting, root: Path) -> dict[str, ASGIApp]:
    """Every function of the table by name, and the private ones. Raises ``HostingError`` for one
    without a folder."""
    apps: dict[str, ASGIApp] = {}
    for name in (*hosting.functions, *PRIVATE):
        target = name.replace("-", "_")
        source = root / "functions" / target / "main.py"
        if not source.is_file():
            raise HostingError(f"firebase.json names the function {name}, {source} is missing")
        # functions-framework has no types.
        apps[name] = create_asgi_app(target, str(source), "http")  # type: ignore[no-untyped-call]
    return apps


class Gateway:
    """The ASGI application of the local address."""

    def __init__(
        self,
        hosting: Hosting,
        functions: Mapping[str, ASGIApp],
        services: Services,
        sim: ASGIApp,
        pages: StaticPages,
        blobs: ASGIApp,
        secret: str,
    ) -> None:
        self._hosting = hosting
        self._functions = functions
        self._services = services
        self._sim = sim
        self._pages = pages
        self._blobs = blobs
        self._private = PrivateFunctions(
            {name: functions[name] for name in PRIVATE if name in functions}, secret
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path == "/sim" or path.startswith(SIM_PREFIX):
            await self._sim(scope, receive, send)
            return
        if path.startswith(BLOBS_PREFIX):
            await self._blobs(scope, receive, send)
            return
        if path.startswith(PRIVATE_PREFIX) and self._private.has(path):
            if self._private.allows(scope):
                await self._private({**scope, SERVICES_KEY: self._services}, receive, send)
            else:
                await self._pages.serve(scope, send)
            return
        function = self._hosting.function_for(path)
        if function is None:
            function, path = self._addressed(path)
        if function is None:
            await self._pages.serve(scope, send)
            return
        passed = {**scope, "path": path, SERVICES_KEY: self._services}
        if path != scope["path"]:
            passed["raw_path"] = path.encode("utf-8", "surrogateescape")
        await self._functions[function](passed, receive, send)

    def _addressed(self, path: str) -> tuple[str | None, str]:
        """A function addressed by its own name, and the path it sees."""
        if path.startswith(_CALLABLE):
            name, _, rest = path[len(_CALLABLE) :].partition("/")
            return (name, f"/{rest}") if self._public(name) else (None, path)
        match = _EMULATOR.fullmatch(path)
        if match is not None and self._public(match.group(1)):
            return match.group(1), match.group(2) or "/"
        return None, path

    def _public(self, name: str) -> bool:
        return name in self._functions and name not in PRIVATE
