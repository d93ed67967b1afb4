"""The private functions: tickets from Cloud Tasks, the sweep from Cloud Scheduler.

IAM lets in nobody but their service accounts and takes the signature off the token on the way, so
what is checked here is the e-mail in it and nothing more (contract, Identity).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable

import orjson
from starlette.types import Send

from shared.edge.asgi import HttpRequest, send_body, send_json
from shared.edge.call import Call
from shared.edge.identity import Identity, bearer_token
from shared.edge.json_body import load_object, one_of, string, wrong
from shared.errors import Forbidden, StoreUnavailable
from shared.jobs.job import BULK, INTERACTIVE
from shared.jobs.sweep import Sweep
from shared.jobs.worker import JobWorker

SERVICE = "service"
# A ticket whose job could not be given a new one comes back after so long.
AGAIN_S = 5.0
_QUEUES = (INTERACTIVE, BULK)
_RECORD = re.compile(r"users/[^/]{1,1500}/idempotency/[0-9a-f]{64}")


class ServiceAccountAuthenticator:
    """Lets in the holder of one e-mail address; None: everybody (outside the cloud)."""

    __slots__ = ("_expected",)

    def __init__(self, expected_email: str | None) -> None:
        self._expected = expected_email

    async def authenticate(self, authorization: str | None) -> Identity:
        """Raises ``Unauthenticated`` without a token and ``Forbidden`` for another's."""
        if self._expected is None:
            return Identity(SERVICE)
        if _email(bearer_token(authorization)) != self._expected:
            raise Forbidden("this function is called by its service account alone")
        return Identity(SERVICE)


def _email(token: str) -> str | None:
    """The e-mail a JWT's payload claims; None where there is none to be read."""
    parts = token.split(".")
    if len(parts) < 2:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        return None
    email = claims.get("email") if isinstance(claims, dict) else None
    return email if isinstance(email, str) else None


class TicketEndpoint:
    """``POST /tasks/run``: one ticket, one job."""

    __slots__ = ("_worker",)

    def __init__(self, worker: JobWorker) -> None:
        self._worker = worker

    async def run(self, http: HttpRequest, send: Send, call: Call) -> None:
        """204 when the ticket is used up. Raises ``StoreUnavailable`` when it has to come again;
        Cloud Tasks then sends it after the queue's backoff."""
        asked = load_object(await http.body())
        queue = one_of(asked.get("queue", INTERACTIVE), "queue", _QUEUES)
        if not await self._worker.run_ticket(queue):
            raise StoreUnavailable("this ticket has to come again", retry_after=AGAIN_S)
        call.status = 204
        await send_body(send, 204, call.headers(), b"")


class FinishEndpoint:
    """``POST /tasks/idempotency``: a chat whose client has left, under an Idempotency-Key."""

    __slots__ = ("_finish",)

    def __init__(self, finish: Callable[[str], Awaitable[bool]]) -> None:
        self._finish = finish

    async def run(self, http: HttpRequest, send: Send, call: Call) -> None:
        """204 when nothing is left to do, else as ``TicketEndpoint``."""
        record = string(load_object(await http.body()).get("record"), "record")
        if not _RECORD.fullmatch(record):
            wrong("record", "must be the path of a record")
        if not await self._finish(record):
            raise StoreUnavailable("this request is still being answered", retry_after=AGAIN_S)
        call.status = 204
        await send_body(send, 204, call.headers(), b"")


class SweepEndpoint:
    """``POST /cron/health``: what has to be looked after from time to time."""

    __slots__ = ("_sweep",)

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep

    async def run(self, _http: HttpRequest, send: Send, call: Call) -> None:
        """200 with what was found."""
        report = await self._sweep.run()
        body = {
            "overdue": report.overdue,
            "abandoned": report.abandoned,
            "failed": report.failed,
            "tickets": report.tickets,
        }
        await send_json(send, 200, call.headers(), {"object": "sweep", **body})
