"""The chat function as it is composed, without a server, keys or providers."""

from __future__ import annotations

import io
import random

from local.dev_identity import DevAuthenticator
from shared.app import build_services
from shared.edge.app import EdgeApp
from shared.edge.identity import Identity
from shared.settings import load_settings
from tests.support.open_limits import opened
from tests.support.stores import memory_store
from tests.support.virtual_time import ManualClock

SIGNED_IN = {"authorization": "Bearer dev-alice"}


class _NoRealTokens:
    async def authenticate(self, authorization: str | None) -> Identity:
        raise AssertionError("only dev tokens are sent here")


def chat_function(function: str = "chat") -> EdgeApp:
    """A function's application; its log goes nowhere. Takes dev tokens, and /health none."""
    clock = ManualClock()
    services = build_services(
        opened(load_settings({"ENABLE_SAFETY_GUARD": "false"})),
        authenticator=DevAuthenticator(_NoRealTokens()),
        clock=clock,
        documents=memory_store(clock),
        rng=random.Random(1),
        log_stream=io.BytesIO(),
    )
    return services.app(function)
