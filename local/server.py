"""Starts everything in one process and one event loop, and stops it on the first Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import uvicorn
import uvloop

from local.banner import banner
from local.blob_links import BlobLinks
from local.dev_identity import DevAuthenticator
from local.gateway import Gateway, load_functions
from local.hosting import HostingError, read_hosting
from local.pages_build import PagesBuild
from local.private_functions import Platform
from local.sim.server import Simulator
from local.sim_api import SimApi
from local.startup import StartError, StartOptions, with_simulator
from local.static_pages import StaticPages
from shared.app import build_services, firebase_authenticator
from shared.catalog.load import CatalogError, load_catalog
from shared.clock import SystemClock
from shared.providers.http import HttpPool
from shared.storage.blobs_folder import FolderBlobs
from shared.storage.documents import DocumentStore

# Seconds that answers under way get after Ctrl-C; then they are cut.
_GRACE_S = 1
_BACKLOG = 2_048
# Longer than the idle time of the usual HTTP clients, so that they never write into a closing
# connection.
_KEEP_ALIVE_S = 75
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``StartError`` saying why there is none."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise StartError([f"HOST: {host!r} is no address of this machine"]) from None
    opened = socket.socket(family, kind, proto)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise StartError([_bind_problem(host, port, error)]) from None
    return opened


def _bind_problem(host: str, port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"PORT: {port} needs rights this user does not have; take one above 1023"
    if error.errno in (98, 48):  # EADDRINUSE on Linux, on macOS
        return (
            f"Port {port} on {host} is in use. Stop what listens there, or choose another: "
            f"PORT={port + 1 if port < 65535 else 8080} make run"
        )
    return f"Cannot listen on {host} port {port}: {error.strerror}"


class LocalServer(uvicorn.Server):
    """uvicorn without its own signal handling; tells when it answers."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: ``_stop_on_signals`` has them."""
        yield

    def stop(self) -> None:
        """End; a second call ends without grace."""
        if self.should_exit:
            self.force_exit = True
        # What is cut off now is meant to be: no stack traces for it.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True


def run(options: StartOptions, root: Path, say: Callable[[str], None]) -> None:
    """Serve until a signal. Raises ``StartError`` where it cannot start."""
    listening = listen(options.host, options.port)
    with contextlib.closing(listening), asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(_serve(options, root, listening, say))


async def _serve(
    options: StartOptions, root: Path, listening: socket.socket, say: Callable[[str], None]
) -> None:
    clock, rng = SystemClock(), random.Random()
    try:
        hosting = read_hosting(root)
        catalog, _ = load_catalog(clock, options.settings.config)
        functions = load_functions(hosting, root)
    except (HostingError, CatalogError) as error:
        raise StartError(str(error).splitlines()) from None
    async with contextlib.AsyncExitStack() as stack:
        typical = options.latency == "typical"
        sim = Simulator(options.simulated, catalog, clock, rng, typical_latency=typical)
        stack.push_async_callback(sim.stop)
        settings = with_simulator(options.settings, await sim.start(), sim.key)
        certificates = HttpPool()
        stack.push_async_callback(certificates.close)
        real = firebase_authenticator(settings, certificates, clock)
        services = build_services(
            settings,
            authenticator=DevAuthenticator(real),
            clock=clock,
            on_task=lambda: platform.wake(),
        )
        stack.push_async_callback(services.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        secret = secrets.token_urlsafe(32)
        # A store of its own over the same database: what the platform reads is nobody's bill.
        tickets = DocumentStore(services.stores.documents.backend, clock=clock, rng=rng)
        here = _own_address(listening)
        platform = Platform(tickets, session, here, secret, clock, rng)
        stack.push_async_callback(platform.stop)
        build = PagesBuild(root, os.environ, say)
        stack.callback(build.stop)
        pages = StaticPages(hosting, lambda: build.state)
        sim_api = SimApi(sim.faults, sim.journal, sim.providers)
        blobs = BlobLinks(FolderBlobs(Path(settings.data_dir or root / ".data")))
        gateway = Gateway(hosting, functions, services, sim_api, pages, blobs, secret)

        def started() -> None:
            platform.start()
            say(banner(options.host, listening.getsockname()[1], settings))
            build.start()

        config = uvicorn.Config(
            gateway,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the edge reads X-Forwarded-For by its own rule
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = LocalServer(config, started)
        with _stop_on_signals(server):
            await server.serve(sockets=[listening])


def _own_address(listening: socket.socket) -> str:
    """How this process reaches itself."""
    host, port = listening.getsockname()[:2]
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{loopback}]:{port}" if ":" in loopback else f"http://{loopback}:{port}"


@contextlib.contextmanager
def _stop_on_signals(server: LocalServer) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    # Under nohup a hang-up is ignored, and stays so.
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    handled = [n for n in _STOP_SIGNALS if not (nohup and n is signal.SIGHUP)]
    for number in handled:
        loop.add_signal_handler(number, server.stop)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
