"""The parts of one instance, made once and handed to every room that needs them.

Nothing else makes clients or knows which part stands behind a port. What only one function needs is
made when that function is asked for (``functions.py``), so a chat instance carries no jobs endpoint
and an admin instance answers no chats.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, field

from shared.accounts.api_keys import KeyStore
from shared.accounts.known_preferences import KnownPreferences
from shared.accounts.preferences import PreferenceStore
from shared.catalog.registry import Catalog
from shared.catalog.rules import RuleBook
from shared.clock import Clock, SystemClock
from shared.composition.functions import make_app
from shared.composition.gates import AccessToken, make_gate
from shared.composition.runtime import Runtime
from shared.composition.safety import safety_of
from shared.composition.shutdown import flush_all
from shared.composition.stores import Stores, open_stores
from shared.composition.upkeep import Upkeep
from shared.configuration.following import ConfigFollower
from shared.configuration.stored import ConfigStore
from shared.edge.api_key_tokens import ApiKeyAuthenticator
from shared.edge.app import EdgeApp
from shared.edge.app_check import AppCheck
from shared.edge.certificate_fetch import certificate_fetch
from shared.edge.certificates import CertificateSource
from shared.edge.firebase_tokens import FirebaseAuthenticator
from shared.edge.gate import Gate
from shared.edge.google_calls import default_token
from shared.edge.identity import Authenticator
from shared.jobs.queue import JobQueue
from shared.jobs.store import JobStore
from shared.limits.clients import ClientLimiter
from shared.limits.ledger import QuotaLedger
from shared.limits.quota_documents import StoredQuotas
from shared.limits.quota_limits import CardLimits
from shared.limits.waiting import WaitingLine
from shared.model import ModelCard
from shared.pipeline.asking import ModelAsker
from shared.pipeline.chat import ChatPipeline
from shared.pipeline.embeddings import EmbeddingPipeline
from shared.pipeline.modes import modes_of
from shared.pipeline.routing_state import LOCAL, LocalModels, RoutingState
from shared.pipeline.statistics import StatisticsFlusher
from shared.providers.http import HttpPool
from shared.providers.registry import ProviderSet, build_providers
from shared.routing.executor import Executor
from shared.routing.health import HealthBook
from shared.routing.router import Router
from shared.settings import Settings
from shared.storage.documents import DocumentStore
from shared.telemetry.counters import Counters
from shared.telemetry.log import JsonLog, LogStream, open_stdout
from shared.telemetry.request_ids import RequestIds

if TYPE_CHECKING:
    from shared.pipeline.safety import Safety

# Bits of the name an instance has among those that share a quota.
INSTANCE_ID_BITS = 64


def _never() -> bool:
    return False


def _unwatched(_task: asyncio.Task[None]) -> None:
    """Nobody waits for it at the end."""


class Services(Struct):
    """The parts of one instance."""

    settings: Settings
    clock: Clock
    rng: random.Random
    log: JsonLog
    pool: HttpPool
    providers: ProviderSet
    stores: Stores
    runtime: Runtime
    health: HealthBook
    counters: Counters
    ledger: QuotaLedger
    line: WaitingLine
    limiter: ClientLimiter
    config_store: ConfigStore
    follower: ConfigFollower
    upkeep: Upkeep
    job_store: JobStore
    jobs: JobQueue
    since: float  # Unix s at which this instance began
    chat: ChatPipeline
    safety: Callable[[], Safety]
    embedder: EmbeddingPipeline
    local_models: LocalModels | None
    api_keys: KeyStore
    preference_store: PreferenceStore
    preferences: KnownPreferences
    authenticator: ApiKeyAuthenticator
    gate: Gate
    request_ids: RequestIds
    # Whether the instance has been told to stop (``shutdown.py``).
    stopping: Callable[[], bool] = _never
    # Takes in work that outlives its request, which the end waits for like for a request.
    watch: Callable[[asyncio.Task[None]], None] = _unwatched
    apps: dict[str, EdgeApp] = field(default_factory=dict)

    @property
    def takes_jobs(self) -> bool:
        """Whether work can be handed in as a job: something has a worker come for it."""
        return self.stores.tasks is not None

    @property
    def salt(self) -> bytes:
        """Makes the pseudonyms of users and addresses this project's own."""
        return (self.settings.project or "").encode()

    @property
    def state(self) -> RoutingState:
        """Catalog and router in force."""
        return self.runtime.state

    def app(self, function: str) -> EdgeApp:
        """The ASGI application of one function. Raises ``NotFound``."""
        found = self.apps.get(function)
        if found is None:
            found = self.apps[function] = make_app(function, self)
        return found

    async def settle(self) -> None:
        """Write what this instance owes the store: uses, leases, figures."""
        await flush_all([self.ledger.flush, self.limiter.flush, self.upkeep.flush])

    async def close(self) -> None:
        """Settle, and let connections go."""
        await self.settle()
        await self.pool.close()
        await self.stores.close()


