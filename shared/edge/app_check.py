"""Firebase App Check tokens: that a call comes from one of the project's own apps (R18.12).

Checked as Google says for backends of one's own (App Check, "Verify tokens from a custom backend"):
RS256 by a key of the published set, issuer, audience, times. A token that passed is remembered
under its SHA-256 until it expires, so an app's next call costs a hash and a look-up. Only where a
token has to be used up (a captcha block is cleared) is Google asked, which remembers that it was.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from msgspec import Struct

from shared.clock import Clock
from shared.edge.certificates import CertificateSource
from shared.edge.jwt import (
    CLOCK_SKEW_S,
    MAX_TOKEN_CHARS,
    Remembered,
    parse,
    signature_fault,
    unix_time,
)
from shared.errors import Unauthenticated
from shared.messages import JsonObject

HEADER = b"x-firebase-appcheck"
ISSUER = "https://firebaseappcheck.googleapis.com/"
MAX_APP_ID_CHARS = 256
# One wording for a missing token and for every kind of bad one, as with ID tokens. 401 is what
# callable functions answer (firebase-functions, "Enable App Check enforcement").
REFUSED = (
    "calls are taken from this project's own apps only: send a valid App Check token in the header "
    "X-Firebase-AppCheck (docs/identity.md); servers use an API key instead"
)

Consume = Callable[[str], Awaitable[bool]]
"""``await consume(token)`` uses a valid token up: True at its first use, False ever after. Raises
``StoreUnavailable`` where nobody could say."""


class Attested(Struct, frozen=True):
    """What a valid token says. ``issued`` is in Unix seconds."""

    app_id: str
    issued: float


class AppCheck:
    """Verifies App Check tokens of one Firebase project (its id); None: every token is refused, and
    the operator's log says what to set."""

    __slots__ = (
        "_audience",
        "_clock",
        "_consume",
        "_keys",
        "_log",
        "_remembered",
        "_said_what_to_set",
    )

    def __init__(
        self, project: str | None, keys: CertificateSource, clock: Clock, consume: Consume
    ) -> None:
        self._audience = None if project is None else f"projects/{project}"
        self._said_what_to_set = False
        self._keys = keys
        self._clock = clock
        self._consume = consume
        self._remembered: Remembered[Attested] = Remembered()
        self._log = logging.getLogger("codeex.identity")

    async def verify(self, token: str | None) -> Attested:
        """What the token says.

        Raises ``Unauthenticated`` for a missing or bad one, and ``StoreUnavailable`` while Google's
        keys cannot be had.
        """
        if self._audience is None:
            self._say_what_to_set()
            self._refuse("no project is set")
        if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            self._refuse("missing or not a token")
        raw = token.encode("ascii")
        key = self._remembered.key(raw)
        known = self._remembered.get(key, self._clock.wall())
        if known is not None:
            return known
        attested, expires = await self._verify(raw)
        self._remembered.put(key, attested, expires)
        return attested

    async def use_up(self, token: str) -> bool:
        """Whether this is the first use of a token that ``verify`` took; a call to Google.

        Raises ``StoreUnavailable`` where Google could not be asked.
        """
        return await self._consume(token)

    async def _verify(self, token: bytes) -> tuple[Attested, float]:
        """What it says, and the Unix time from which it is no longer good."""
        try:
            jwt = parse(token)
        except ValueError:
            self._refuse("not a token")
        fault = await signature_fault(jwt, self._keys)
        if fault is not None:
            self._refuse(fault)
        return self._read(jwt.claims)

    def _read(self, claims: JsonObject) -> tuple[Attested, float]:
        audience = claims.get("aud")
        if not isinstance(audience, list) or self._audience not in audience:
            self._refuse("another project's audience")
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not issuer.startswith(ISSUER):
            self._refuse("another issuer")
        # The audience names the project by id and by number, the issuer by number alone.
        number = issuer.removeprefix(ISSUER)
        if not number.isdecimal() or f"projects/{number}" not in audience:
            self._refuse("another project's issuer")
        app_id = claims.get("sub")
        if not isinstance(app_id, str) or not 0 < len(app_id) <= MAX_APP_ID_CHARS:
            self._refuse("no app")
        now = self._clock.wall()
        issued, expires = unix_time(claims.get("iat")), unix_time(claims.get("exp"))
        if issued is None or issued > now + CLOCK_SKEW_S:
            self._refuse("iat missing or in the future")
        if expires is None or now >= expires + CLOCK_SKEW_S:
            self._refuse("expired")
        return Attested(app_id, issued), expires + CLOCK_SKEW_S

    def _say_what_to_set(self) -> None:
        if not self._said_what_to_set:
            self._said_what_to_set = True
            self._log.error(
                "every App Check token is refused: no Firebase project is known; set "
                "GOOGLE_CLOUD_PROJECT to the project's id"
            )

    def _refuse(self, reason: str) -> NoReturn:
        """The reason is for the operator's log alone."""
        self._log.debug("App Check token refused: %s", reason)
        raise Unauthenticated(REFUSED)
