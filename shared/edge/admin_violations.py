"""``/admin/api/violations``: what was refused for whose safety (R2.9)."""

from __future__ import annotations

from starlette.types import Send

from shared.edge.asgi import HttpRequest, send_json
from shared.edge.audit import AuditLog
from shared.edge.call import Call
from shared.edge.query import last_value, whole_number
from shared.errors import InvalidRequest
from shared.messages import JsonObject
from shared.safety.verdict import Stage
from shared.safety.violations import CATEGORIES, ViolationStore, Wanted

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
STAGES = tuple(stage.value for stage in Stage)
# Firebase's own are 28 characters, custom ones up to 128.
MAX_UID = 128


class ViolationPages:
    """Shows the records. Who looks one user up is written into the audit (R18.10)."""

    __slots__ = ("_audit", "_store")

    def __init__(self, store: ViolationStore, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit

    async def listing(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``GET``: newest first, by ``category``, ``stage`` and ``uid``; ``limit`` of them behind
        ``cursor``."""
        limit = whole_number(http, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        wanted = Wanted(
            _choice(http, "category", CATEGORIES), _choice(http, "stage", STAGES), _uid(http)
        )
        cursor = last_value(http, "cursor") or None
        page = await self._store.newest(wanted, limit, cursor)
        if wanted.uid:
            await self._tell(wanted.uid, call)
        body: JsonObject = {
            "object": "list",
            "data": [violation.to_json() for violation in page.found],
            "next": page.after,
        }
        await send_json(send, 200, call.headers(), body)

    async def _tell(self, uid: str, call: Call) -> None:
        audit = self._audit
        seen = [f"users/{audit.pseudonym(uid)}/violations"]
        me = audit.pseudonym(call.identity.uid)
        await audit.keep(audit.entry(me, "violations.read", seen, call.request_id))


def _choice(http: HttpRequest, name: str, choices: tuple[str, ...]) -> str:
    """The parameter, or "" where it is not given."""
    value = last_value(http, name) or ""
    if value and value not in choices:
        raise InvalidRequest(f"{name}: must be one of {', '.join(choices)}", param=name)
    return value


def _uid(http: HttpRequest) -> str:
    value = last_value(http, "uid") or ""
    if len(value) > MAX_UID or not value.isprintable():
        raise InvalidRequest(
            f"uid: must be a user's id of at most {MAX_UID} characters", param="uid"
        )
    return value