def build_services(
    settings: Settings,
    *,
    authenticator: Authenticator | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    secret_rng: random.Random | None = None,
    log_stream: LogStream | None = None,
    documents: DocumentStore | None = None,
    on_task: Callable[[], None] | None = None,
    app_check: AppCheck | None = None,
    access_token: AccessToken = default_token,
) -> Services:
    """The parts for these settings; what is given replaces the part that would be made.

    ``secret_rng`` makes API keys and must be fit for secrets (None: ``random.SystemRandom``).
    ``on_task`` is told of every task kept for the local runner. Opens no connection and starts no
    task. Raises ``CatalogError`` where the configuration does not fit the catalog.
    """
    clock = clock or SystemClock()
    rng = rng or random.Random()
    secrets = [provider.api_key for provider in settings.providers.values() if provider.api_key]
    log = JsonLog(log_stream or open_stdout(), clock, settings.log_level, secrets)
    pool = HttpPool()
    providers = build_providers(settings.providers, pool, clock.wall)
    for name, reason in providers.disabled.items():
        log.info("provider disabled", {"provider": name, "reason": reason})
    stores = open_stores(settings, clock, rng, documents=documents, on_task=on_task)
    health = HealthBook(clock, rng)
    documents = stores.documents
    # New with every process: two that shared a name would spend each other's leases.
    instance_id = f"{rng.getrandbits(INSTANCE_ID_BITS):016x}"

    def limits_of(card: ModelCard) -> CardLimits:
        return runtime.limits_of(card)

    ledger = QuotaLedger(StoredQuotas(documents), limits_of, clock, instance_id, rng)

    def make_router(catalog: Catalog, rules: RuleBook, pays: Callable[[str], bool]) -> Router:
        return Router(catalog, rules, health, ledger, providers.enabled, pays, clock)

    runtime = Runtime(settings.config, clock, make_router)
    state = runtime.state
    line = WaitingLine(clock)
    executor = Executor(providers.get, health, ledger, line, clock, rng, runtime.timeouts)
    counters = Counters(clock)
    config_store = ConfigStore(documents, settings.base_config, runtime.problems, clock, rng)
    follower = ConfigFollower(config_store, settings.config, clock, runtime.apply)
    statistics = StatisticsFlusher(counters, documents, clock, instance_id)
    local = providers.get(LOCAL)
    local_models = None
    if local is not None:
        local_models = LocalModels(local, state, lambda: runtime.config.models, clock)
    asker = ModelAsker(state, executor, providers.enabled, runtime.pays, clock, counters)
    fail_open = settings.safety_fail_mode == "open"
    safety = safety_of(asker, clock, lambda: fail_open, ledger.in_pairs)
    job_store = JobStore(documents, stores.blobs, clock, rng)
    preference_store = PreferenceStore(documents)
    preferences = KnownPreferences(preference_store, clock)
    api_keys = KeyStore(documents, clock, secret_rng or random.SystemRandom())
    others = authenticator or firebase_authenticator(settings, pool, clock)
    return Services(
        settings=settings,
        clock=clock,
        rng=rng,
        log=log,
        pool=pool,
        providers=providers,
        stores=stores,
        runtime=runtime,
        health=health,
        counters=counters,
        ledger=ledger,
        line=line,
        limiter=ClientLimiter(documents, clock, rng, runtime.client_limits, log=log),
        config_store=config_store,
        follower=follower,
        upkeep=Upkeep(follower, statistics, ledger, log),
        job_store=job_store,
        jobs=JobQueue(job_store, stores.tasks, clock, line.capacity_returns),
        since=clock.wall(),
        chat=ChatPipeline(
            state,
            executor,
            clock,
            local_models,
            preferences,
            lambda: modes_of(runtime.config),
            safety,
        ),
        safety=safety,
        embedder=EmbeddingPipeline(
            lambda: state.catalog, providers.get, runtime.pays, runtime.timeouts, ledger
        ),
        local_models=local_models,
        api_keys=api_keys,
        preference_store=preference_store,
        preferences=preferences,
        authenticator=ApiKeyAuthenticator(others, api_keys, clock),
        gate=make_gate(
            settings,
            pool,
            documents,
            clock,
            counters,
            log,
            app_check=app_check,
            access_token=access_token,
        ),
        request_ids=RequestIds(rng),
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
