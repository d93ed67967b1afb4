"""Sign-in without a sign-in service: ``Bearer dev-<uid>``. Exists only here, never deployed.

No environment variable can bring this into a deployed function: nothing in ``shared`` or
``functions`` imports it (contract, Identity).
"""

from __future__ import annotations

import re

from shared.edge.identity import Authenticator, Identity

_DEV_TOKEN = re.compile(r"bearer +dev-([A-Za-z0-9_.@-]{1,128})\s*\Z", re.IGNORECASE)


class DevAuthenticator:
    """Takes dev tokens itself and hands everything else to the real authenticator."""

    __slots__ = ("_real",)

    def __init__(self, real: Authenticator) -> None:
        self._real = real

    async def authenticate(self, authorization: str | None) -> Identity:
        """``dev-admin`` is an administrator, ``dev-<uid>`` the user ``<uid>``.

        Raises what the real authenticator raises for every other token.
        """
        match = _DEV_TOKEN.match(authorization or "")
        if match is None:
            return await self._real.authenticate(authorization)
        uid = match.group(1)
        return Identity(uid, admin=uid == "admin")
