"""``/admin/api/config``: the runtime configuration, its history, and the way back."""

from __future__ import annotations

import msgspec
from starlette.types import Send

from shared.catalog.load import CatalogError, load_catalog
from shared.clock import Clock
from shared.config import RuntimeConfig, SettingsError
from shared.configuration.following import ConfigFollower
from shared.configuration.patching import leaves
from shared.configuration.stored import Beside, Change, ConfigStore, Outcome, Stored
from shared.edge.asgi import HttpRequest, refuse_form_bodies, send_json
from shared.edge.audit import AuditLog, Entry
from shared.edge.call import Call
from shared.edge.json_body import integer_in, load_object, wrong
from shared.edge.query import whole_number
from shared.messages import JsonObject, JsonValue
from shared.model import Category
from shared.storage.writes import Write

DEFAULT_VERSIONS = 50
MAX_VERSIONS = 200
MAX_VERSION = 10**9


class ConfigPages:
    """Shows and changes what ``store`` holds; this instance's ``follower`` hears at once.

    Each change is audited in the commit that makes it: neither is there without the other.
    """

    __slots__ = ("_audit", "_clock", "_follower", "_store")

    def __init__(
        self, store: ConfigStore, follower: ConfigFollower, audit: AuditLog, clock: Clock
    ) -> None:
        self._store = store
        self._follower = follower
        self._audit = audit
        self._clock = clock

    async def show(self, http: HttpRequest, send: Send, call: Call) -> None:
        """The stored version as it is now, and what it makes of the configuration."""
        try:
            stored = await self._store.read()
            body = self._shown(stored, self._store.effective(stored.patch))
        except SettingsError as error:
            # Made for another catalog or environment, or by hand: what is in force goes on.
            body = self._shown(Stored(self._follower.version), self._follower.config)
            body["problems"] = [*error.problems]
        await send_json(send, 200, call.headers(), body)

    async def patch(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Merge the body into what is stored (RFC 7396; ``configuration.patching`` says how)."""
        refuse_form_bodies(http)
        change = load_object(await http.body())
        by = self._audit.pseudonym(call.identity.uid)
        entries: list[Entry] = []
        outcome = await self._store.patch(
            change, by, self._beside(call, "config.patch", list(leaves(change)), entries)
        )
        await self._answer(send, call, outcome, entries)

    async def rollback(self, http: HttpRequest, send: Send, call: Call) -> None:
        """Store again what an earlier version had stored."""
        refuse_form_bodies(http)
        body = load_object(await http.body())
        if "version" not in body:
            wrong("version", "say which version to go back to; 0 takes back all that was stored")
        version = integer_in(body["version"], "version", 0, MAX_VERSION)
        by = self._audit.pseudonym(call.identity.uid)
        entries: list[Entry] = []
        outcome = await self._store.rollback(
            version,
            by,
            self._beside(call, "config.rollback", [f"version {version}"], entries),
        )
        await self._answer(send, call, outcome, entries)

    async def history(self, http: HttpRequest, send: Send, call: Call) -> None:
        """The newest versions: who changed what, and what was stored then."""
        limit = whole_number(http, "limit", DEFAULT_VERSIONS, 1, MAX_VERSIONS)
        data: list[JsonValue] = [_line(change) for change in await self._store.history(limit)]
        await send_json(send, 200, call.headers(), {"object": "list", "data": data})

    def _beside(self, call: Call, action: str, what: list[str], entries: list[Entry]) -> Beside:
        """The audit entry as a write of the commit; the newest attempt's is kept in ``entries``."""

        def writes(version: int) -> list[Write]:
            by = self._audit.pseudonym(call.identity.uid)
            entries[:] = [self._audit.entry(by, action, what, call.request_id, version)]
            return [self._audit.write(entries[0])]

        return writes

    async def _answer(self, send: Send, call: Call, outcome: Outcome, entries: list[Entry]) -> None:
        stored = outcome.stored
        if outcome.made:
            for entry in entries:
                self._audit.tell(entry)
            self._follower.take(stored)
        body = self._shown(stored, self._store.effective(stored.patch))
        await send_json(send, 200, call.headers(), body)

    def _shown(self, stored: Stored, config: RuntimeConfig) -> JsonObject:
        return {
            "version": stored.version,
            "config": config_json(config, self._clock),
            "stored": stored.patch,
        }


def config_json(config: RuntimeConfig, clock: Clock) -> JsonObject:
    """The whole configuration in force, with the defaults: the rule of every category too.

    It may be sent back as a PATCH: null in it is what is not set.
    """
    shown: JsonObject = _sorted(config)
    try:
        rules = load_catalog(clock, config)[1]
    except CatalogError:
        return shown
    shown["rules"] = {
        category.value: msgspec.to_builtins(rules.rule(category)) for category in Category
    }
    return shown


def _sorted(config: RuntimeConfig) -> JsonObject:
    """Sets have no order of their own; names are shown sorted."""
    shown: JsonObject = msgspec.to_builtins(config)
    paid = config.paid_providers
    shown["paid_providers"] = "all" if paid == "all" else [*sorted(paid)]
    models: JsonObject = {}
    for name, override in config.models.items():
        row: JsonObject = msgspec.to_builtins(override)
        if override.capabilities is not None:
            row["capabilities"] = [*sorted(one.value for one in override.capabilities)]
        models[name] = row
    shown["models"] = models
    return shown


def _line(change: Change) -> JsonObject:
    stored = change.stored
    line: JsonObject = {
        "version": stored.version,
        "changed_at": None if stored.changed_at is None else int(stored.changed_at.timestamp()),
        "changed_by": stored.changed_by,
        "patch": change.change,
        "stored": stored.patch,
    }
    if change.rolled_back_to is not None:
        line["rolled_back_to"] = change.rolled_back_to
    return line
