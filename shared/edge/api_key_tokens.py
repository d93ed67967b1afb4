"""``Authorization: Bearer ck_...`` is the key's owner (contract, Identity).

What the store said of a key is good for 60 s here, whatever it was: so a key in use costs a read a
minute, and a revoked one is refused within 60 s on every instance. While the store does not answer,
a key goes on for what is left of its 60 s and no longer; a promise that holds only in good times
would be none.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from shared.accounts.api_keys import ApiKey, KeyStore
from shared.accounts.key_text import MARK, fingerprint, is_key
from shared.accounts.together import Together
from shared.clock import Clock
from shared.edge.identity import Authenticator, Identity, bearer_token, rejected
from shared.errors import StoreUnavailable
from shared.storage.errors import Missing

# Contract, Identity: cached for 60 s.
FRESH_S = 60.0
# Remembered keys, good and bad; about 0.5 KB each.
MAX_REMEMBERED = 10_000
# ``last_used_at`` is exact to this many seconds, so that a busy key costs a write an hour.
NOTE_EVERY_S = 3600.0
# Well-formed keys nobody has, asked of the store in a minute: each costs a read. Those who make
# them up by the thousand get no further ones; keys that are in use here do not notice.
MAX_UNKNOWN_A_MINUTE = 300
MINUTE_S = 60.0


@dataclass(slots=True)
class _Remembered:
    """What the store said: ``key`` None for nobody's. Monotonic seconds from which it is asked
    again, and Unix seconds at which the use was noted last."""

    key: ApiKey | None
    until: float
    noted: float


class ApiKeyAuthenticator:
    """Takes API keys itself and hands everything else to ``others``."""

    __slots__ = ("_clock", "_keys", "_others", "_remembered", "_together", "_unknown")

    def __init__(self, others: Authenticator, keys: KeyStore, clock: Clock) -> None:
        self._others = others
        self._keys = keys
        self._clock = clock
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._together: Together[_Remembered] = Together()
        self._unknown: deque[float] = deque()

    async def authenticate(self, authorization: str | None) -> Identity:
        """The owner of the key, never an administrator.

        Raises ``Unauthenticated`` in the words for every bad token, ``StoreUnavailable`` where a
        key could not be looked up, and what ``others`` raise for what is no API key.
        """
        if authorization is None or MARK not in authorization:
            return await self._others.authenticate(authorization)
        token = bearer_token(authorization)
        if not token.startswith(MARK):
            return await self._others.authenticate(authorization)
        if not is_key(token):
            raise rejected()
        key = await self._look_up(fingerprint(token))
        if key is None or (key.expires_at is not None and key.expires_at <= self._clock.wall()):
            raise rejected()
        return Identity(key.uid, tier=key.tier, by_key=True)

    def forget(self, key: ApiKey) -> None:
        """A key was revoked here: from now on it is asked of the store again."""
        self._remembered.pop(key.path.rpartition("/")[2], None)

    async def _look_up(self, mark: str) -> ApiKey | None:
        found = self._fresh(mark)
        if found is None:
            found = await self._together.ask(mark, lambda: self._ask(mark))
        return found.key

    def _fresh(self, mark: str) -> _Remembered | None:
        found = self._remembered.get(mark)
        if found is None or found.until <= self._clock.monotonic():
            return None
        self._remembered.move_to_end(mark)
        return found

    async def _ask(self, mark: str) -> _Remembered:
        before = self._remembered.get(mark)
        known = before is not None and before.key is not None
        begun = self._clock.monotonic()
        if not known:
            self._refuse_flood(begun)
        key = await self._keys.find(mark)
        if key is None and not known:
            self._unknown.append(begun)
        noted = max(before.noted if before is not None else 0.0, _used(key))
        if key is not None and self._clock.wall() - noted >= NOTE_EVERY_S:
            noted = self._clock.wall()
            key = await self._note(key)
        # Counted from before the store was asked: what it said may be that old.
        said = self._remembered[mark] = _Remembered(key, begun + FRESH_S, noted)
        self._remembered.move_to_end(mark)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return said

    async def _note(self, key: ApiKey) -> ApiKey | None:
        """Write down that it is used; None where it was revoked just now."""
        try:
            await self._keys.used(key)
        except Missing:
            return None
        except StoreUnavailable:  # the use is not worth a request
            return key
        return key

    def _refuse_flood(self, now: float) -> None:
        while self._unknown and self._unknown[0] <= now - MINUTE_S:
            self._unknown.popleft()
        if len(self._unknown) >= MAX_UNKNOWN_A_MINUTE:
            raise StoreUnavailable(
                "too many unknown API keys are being tried here, so this one cannot be looked up "
                "now; try again in a minute",
                retry_after=self._unknown[0] + MINUTE_S - now,
            )


def _used(key: ApiKey | None) -> float:
    return key.last_used_at or 0.0 if key is not None else 0.0
