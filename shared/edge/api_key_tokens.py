"""``Authorization: Bearer ck_...`` is the key's owner (contract, Identity).

What is remembered of a key is trusted for 60 s: then the store is asked which keys were revoked
lately, once for all keys together, and each key by itself every ten minutes. So a revoked key is
refused within 60 s on every instance, and a thousand keys in use cost little more than one. While
the store does not answer, a key goes on for what is left of its 60 s and no longer; a promise that
holds only in good times would be none.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from msgspec import Struct

from shared.accounts.api_keys import ApiKey, KeyStore
from shared.accounts.key_text import MARK, fingerprint, is_key
from shared.accounts.together import Together
from shared.clock import Clock
from shared.edge.identity import Authenticator, Identity, bearer_token, rejected
from shared.errors import StoreUnavailable
from shared.storage.errors import PreconditionFailed

# Contract, Identity: cached for 60 s.
TRUSTED_S = 60.0
# A key is read again after so long, whatever was said of revoked ones.
KNOWN_S = 600.0
# Clocks of instances may differ by this much (s).
SKEW_S = 300.0
# Remembered keys, good and bad; about 0.5 KB each.
MAX_REMEMBERED = 10_000
# ``last_used_at`` is exact to this many seconds, so that a busy key costs a write an hour.
NOTE_EVERY_S = 3600.0
# Well-formed keys nobody has, asked of the store in a minute: each costs a read. Those who make
# them up by the thousand get no further ones; keys that are in use here do not notice.
MAX_UNKNOWN_A_MINUTE = 300
MINUTE_S = 60.0
_EVERYTHING = "revoked"


class _Remembered(Struct):
    """What the store said: ``key`` None for nobody's. ``asked``: the monotonic second at which it
    was asked; ``noted``: the Unix second at which the use was noted last."""

    key: ApiKey | None
    asked: float
    noted: float


class ApiKeyAuthenticator:
    """Takes API keys itself and hands everything else to ``others``."""

    __slots__ = (
        "_clock",
        "_keys",
        "_others",
        "_remembered",
        "_revoked_asked",
        "_syncing",
        "_syncs",
        "_together",
        "_unknown",
    )

    def __init__(self, others: Authenticator, keys: KeyStore, clock: Clock) -> None:
        self._others = others
        self._keys = keys
        self._clock = clock
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._together: Together[_Remembered] = Together()
        self._syncing: Together[None] = Together()
        # The monotonic second at which it was asked which keys were revoked.
        self._revoked_asked = float("-inf")
        self._syncs = 0
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
        found = self._known(mark)
        if found is not None and not self._trusted(found):
            await self._syncing.ask(_EVERYTHING, self._drop_revoked)
            found = self._known(mark)
            if found is not None and not self._trusted(found):
                found = None
        if found is None:
            found = await self._together.ask(mark, lambda: self._ask(mark))
        return found.key

    def _known(self, mark: str) -> _Remembered | None:
        """What is remembered and need not be read again: a good key for ten minutes, one that
        nobody has for one."""
        found = self._remembered.get(mark)
        good_for = KNOWN_S if found is not None and found.key is not None else TRUSTED_S
        if found is None or found.asked + good_for <= self._clock.monotonic():
            return None
        self._remembered.move_to_end(mark)
        return found

    def _trusted(self, found: _Remembered) -> bool:
        return max(found.asked, self._revoked_asked) + TRUSTED_S > self._clock.monotonic()

    async def _drop_revoked(self) -> None:
        """Forget what was revoked elsewhere."""
        begun = self._clock.monotonic()
        revoked = await self._keys.revoked(KNOWN_S + SKEW_S)
        if revoked is None:  # too many to tell: each key is asked for by itself
            self._remembered.clear()
        else:
            for mark in revoked:
                self._remembered.pop(mark, None)
        self._revoked_asked = begun
        self._syncs += 1

    async def _ask(self, mark: str) -> _Remembered:
        before = self._remembered.get(mark)
        if before is None or before.key is None:
            self._refuse_flood(self._clock.monotonic())
        key, asked = await self._find(mark)
        if key is None and (before is None or before.key is None):
            self._unknown.append(asked)
        noted = max(before.noted if before is not None else 0.0, _used(key))
        said = self._remembered[mark] = _Remembered(key, asked, noted)
        self._remembered.move_to_end(mark)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        if key is not None and self._clock.wall() - noted >= NOTE_EVERY_S:
            said.noted = self._clock.wall()
            said.key = await self._note(mark, key)
        return said

    async def _find(self, mark: str) -> tuple[ApiKey | None, float]:
        """The key, and the monotonic second up to which that is so. Who asked meanwhile what was
        revoked could not drop a key that is not remembered yet, so it is asked for once more."""
        while True:
            syncs, begun = self._syncs, self._clock.monotonic()
            key = await self._keys.find(mark)
            if syncs == self._syncs:
                return key, begun

    async def _note(self, mark: str, key: ApiKey) -> ApiKey | None:
        """Write down that it is used; the key, None where it was revoked just now."""
        try:
            await self._keys.used(key)
        except PreconditionFailed:  # revoked, or noted by another instance
            return await self._keys.find(mark)
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
