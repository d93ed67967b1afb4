"""The admin function as it is deployed: without any provider's key."""

from __future__ import annotations

import random

from shared.app import build_services
from shared.clock import SystemClock
from shared.edge.identity import Identity
from shared.settings import load_settings
from tests.support.asgi_client import call
from tests.support.edge_driver import Lines
from tests.support.stores import memory_store

# Terraform gives the keys to chat and worker alone.
KEYLESS = {"GOOGLE_CLOUD_PROJECT": "demo-admin", "K_SERVICE": "admin"}


class Boss:
    """Everybody is an administrator."""

    async def authenticate(self, authorization: str | None) -> Identity:
        """Whatever the token."""
        return Identity(authorization or "boss", admin=True)


async def test_limits_of_every_provider_are_shown_by_an_instance_without_keys() -> None:
    services = build_services(
        load_settings(KEYLESS),
        authenticator=Boss(),
        clock=SystemClock(),
        rng=random.Random(1),
        log_stream=Lines(),
        documents=memory_store(),
    )
    try:
        answer = await call(services.app("admin"), "/admin/api/quotas")
    finally:
        await services.close()
    assert answer.status == 200, answer.text
    for provider in ("groq", "cerebras", "google"):
        assert f'"{provider}"' in answer.text
