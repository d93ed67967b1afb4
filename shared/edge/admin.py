"""``/admin/api/...``: what administrators see and change (contract, One address).

Every path is for callers with the claim ``admin: true`` (an API key never has it), else 403.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct
from starlette.types import Send

from shared.clock import Clock
from shared.configuration.following import ConfigFollower
from shared.configuration.stored import ConfigStore
from shared.edge.admin_config import ConfigPages
from shared.edge.admin_violations import ViolationPages
from shared.edge.app import Handler, Routes
from shared.edge.asgi import HttpRequest, send_json
from shared.edge.audit import AuditLog
from shared.edge.call import Call
from shared.edge.query import whole_number
from shared.errors import Forbidden
from shared.messages import JsonObject, JsonValue
from shared.pipeline.statistics_reading import MAX_HOURS, StatisticsReader, peaks
from shared.safety.violations import ViolationStore
from shared.storage.documents import DocumentStore
from shared.telemetry.counters import Counters

DEFAULT_HOURS = 24
DEFAULT_ENTRIES = 50
MAX_ENTRIES = 200


class AdminParts(Struct, frozen=True):
    """What the admin API shows and changes.

    ``quotas``: a row for each provider and model with a limit. ``jobs``: the whole answer, waiting
    and running jobs of all users without their texts. ``health``: a row for each model and
    provider. ``since``: Unix seconds since when ``documents`` counts its operations.
    """

    config_store: ConfigStore
    follower: ConfigFollower
    documents: DocumentStore
    audit: AuditLog
    violations: ViolationStore
    statistics: StatisticsReader
    counters: Counters
    quotas: Callable[[], Awaitable[list[JsonObject]]]
    jobs: Callable[[], Awaitable[JsonObject]]
    health: Callable[[], list[JsonObject]]
    clock: Clock
    since: float


class AdminEndpoint:
    """The handlers, and the table of their paths."""

    __slots__ = ("_config", "_parts", "_violations")

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self._config = ConfigPages(parts.config_store, parts.follower, parts.audit, parts.clock)
        self._violations = ViolationPages(parts.violations, parts.audit)

    def routes(self) -> Routes:
        """Every path of the admin API."""
        config = self._config
        table: dict[str, dict[str, Handler]] = {
            "config": {"GET": config.show, "PATCH": config.patch},
            "config/history": {"GET": config.history},
            "config/rollback": {"POST": config.rollback},
            "quotas": {"GET": self.quotas},
            "jobs": {"GET": self.jobs},
            "health": {"GET": self.health},
            "stats": {"GET": self.stats},
            "store-operations": {"GET": self.store_operations},
            "audit": {"GET": self.audit},
            "violations": {"GET": self._violations.listing},
        }
        exact = {
            f"/admin/api/{name}": {method: _closed(handler) for method, handler in methods.items()}
            for name, methods in table.items()
        }
        return Routes(exact=exact, patterns={})

    async def quotas(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Limits, use and held leases per provider and model."""
        await _rows(send, call, await self._parts.quotas())

    async def jobs(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Waiting and running jobs."""
        await send_json(send, 200, call.headers(), await self._parts.jobs())

    async def health(self, http: HttpRequest, send: Send, call: Call) -> None:
        """What this instance knows of each model and provider."""
        await _rows(send, call, self._parts.health())

    async def stats(self, http: HttpRequest, send: Send, call: Call) -> None:
        """The deployment hour by hour, its peaks, and this instance since it began (R17)."""
        hours = whole_number(http, "hours", DEFAULT_HOURS, 1, MAX_HOURS)
        found = await self._parts.statistics.read_hours(hours)
        data: list[JsonValue] = [
            {"hour": hour, **tallies.to_json()} for hour, tallies in found.items()
        ]
        body: JsonObject = {
            "object": "list",
            "data": data,
            "peaks": peaks(found),
            "now": self._parts.counters.snapshot(),
        }
        await send_json(send, 200, call.headers(), body)

    async def store_operations(self, http: HttpRequest, send: Send, call: Call) -> None:
        """What this instance has read, written and deleted since it began (contract)."""
        operations = self._parts.documents.operations
        total = operations.total()
        body: JsonObject = {
            "data": operations.to_json(),
            "total": {"reads": total.reads, "writes": total.writes, "deletes": total.deletes},
            "since": int(self._parts.since),
        }
        await send_json(send, 200, call.headers(), body)

    async def audit(self, http: HttpRequest, send: Send, call: Call) -> None:
        """The newest entries."""
        limit = whole_number(http, "limit", DEFAULT_ENTRIES, 1, MAX_ENTRIES)
        entries = await self._parts.audit.newest(limit)
        await _rows(send, call, [entry.to_json() for entry in entries])


def _closed(handler: Handler) -> Handler:
    """The handler, for administrators only."""

    async def guarded(http: HttpRequest, send: Send, call: Call) -> None:
        if not call.identity.admin:
            raise Forbidden(
                "this is for administrators: sign in with an account that has the custom claim "
                "admin (docs/deploy.md says how to give it)"
            )
        await handler(http, send, call)

    return guarded


async def _rows(send: Send, call: Call, rows: list[JsonObject]) -> None:
    body: JsonObject = {"object": "list", "data": [*rows]}
    await send_json(send, 200, call.headers(), body)
