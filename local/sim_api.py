"""``/sim`` on the main address: set faults, clear them, see what the providers received.

Exists only under ``make run`` and needs no token (contract, Identity).
"""

from __future__ import annotations

from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from local.sim.faults import FaultError, Faults
from local.sim.journal import Journal
from shared.edge.asgi import Header, HttpRequest, send_json
from shared.edge.errors import error_headers, error_object
from shared.errors import CodeexError, InvalidRequest, MethodNotAllowed, NotFound
from shared.messages import JsonObject

PREFIX = "/sim/"
_MOST_BODY_BYTES = 64 * 1024


class SimApi:
    """The ASGI application behind ``/sim``. Without simulated providers every path is 404."""

    def __init__(self, faults: Faults, journal: Journal, providers: tuple[str, ...]) -> None:
        self._faults = faults
        self._journal = journal
        self._providers = providers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        http = HttpRequest(scope, receive)
        headers: list[Header] = [(b"cache-control", b"no-store")]
        try:
            status, body = await self._answer(http)
        except CodeexError as error:
            status, body = error.status, error_object(error, "sim")
            headers += error_headers(error)
        await send_json(send, status, headers, body)

    async def _answer(self, http: HttpRequest) -> tuple[int, JsonObject]:
        if not self._providers:
            raise NotFound("no provider is simulated here; start with SIMULATE=all to have /sim")
        provider = self._provider(http)
        if http.path == "/sim/faults":
            return await self._on_faults(http, provider)
        if http.path == "/sim/requests":
            if http.method in ("GET", "HEAD"):
                return 200, {"requests": self._journal.listed(provider)}
            if http.method == "DELETE":
                return 200, {"cleared": self._journal.clear()}
            raise MethodNotAllowed(http.method, ("DELETE", "GET"))
        raise NotFound("there are /sim/faults and /sim/requests")

    async def _on_faults(self, http: HttpRequest, provider: str | None) -> tuple[int, JsonObject]:
        if http.method in ("GET", "HEAD"):
            return 200, {"faults": self._faults.listed(), "providers": [*self._providers]}
        if http.method == "DELETE":
            return 200, {"cleared": self._faults.clear(provider)}
        if http.method != "POST":
            raise MethodNotAllowed(http.method, ("DELETE", "GET", "POST"))
        try:
            described = orjson.loads(await http.body(_MOST_BODY_BYTES))
        except orjson.JSONDecodeError:
            raise InvalidRequest("the body is not JSON: send one fault as a JSON object") from None
        try:
            return 201, self._faults.add(described).to_json()
        except FaultError as error:
            raise InvalidRequest(str(error), param=error.param) from None

    def _provider(self, http: HttpRequest) -> str | None:
        given = parse_qs(http.query.decode("latin-1")).get("provider", [])
        if not given:
            return None
        if given[-1] not in self._providers:
            raise InvalidRequest(
                f"provider must be one of {', '.join(self._providers)}", param="provider"
            )
        return given[-1]
