"""Accounts that may no longer sign in: ``CHECK_REVOKED`` (contract, Identity).

An ID token lives for an hour, whatever becomes of its account. With the check on, calls that cost
money or change data look the account up first: a disabled or deleted one is refused, and so is a
token from before the account's sessions were revoked. What was found is good for ``KNOWN_S``, so a
busy user costs one look-up a minute at each instance, and a call in between nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from msgspec import Struct

from shared.clock import Clock
from shared.edge.google_calls import GoogleCalls
from shared.edge.identity import Identity, rejected
from shared.edge.jwt import unix_time
from shared.errors import StoreUnavailable
from shared.messages import JsonObject, JsonValue

# Seconds for which an account is not looked up again: an hour becomes a minute.
KNOWN_S = 60.0
# While Google does not answer, an account that was fine goes on for so long (seconds). Beyond that
# nobody knows, and firebase-admin's verification fails then too.
TRUSTED_S = 300.0
# After a failed look-up an account in that state is not looked up again for so long (seconds).
RETRY_S = 5.0
MAX_KNOWN = 10_000
IDENTITY_TOOLKIT = "https://identitytoolkit.googleapis.com"


class Account(Struct, frozen=True):
    """What Firebase Authentication says of a user. ``valid_since``: Unix seconds; sign-ins from
    before no longer count."""

    disabled: bool
    valid_since: float


Lookup = Callable[[str], Awaitable[Account | None]]
"""``await lookup(uid)``: None where there is no such account. Raises ``StoreUnavailable``."""


class _Known(Struct):
    account: Account | None
    at: float  # when the look-up began, monotonic seconds
    next: float  # when another may begin


class Revocation:
    """Refuses identities whose account no longer is what their token says."""

    __slots__ = ("_clock", "_known", "_lookup", "_running")

    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def check(self, identity: Identity) -> None:
        """Raises ``Unauthenticated`` in the words for every bad token, and ``StoreUnavailable``
        while Google does not say what has become of the account."""
        if identity.auth_time is None and not identity.by_key:
            return  # nothing of Firebase's that could be revoked
        uid = identity.uid
        known = self._known.get(uid)
        if known is None or self._clock.monotonic() >= known.next:
            await self._ask(uid)
            known = self._known[uid]
        account = known.account
        if account is None or account.disabled:
            raise rejected()
        if identity.auth_time is not None and identity.auth_time < account.valid_since:
            raise rejected()

    async def _ask(self, uid: str) -> None:
        """One look-up at a time for an account; it goes on when the caller leaves."""
        running = self._running.get(uid)
        if running is None:
            running = self._running[uid] = asyncio.create_task(self._look_up(uid))
        await asyncio.shield(running)

    async def _look_up(self, uid: str) -> None:
        began = self._clock.monotonic()
        try:
            account = await self._lookup(uid)
        except StoreUnavailable:
            known = self._known.get(uid)
            if known is None or self._clock.monotonic() - known.at >= TRUSTED_S:
                raise
            known.next = self._clock.monotonic() + RETRY_S
        else:
            self._known[uid] = _Known(account, began, began + KNOWN_S)
            self._known.move_to_end(uid)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        finally:
            del self._running[uid]


def account_lookup(calls: GoogleCalls, project: str, emulator: str | None = None) -> Lookup:
    """``Lookup`` by Identity Toolkit's ``accounts:lookup``, for which the functions' account needs
    the role ``roles/firebaseauth.viewer``. ``emulator``: the Auth emulator's host and port."""
    base = IDENTITY_TOOLKIT
    if emulator is not None:
        base = f"http://{emulator}/identitytoolkit.googleapis.com"
    url = f"{base}/v1/projects/{project}/accounts:lookup"

    async def lookup(uid: str) -> Account | None:
        status, answer = await calls.post(url, {"localId": [uid]})
        if status != 200:
            raise calls.failed(url, f"status {status}")
        users = answer.get("users")
        if not isinstance(users, list) or not users or not isinstance(users[0], dict):
            return None
        return _account(users[0])

    return lookup


def _account(user: JsonObject) -> Account:
    return Account(user.get("disabled") is True, _seconds(user.get("validSince")))


def _seconds(value: JsonValue) -> float:
    """Google writes 64-bit numbers as text."""
    if isinstance(value, str) and value.isdecimal():
        return float(value)
    return unix_time(value) or 0.0
