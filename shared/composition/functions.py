"""Which paths each function answers, and with what (contract, One address).

A function's application is made when it is first asked for, so an instance of one carries nothing
of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.composition.idempotency import idempotency_of
from shared.edge.api_keys import KeysEndpoint
from shared.edge.app import EdgeApp, EdgeParts, Handler, Routes
from shared.edge.callable import ADMIN, CHAT, JOBS, callable_dialect, with_callable
from shared.edge.callable import PATH as CALLABLE_PATH
from shared.edge.chat import CHAT_KIND, ChatEndpoint
from shared.edge.cors import CorsPolicy, hosting_origins
from shared.edge.embeddings import EmbeddingsEndpoint
from shared.edge.models import ModelsEndpoint
from shared.edge.preferences import PreferencesEndpoint
from shared.edge.records import Recorder
from shared.errors import NotFound
from shared.jobs.queue import JobQueue
from shared.messages import JsonObject
from shared.model import Lifecycle

if TYPE_CHECKING:
    from starlette.types import Send

    from shared.composition.services import Services
    from shared.edge.asgi import HttpRequest
    from shared.edge.call import Call


def make_app(function: str, services: Services) -> EdgeApp:
    """The application of one function. Raises ``NotFound`` for a name that is none."""
    make = _APPS.get(function)
    if make is None:
        raise NotFound(f"there is no function {function}")
    return make(services)


def _chat(services: Services) -> EdgeApp:
    recorder = _recorder("chat", services)
    jobs = services.jobs if services.takes_jobs else None
    chat = ChatEndpoint(services.chat, services.clock, recorder.record, jobs)
    models = ModelsEndpoint(
        lambda: services.state.catalog,
        services.health,
        services.providers.enabled,
        services.local_models,
    )
    embeddings = EmbeddingsEndpoint(services.embedder, services.clock)
    preferences = PreferencesEndpoint(services.preference_store, services.preferences)
    keys = KeysEndpoint(services.api_keys, services.authenticator)
    routes = Routes(
        exact={
            "/v1/chat/completions": {"POST": chat.completions},
            "/v1/route": {"POST": chat.route},
            "/v1/embeddings": {"POST": embeddings.create},
            "/v1/moderations": {"POST": _moderations(services)},
            "/v1/models": {"GET": models.listing},
            "/v1/me/preferences": {
                "GET": preferences.show,
                "PUT": preferences.replace,
                "PATCH": preferences.patch,
            },
            "/v1/me/keys": {"GET": keys.listing, "POST": keys.create},
        },
        patterns={
            "/v1/models/{id}": {"GET": models.one},
            "/v1/me/keys/{id}": {"DELETE": keys.revoke},
        },
        counted=frozenset(
            ("POST", path) for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/moderations")
        ),
    )
    finished_by_workers = frozenset({CHAT.path, CALLABLE_PATH})
    return _public(
        "chat", services, with_callable(routes, CHAT), recorder, resumable=finished_by_workers
    )


def _moderations(services: Services) -> Handler:
    """The handler; its rooms are made when the first request comes."""
    made: list[Handler] = []

    async def create(http: HttpRequest, send: Send, call: Call) -> None:
        if not made:
            from shared.edge.moderations import ModerationsEndpoint

            def enabled() -> bool:
                return services.runtime.config.flags.ENABLE_SAFETY_GUARD

            guard = services.safety().admission.guard
            made.append(ModerationsEndpoint(guard, enabled, services.clock).create)
        await made[0](http, send, call)

    return create


def _admin(services: Services) -> EdgeApp:
    from shared.edge.admin import AdminEndpoint, AdminParts
    from shared.edge.audit import AuditLog
    from shared.pipeline.statistics_reading import StatisticsReader
    from shared.safety.violations import ViolationStore

    documents, clock = services.stores.documents, services.clock

    async def quotas() -> list[JsonObject]:
        catalog, served = services.state.catalog, services.providers.enabled
        living = [card for card in catalog.all() if catalog.status(card) is not Lifecycle.DEAD]
        # Deployed, this function holds no key (Terraform, access.tf) and cannot tell who is served.
        everybody = services.settings.on_cloud_run
        return await services.ledger.snapshot(
            card for card in living if everybody or served(card.provider)
        )

    endpoint = AdminEndpoint(
        AdminParts(
            config_store=services.config_store,
            follower=services.follower,
            documents=documents,
            audit=AuditLog(documents, services.log, clock, services.rng, services.salt),
            violations=ViolationStore(documents, clock, services.log),
            statistics=StatisticsReader(documents, clock),
            counters=services.counters,
            quotas=quotas,
            jobs=services.job_store.overview,
            health=services.health.snapshot,
            clock=clock,
            since=services.since,
        )
    )
    routes = with_callable(endpoint.routes(), ADMIN)
    return _public("admin", services, routes, _recorder("admin", services))


def _jobs(services: Services) -> EdgeApp:
    from shared.edge.jobs import JobsEndpoint

    jobs = JobsEndpoint(_queue(services))
    routes = Routes(
        exact={"/v1/jobs": {"GET": jobs.listing}},
        patterns={
            "/v1/jobs/{id}/cancel": {"POST": jobs.cancel},
            "/v1/jobs/{id}": {"GET": jobs.one},
        },
    )
    return _public("jobs", services, with_callable(routes, JOBS), _recorder("jobs", services))


def _worker(services: Services) -> EdgeApp:
    from shared.edge.chat_job import ChatJobHandler
    from shared.edge.worker import FinishEndpoint, TicketEndpoint
    from shared.jobs.worker import JobWorker

    recorder = _recorder("worker", services)
    handlers = {
        CHAT_KIND: ChatJobHandler(
            services.chat, services.clock, recorder.record, services.gate.failed
        )
    }
    tickets = TicketEndpoint(JobWorker(_queue(services), handlers, services.clock))
    finish = FinishEndpoint(lambda record: services.app("chat").finish(record))
    routes = Routes(
        exact={
            "/tasks/run": {"POST": tickets.run},
            "/tasks/idempotency": {"POST": finish.run},
        },
        patterns={},
    )
    return _private("worker", services, routes, recorder)


def _health_cron(services: Services) -> EdgeApp:
    from shared.edge.worker import SweepEndpoint
    from shared.jobs.sweep import Sweep

    sweep = SweepEndpoint(Sweep(_queue(services), services.clock))
    routes = Routes(exact={"/cron/health": {"POST": sweep.run}}, patterns={})
    return _private("health-cron", services, routes, _recorder("health-cron", services))


def _queue(services: Services) -> JobQueue:
    if not services.takes_jobs:
        services.log.error(
            "nothing has a worker come for jobs: set TASKS_QUEUE, TASKS_LOCATION, WORKER_URL, "
            "TASKS_SERVICE_ACCOUNT and GOOGLE_CLOUD_PROJECT"
        )
    return services.jobs


def _recorder(function: str, services: Services) -> Recorder:
    return Recorder(function, services.log, services.counters, services.clock, services.salt)


def _public(
    function: str,
    services: Services,
    routes: Routes,
    recorder: Recorder,
    *,
    resumable: frozenset[str] = frozenset(),
) -> EdgeApp:
    """A function that users call. ``resumable``: where requests can be finished by a worker."""
    settings = services.settings
    return EdgeApp(
        EdgeParts(
            function=function,
            routes=routes,
            authenticator=services.authenticator,
            clock=services.clock,
            new_request_id=services.request_ids.accept,
            record=recorder.record,
            record_crash=recorder.crash,
            cors=CorsPolicy(settings.allowed_origins or hosting_origins(settings.project)),
            limiter=services.limiter,
            trusted_proxy_hops=settings.trusted_proxy_hops,
            address_salt=services.salt,
            before=services.upkeep.before,
            gate=services.gate,
            after=services.upkeep.after,
            stopping=services.stopping,
            dialects={CALLABLE_PATH: callable_dialect},
            idempotency=idempotency_of(services, resumable),
        )
    )


def _private(function: str, services: Services, routes: Routes, recorder: Recorder) -> EdgeApp:
    """A function that only the platform calls, as its service account."""
    from shared.edge.worker import ServiceAccountAuthenticator

    return EdgeApp(
        EdgeParts(
            function=function,
            routes=routes,
            authenticator=ServiceAccountAuthenticator(services.settings.tasks_service_account),
            clock=services.clock,
            new_request_id=services.request_ids.accept,
            record=recorder.record,
            record_crash=recorder.crash,
            cors=CorsPolicy(()),
            before=services.upkeep.before,
            after=services.upkeep.after,
            stopping=services.stopping,
        )
    )


_APPS: dict[str, Callable[[Services], EdgeApp]] = {
    "chat": _chat,
    "jobs": _jobs,
    "admin": _admin,
    "worker": _worker,
    "health-cron": _health_cron,
}
