"""The entry of every deployed function: environment, services on first use, the end at SIGTERM."""

from __future__ import annotations

import os

from starlette.types import Receive, Scope, Send

from shared import collector
from shared.catalog.load import CatalogError, load_catalog
from shared.clock import SystemClock
from shared.composition.services import Services, build_services, firebase_authenticator
from shared.composition.shutdown import Shutdown
from shared.config import SettingsError
from shared.settings import load_settings
from shared.telemetry.bridge import bridge_logging

__all__ = ["SERVICES_KEY", "FunctionApp", "Services", "build_services", "firebase_authenticator"]

# Where the local address puts the services of its own making on the ASGI scope. No request can
# set a scope key, so nothing outside the process can swap a part (contract, Identity).
SERVICES_KEY = "codeex.services"


class FunctionApp:
    """The ASGI application of a deployed function.

    Construction reads and checks the environment and the configuration in it, so a wrong one stops
    the process with every problem named; everything else is made on the first request, inside the
    serving process.
    """

    __slots__ = ("_function", "_services", "_settings", "_shutdown")

    def __init__(self, function: str) -> None:
        self._function = function
        try:
            self._settings = load_settings(os.environ)
            # Refuses what names unknown models; the files stay parsed for the first request.
            load_catalog(SystemClock(), self._settings.config)
        except (SettingsError, CatalogError) as error:
            # Cloud Logging makes an entry of each line, so each says the whole.
            lines = [f"{function} cannot start: {problem}" for problem in error.problems]
            raise SystemExit("\n".join(lines)) from None
        self._services: Services | None = None
        self._shutdown: Shutdown | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with the services on the scope, else with this instance's own."""
        services = scope.get(SERVICES_KEY)
        if isinstance(services, Services):
            await services.app(self._function)(scope, receive, send)
            return
        shutdown = self._shutdown
        if self._services is None or shutdown is None:
            shutdown = self._begin()
        task = shutdown.entered()
        try:
            assert self._services is not None
            await self._services.app(self._function)(scope, receive, send)
        finally:
            shutdown.left(task)

    def _begin(self) -> Shutdown:
        """Make this instance's services, in the loop that will serve with them."""
        services = self._services = build_services(self._settings)
        bridge_logging(services.log, self._settings.log_level)
        shutdown = self._shutdown = Shutdown([services.settle])
        services.stopping = shutdown.is_stopping
        services.watch = shutdown.watch
        shutdown.install()
        services.app(self._function)
        collector.settle()
        return shutdown
