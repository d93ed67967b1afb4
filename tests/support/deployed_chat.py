"""The chat function as it is deployed, with keys of the test's own in the place of Google's.

``functions-framework --source tests/support/deployed_chat.py --target chat``. What Google would
answer is in the folder TEST_KEYS: ``certificates.json`` for ID tokens, ``jwks.json`` for App Check.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.app import SERVICES_KEY, FunctionApp, Services, build_services
from shared.clock import SystemClock
from shared.edge.app_check import AppCheck
from shared.edge.app_check_keys import read_jwks
from shared.edge.certificates import CertificateSource
from shared.edge.firebase_tokens import FirebaseAuthenticator
from shared.settings import load_settings


class _Answer:
    """An injected fetch that reads a file."""

    def __init__(self, name: str) -> None:
        self._path = Path(os.environ["TEST_KEYS"]) / name

    async def __call__(self, url: str) -> tuple[bytes, float]:
        return self._path.read_bytes(), 3600.0


async def _first_use(token: str) -> bool:
    return True


def _services() -> Services:
    settings, clock = load_settings(os.environ), SystemClock()
    apps = CertificateSource(_Answer("jwks.json"), clock, read=read_jwks)
    return build_services(
        settings,
        clock=clock,
        authenticator=FirebaseAuthenticator(
            settings.project,
            CertificateSource(_Answer("certificates.json"), clock),
            clock,
            emulator=settings.auth_emulator is not None,
            allow_anonymous=settings.allow_anonymous,
        ),
        app_check=AppCheck(settings.project, apps, clock, _first_use),
    )


class _Deployed:
    def __init__(self) -> None:
        self._function = FunctionApp("chat")
        self._services: Services | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._services is None:
            self._services = _services()
        scope[SERVICES_KEY] = self._services
        await self._function(scope, receive, send)


application = _Deployed()


@functions_framework.aio.http
async def chat(_request: Request) -> Response:
    """Hand the request on."""
    return cast(Response, application)
