"""What a signed-in caller has to pass before a handler: App Check, the state of the account.

Each rule is there only where the environment asks for it. None makes a network call for a call of
somebody it has just judged.
"""

from __future__ import annotations

from shared.edge.app_check_rule import AppCheckRule
from shared.edge.asgi import HttpRequest
from shared.edge.identity import Identity
from shared.edge.revocation import Revocation

# Everything else costs money or changes data (RFC 9110, 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD"})


class Gate:
    """The rules, in the order in which they are cheap and say least to a stranger."""

    __slots__ = ("_app_check", "_revocation")

    def __init__(
        self, app_check: AppCheckRule | None = None, revocation: Revocation | None = None
    ) -> None:
        self._app_check = app_check
        self._revocation = revocation

    async def enter(self, http: HttpRequest, identity: Identity) -> None:
        """Let the call pass.

        Raises ``Unauthenticated`` for a missing App Check token and a revoked account, and
        ``StoreUnavailable`` where Google would have to say which, and does not.
        """
        if self._app_check is not None:
            await self._app_check.check(http, identity)
        if self._revocation is not None and http.method not in SAFE_METHODS:
            await self._revocation.check(identity)
