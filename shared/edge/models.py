"""``GET /v1/models`` and ``GET /v1/models/{id}``: the catalog in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote

from starlette.types import Send

from shared.catalog.registry import Catalog
from shared.edge.asgi import HttpRequest, send_json
from shared.edge.call import Call
from shared.errors import ModelNotFound
from shared.messages import JsonObject
from shared.model import ModelCard
from shared.pipeline.routing_state import LocalModels
from shared.routing.health import HealthBook


class ModelsEndpoint:
    """Lists models with lifecycle and health. ``served`` says whether a provider has started;
    ``local`` finds those of the user's own server, None where there is none."""

    __slots__ = ("_catalog", "_health", "_local", "_served")

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        health: HealthBook,
        served: Callable[[str], bool],
        local: LocalModels | None = None,
    ) -> None:
        self._catalog = catalog
        self._health = health
        self._served = served
        self._local = local

    async def listing(self, _http: HttpRequest, send: Send, call: Call) -> None:
        """Every model of the catalog, the dead ones too (R11.9)."""
        if self._local is not None:
            await self._local.ensure("")
        catalog = self._catalog()
        data = [self._model(catalog, card) for card in catalog.all()]
        await send_json(send, 200, call.headers(), {"object": "list", "data": [*data]})

    async def one(self, http: HttpRequest, send: Send, call: Call) -> None:
        """One model by catalog id or by a provider's own id (best first)."""
        name = unquote(http.path.removeprefix("/v1/models/"))
        if self._local is not None:
            await self._local.ensure(name)
        catalog = self._catalog()
        found = catalog.find(name)
        if not found:
            raise ModelNotFound(
                f"no model {name[:100]!r} in the catalog; GET /v1/models lists them", param="model"
            )
        await send_json(send, 200, call.headers(), self._model(catalog, found[0]))

    def _model(self, catalog: Catalog, card: ModelCard) -> JsonObject:
        life = catalog.describe(card)
        limits = card.limits
        return {
            "id": card.id,
            "object": "model",
            "created": _created(card),
            "owned_by": card.provider,
            "codeex": {
                "name": card.name,
                "provider": card.provider,
                "provider_model_id": card.provider_model_id,
                "capabilities": [one.value for one in sorted(card.capabilities)],
                "features": [one.value for one in sorted(card.features)],
                "reasoning_efforts": list(card.reasoning_efforts),
                "context_window": card.context_window,
                "max_output_tokens": card.max_output_tokens,
                "status": life.status.value,
                "shutdown_date": card.shutdown_date,
                "days_left": life.days_left,
                "replacement": life.replacement,
                "served_by": life.served_by,
                "warning": life.warning,
                "health": self._health.health(card).value,
                "free_tier": card.free_tier,
                "limits": {
                    "rpm": limits.rpm,
                    "rpd": limits.rpd,
                    "tpm": limits.tpm,
                    "tpd": limits.tpd,
                },
                "enabled": self._served(card.provider) and catalog.enabled(card),
            },
        }


def _created(card: ModelCard) -> int:
    """Unix seconds of the release day; 0 where it is not known."""
    if card.released is None:
        return 0
    return int(datetime.fromisoformat(card.released).replace(tzinfo=UTC).timestamp())
