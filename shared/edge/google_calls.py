"""Google's REST interfaces that only the house may call: JSON over the instance's one HTTP session,
signed in as its own service account.

firebase-admin would do the same with blocking calls over an HTTP client of its own; two small
requests do not need it. google-auth finds the credentials, in a thread and on first use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson

from shared.clock import Clock
from shared.errors import ProviderFailure, StoreUnavailable
from shared.messages import JsonObject
from shared.providers.base import Timeouts
from shared.providers.http import HttpPool, endpoint

# Google answers these in some 50 ms; who waits for one waits this long at most (seconds).
CALL_TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 256 * 1024
# Access tokens last an hour; a new one is fetched so long before the end (seconds).
RENEW_BEFORE_S = 300.0
RETRY_AFTER_S = 2.0
APP_CHECK = "https://firebaseappcheck.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

Bearer = Callable[[], Awaitable[str]]
"""``await bearer()`` gives an access token; raises ``StoreUnavailable``."""

_log = logging.getLogger("codeex.identity")


class OwnAccount:
    """The access token of the account this instance runs as. ``fetch`` gets a new one and the Unix
    second at which it ends; it blocks, so it runs in a thread, one at a time."""

    __slots__ = ("_clock", "_ends", "_fetch", "_running", "_token")

    def __init__(self, clock: Clock, fetch: Callable[[], tuple[str, float]]) -> None:
        self._clock = clock
        self._fetch = fetch
        self._token = ""
        self._ends = 0.0
        self._running: asyncio.Task[None] | None = None

    async def bearer(self) -> str:
        """A token that is good for some minutes at least. Raises ``StoreUnavailable``."""
        if self._clock.wall() >= self._ends - RENEW_BEFORE_S:
            if self._running is None:
                self._running = asyncio.create_task(self._renew())
            await asyncio.shield(self._running)
        return self._token

    async def _renew(self) -> None:
        try:
            self._token, self._ends = await asyncio.to_thread(self._fetch)
        finally:
            self._running = None


def default_token() -> tuple[str, float]:
    """A token of the environment's own credentials. Blocks. Raises ``StoreUnavailable``."""
    from datetime import UTC

    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
        credentials.refresh(Request())  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        _log.error("no credentials for Google's interfaces: %s", type(error).__name__)
        raise StoreUnavailable(
            "this account cannot be checked right now: try again in a few seconds",
            retry_after=RETRY_AFTER_S,
        ) from None
    token, expiry = credentials.token, credentials.expiry
    ends = expiry.replace(tzinfo=UTC).timestamp() if expiry is not None else 0.0
    return str(token), ends


async def emulator_owner() -> str:
    """What Firebase's emulators take for an owner's token."""
    return "owner"


class GoogleCalls:
    """POSTs of JSON. ``bearer`` signs them in."""

    __slots__ = ("_bearer", "_limits", "_pool")

    def __init__(self, pool: HttpPool, bearer: Bearer) -> None:
        self._pool = pool
        self._bearer = bearer
        self._limits = Timeouts(CALL_TIMEOUT_S, CALL_TIMEOUT_S, CALL_TIMEOUT_S)

    async def post(self, url: str, body: JsonObject) -> tuple[int, JsonObject]:
        """Status and answer. Raises ``StoreUnavailable`` without an answer, and for a 5xx, a 401
        or a 429, whose reasons are the operator's to read in the log."""
        headers = {"Authorization": f"Bearer {await self._bearer()}"}
        target = endpoint("Google", "POST", url, "", headers)
        try:
            answer = await self._pool.fetch(
                target, orjson.dumps(body), self._limits, MAX_ANSWER_BYTES
            )
        except ProviderFailure as failure:
            raise self.failed(url, failure.message) from None
        if answer.status >= 500 or answer.status in (401, 429):
            raise self.failed(url, f"status {answer.status}")
        try:
            loaded = orjson.loads(answer.body)
        except ValueError:
            raise self.failed(url, "no JSON") from None
        return answer.status, loaded if isinstance(loaded, dict) else {}

    @staticmethod
    def failed(url: str, reason: str) -> StoreUnavailable:
        """The error for a question that got no answer; the log has the reason."""
        _log.warning("%s could not be asked: %s", url.split("/", 3)[2], reason)
        return StoreUnavailable(
            "this account or app cannot be checked right now: try again in a few seconds",
            retry_after=RETRY_AFTER_S,
        )


def app_check_consumer(
    calls: GoogleCalls, project: str, base: str = APP_CHECK
) -> Callable[[str], Awaitable[bool]]:
    """``Consume`` by ``verifyAppCheckToken``, for which the functions' account needs the role
    ``roles/firebaseappcheck.tokenVerifier``."""
    url = f"{base}/v1beta/projects/{project}:verifyAppCheckToken"

    async def consume(token: str) -> bool:
        status, answer = await calls.post(url, {"appCheckToken": token})
        if status != 200:
            # 403: not valid after all (or the role is missing), 400: a provider without replays.
            _log.warning("App Check would not use a token up: status %s", status)
            return False
        return answer.get("alreadyConsumed") is not True

    return consume
