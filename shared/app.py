"""The composition root: builds the house once per instance and hands every room its parts.

Nothing else makes clients, reads the environment or knows which part stands behind a port.
"""

from __future__ import annotations

import gc
import os
import random
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from shared.catalog.load import CatalogError, load_catalog, provider_terms
from shared.catalog.registry import Catalog
from shared.clock import Clock, SystemClock
from shared.config import SettingsError
from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.certificate_fetch import certificate_fetch
from shared.edge.certificates import CertificateSource
from shared.edge.chat import ChatEndpoint
from shared.edge.cors import CorsPolicy, hosting_origins
from shared.edge.embeddings import EmbeddingsEndpoint
from shared.edge.firebase_tokens import FirebaseAuthenticator
from shared.edge.identity import Authenticator
from shared.edge.models import ModelsEndpoint
from shared.edge.records import Recorder
from shared.errors import NotFound
from shared.limits.effective import EffectiveLimits
from shared.limits.utilization import UsageMeter
from shared.pipeline.chat import ChatPipeline
from shared.pipeline.embeddings import EmbeddingPipeline
from shared.pipeline.routing_state import LOCAL, LocalModels, RoutingState
from shared.providers.http import HttpPool
from shared.providers.registry import ProviderSet, build_providers
from shared.routing.executor import Executor
from shared.routing.health import HealthBook
from shared.routing.router import Router
from shared.settings import Settings, load_settings
from shared.telemetry.bridge import bridge_logging
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog, LogStream, open_stdout
from shared.telemetry.request_ids import RequestIds

# Where the local address puts the services of its own making on the ASGI scope. No request can
# set a scope key, so nothing outside the process can swap a part (contract, Identity).
SERVICES_KEY = "codeex.services"


@dataclass(slots=True)
class Services:
    """The parts of one instance."""

    settings: Settings
    clock: Clock
    pool: HttpPool
    providers: ProviderSet
    state: RoutingState
    health: HealthBook
    counters: Counters
    log: JsonLog
    chat: ChatPipeline
    embedder: EmbeddingPipeline
    local_models: LocalModels | None
    apps: dict[str, EdgeApp]

    def app(self, function: str) -> EdgeApp:
        """The ASGI application of one function."""
        found = self.apps.get(function)
        if found is None:
            raise NotFound(f"there is no function {function}")
        return found

    async def close(self) -> None:
        """Close the connections to the providers."""
        await self.pool.close()


def build_services(
    settings: Settings,
    *,
    authenticator: Authenticator | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    log_stream: LogStream | None = None,
) -> Services:
    """The parts for these settings; what is given replaces the part that would be made.

    Opens no connection and starts no task. Raises ``CatalogError`` where the configuration does
    not fit the catalog.
    """
    clock = clock or SystemClock()
    rng = rng or random.Random()
    config = settings.config
    secrets = [provider.api_key for provider in settings.providers.values() if provider.api_key]
    log = JsonLog(log_stream or open_stdout(), clock, settings.log_level, secrets)
    pool = HttpPool()
    providers = build_providers(settings.providers, pool, clock.wall)
    for name, reason in providers.disabled.items():
        log.info("provider disabled", {"provider": name, "reason": reason})
    catalog, rules = load_catalog(clock, config)
    health = HealthBook(clock, rng)
    ceilings = {name: terms.ceiling for name, terms in provider_terms().items()}
    limits = EffectiveLimits(config.limits, ceilings)
    usage = UsageMeter(clock, limits.of_model, limits.of_provider)

    def make_router(current: Catalog) -> Router:
        return Router(current, rules, health, usage, providers.enabled, config.pays, clock)

    state = RoutingState(catalog, make_router(catalog), make_router)
    executor = Executor(providers.get, health, usage, clock, rng, lambda: config.timeouts)
    local = providers.get(LOCAL)
    local_models = None if local is None else LocalModels(local, state, config, clock)
    counters = Counters(clock)
    recorder = Recorder("chat", log, counters, clock, (settings.project or "").encode())
    pipeline = ChatPipeline(state, executor, clock, local_models)
    embedder = EmbeddingPipeline(
        lambda: state.catalog, providers.get, config.pays, lambda: config.timeouts
    )
    chat = ChatEndpoint(pipeline, clock, recorder.record)
    models = ModelsEndpoint(lambda: state.catalog, health, providers.enabled, local_models)
    embeddings = EmbeddingsEndpoint(embedder, clock)
    parts = EdgeParts(
        function="chat",
        routes=_chat_routes(chat, models, embeddings),
        authenticator=authenticator or firebase_authenticator(settings, pool, clock),
        clock=clock,
        new_request_id=RequestIds(rng).accept,
        record=recorder.record,
        record_crash=recorder.crash,
        cors=CorsPolicy(settings.allowed_origins or hosting_origins(settings.project)),
    )
    apps = {"chat": EdgeApp(parts)}
    return Services(
        settings=settings,
        clock=clock,
        pool=pool,
        providers=providers,
        state=state,
        health=health,
        counters=counters,
        log=log,
        chat=pipeline,
        embedder=embedder,
        local_models=local_models,
        apps=apps,
    )


def firebase_authenticator(settings: Settings, pool: HttpPool, clock: Clock) -> Authenticator:
    """Verifies Firebase ID tokens; the Auth emulator's unsigned ones only outside the cloud."""
    return FirebaseAuthenticator(
        settings.project,
        CertificateSource(certificate_fetch(pool), clock),
        clock,
        emulator=settings.auth_emulator is not None and not settings.on_cloud_run,
        allow_anonymous=settings.allow_anonymous,
    )


def _chat_routes(
    chat: ChatEndpoint, models: ModelsEndpoint, embeddings: EmbeddingsEndpoint
) -> Routes:
    return Routes(
        exact={
            "/v1/chat/completions": {"POST": chat.completions},
            "/v1/route": {"POST": chat.route},
            "/v1/embeddings": {"POST": embeddings.create},
            "/v1/models": {"GET": models.listing},
        },
        below={"/v1/models/": {"GET": models.one}},
    )


def _settle_garbage_collector() -> None:
    """What has been made by now stays: leave it out of every later collection, and collect less
    often. A request leaves a few hundred short-lived objects and hardly a cycle; with Python's
    default the collector took 9 % of a request's CPU (perf, bench.chat), with this under 1 %."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class FunctionApp:
    """The ASGI application of a deployed function.

    Construction reads and checks the environment and the configuration in it, so a wrong one stops
    the process with every problem named; everything else is made on the first request, inside the
    serving process.
    """

    __slots__ = ("_function", "_services", "_settings")

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with the services on the scope, else with this instance's own."""
        services = scope.get(SERVICES_KEY)
        if not isinstance(services, Services):
            services = self._services
            if services is None:
                services = self._services = build_services(self._settings)
                bridge_logging(services.log, self._settings.log_level)
                _settle_garbage_collector()
        await services.app(self._function)(scope, receive, send)
