"""Which paths each function answers, and with what (contract, One address).

A function's application is made when it is first asked for, so an instance of one carries nothing
of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.edge.app import EdgeApp, EdgeParts, Routes
from shared.edge.chat import ChatEndpoint
from shared.edge.cors import CorsPolicy, hosting_origins
from shared.edge.embeddings import EmbeddingsEndpoint
from shared.edge.models import ModelsEndpoint
from shared.edge.records import Recorder
from shared.errors import NotFound

if TYPE_CHECKING:
    from shared.composition.services import Services


def make_app(function: str, services: Services) -> EdgeApp:
    """The application of one function. Raises ``NotFound`` for a name that is none."""
    make = _APPS.get(function)
    if make is None:
        raise NotFound(f"there is no function {function}")
    return make(services)


def _chat(services: Services) -> EdgeApp:
    recorder = _recorder("chat", services)
    chat = ChatEndpoint(services.chat, services.clock, recorder.record)
    models = ModelsEndpoint(
        lambda: services.state.catalog,
        services.health,
        services.providers.enabled,
        services.local_models,
    )
    embeddings = EmbeddingsEndpoint(services.embedder, services.clock)
    routes = Routes(
        exact={
            "/v1/chat/completions": {"POST": chat.completions},
            "/v1/route": {"POST": chat.route},
            "/v1/embeddings": {"POST": embeddings.create},
            "/v1/models": {"GET": models.listing},
        },
        below={"/v1/models/": {"GET": models.one}},
    )
    return _public("chat", services, routes, recorder)


def _recorder(function: str, services: Services) -> Recorder:
    salt = (services.settings.project or "").encode()
    return Recorder(function, services.log, services.counters, services.clock, salt)


def _public(function: str, services: Services, routes: Routes, recorder: Recorder) -> EdgeApp:
    """A function that users call."""
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
        )
    )


_APPS: dict[str, Callable[[Services], EdgeApp]] = {"chat": _chat}
