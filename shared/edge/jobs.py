"""``/v1/jobs``: a user's own durable work, listed, looked at and cancelled."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import Send

from shared.edge.asgi import HttpRequest, send_json
from shared.edge.call import Call
from shared.edge.query import last_value, whole_number
from shared.jobs.queue import JobQueue, not_found
from shared.messages import JsonObject

ROOT = "/v1/jobs/"
# OpenAI's lists: 20 where nothing is said, 100 at most.
DEFAULT_LIMIT, MAX_LIMIT = 20, 100
_CANCEL = "/cancel"


class JobsEndpoint:
    """Another user's job is not there (404)."""

    __slots__ = ("_queue",)

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def listing(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``GET /v1/jobs``: newest first, ``limit`` of them, ``after`` the last one of a page."""
        limit = whole_number(http, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        after = last_value(http, "after")
        page = await self._queue.list(call.identity.uid, limit, after)
        body: JsonObject = {
            "object": "list",
            "data": [*page.jobs],
            "first_id": page.jobs[0]["id"] if page.jobs else None,
            "last_id": page.jobs[-1]["id"] if page.jobs else None,
            "has_more": page.more,
        }
        await send_json(send, 200, call.headers(), body)

    async def one(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``GET /v1/jobs/{id}``."""
        job = await self._queue.get(call.identity.uid, _identifier(http.path))
        await send_json(send, 200, call.headers(), await self._queue.shown(job))

    async def cancel(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``POST /v1/jobs/{id}/cancel``. Raises ``Conflict`` where the job has ended before."""
        job = await self._queue.cancel(
            call.identity.uid, _identifier(http.path.removesuffix(_CANCEL))
        )
        await send_json(send, 200, call.headers(), await self._queue.shown(job))


def _identifier(path: str) -> str:
    identifier = unquote(path.removeprefix(ROOT))
    if not identifier.isascii() or not identifier.isprintable() or "/" in identifier:
        raise not_found()
    return identifier
