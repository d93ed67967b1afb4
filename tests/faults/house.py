"""The router under test: many instances behind one real HTTP server, or a process of its own."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import uvicorn
from starlette.types import Receive, Scope, Send

from shared.app import SERVICES_KEY, FunctionApp, Services, build_services
from shared.clock import Clock
from shared.edge.identity import Identity
from shared.messages import JsonObject, JsonValue
from shared.model import Category
from shared.settings import load_settings
from tests.faults.client import Address
from tests.faults.scenario import (
    CASTS,
    CONNECT_S,
    FIRST_BYTE_S,
    MINIMUM_S,
    PLAIN_MAX_S,
    STALL_S,
)
from tests.faults.server import FaultServer
from tests.support.simulation import eventually
from tests.support.stores import memory_store

TOKEN = "faults"
_NOT_ASKED = (Category.IMAGE_GEN, Category.VIDEO_GEN, Category.VISION_IN)
_MANY = 1_000_000


def configuration(wire: str) -> JsonObject:
    """The runtime configuration of a case: the chain of that wire, short timeouts, no limits of
    our own (they are not what is tested)."""
    entries: list[JsonValue] = [
        {"model": actor.model, "priority": 100 - 10 * place}
        for place, actor in enumerate(CASTS[wire])
    ]
    limit: JsonObject = {"rpm": _MANY, "rpd": _MANY, "tpm": 100 * _MANY, "tpd": 100 * _MANY}
    return {
        "rules": {
            category.value: {"entries": entries}
            for category in Category
            if category not in _NOT_ASKED
        },
        "limits": {actor.provider: limit for actor in CASTS[wire]},
        "client_limits": {"user_rpm": _MANY, "ip_rpm": _MANY, "ip_signed_in_rpm": _MANY},
        "paid_providers": "all",
        "timeouts": {
            "first_byte": FIRST_BYTE_S,
            "plain_max": PLAIN_MAX_S,
            "stall": STALL_S,
            "connect": CONNECT_S,
            "minimum": MINIMUM_S,
        },
    }


def environment(wire: str, servers: Mapping[str, FaultServer], folder: Path) -> dict[str, str]:
    """The environment of a router whose providers are ``servers``."""
    path = folder / f"{wire}.json"
    if not path.exists():
        path.write_text(json.dumps(configuration(wire)), encoding="utf-8")
    found = {
        "CODEEX_CONFIG": str(path),
        "ENABLE_SAFETY_GUARD": "false",
        "ENABLE_MEMORY_SYSTEM": "false",
        "CODEEX_DATA_DIR": str(folder / "data"),
        "LOG_LEVEL": "ERROR",
    }
    for name, server in servers.items():
        found[f"{name.upper()}_API_KEY"] = f"fault-key-{name}"
        found[f"{name.upper()}_BASE_URL"] = server.url
    return found


class _Door:
    """Takes the one token of these tests."""

    async def authenticate(self, authorization: str | None) -> Identity:
        """The only caller there is."""
        assert authorization == f"Bearer {TOKEN}"
        return Identity("captain")


class House:
    """One uvicorn, as the framework runs it, with an instance of the router for every case.

    An instance has an address of its own below ``/<number>`` and shares nothing with the others
    but the server in front.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._instances: dict[str, Services] = {}
        self._opened = 0
        self._socket = socket.socket()
        self._task: asyncio.Task[None] | None = None
        self._function = FunctionApp("chat")
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._serve,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                ws="none",
            )
        )

    async def __aenter__(self) -> Self:
        self._socket.bind(("127.0.0.1", 0))
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        await eventually(lambda: self._server.started)
        return self

    async def __aexit__(self, *_: object) -> None:
        for services in self._instances.values():
            await services.close()
        self._server.should_exit = True
        assert self._task is not None
        await self._task
        self._socket.close()

    def open(
        self, wire: str, servers: Mapping[str, FaultServer], clock: Clock | None = None
    ) -> Address:
        """A fresh instance; nothing of any other case is known to it."""
        self._opened += 1
        prefix = f"/{self._opened}"
        settings = load_settings(environment(wire, servers, self._folder))
        self._instances[prefix] = build_services(
            settings,
            authenticator=_Door(),
            clock=clock,
            log_stream=io.BytesIO(),
            documents=memory_store(clock),
        )
        return Address(self._socket.getsockname()[1], TOKEN, prefix)

    async def close(self, address: Address) -> None:
        """Close an instance's connections."""
        await self._instances.pop(address.prefix).close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The deployed function's own application, with the instance of the address."""
        prefix, _, path = scope["path"][1:].partition("/")
        inner = {**scope, "path": f"/{path}", SERVICES_KEY: self._instances[f"/{prefix}"]}
        await self._function(inner, receive, send)
