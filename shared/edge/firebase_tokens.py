"""Firebase ID tokens: signature, times, audience and issuer (contract, Identity; R18).

A token that passed is remembered under its SHA-256 until it expires, so a signed-in user's next
request costs a hash and a look-up. The token itself is kept nowhere and written nowhere.
"""

from __future__ import annotations

import logging
from typing import NoReturn

from shared.clock import Clock
from shared.edge.certificates import CertificateSource
from shared.edge.identity import Identity, bearer_token, rejected
from shared.edge.jwt import (
    CLOCK_SKEW_S,
    MAX_REMEMBERED,
    MAX_TOKEN_CHARS,
    Jwt,
    Remembered,
    parse,
    signature_fault,
    unix_time,
)
from shared.errors import Forbidden
from shared.messages import JsonObject

__all__ = ["MAX_REMEMBERED", "FirebaseAuthenticator"]

ISSUER = "https://securetoken.google.com/"
# https://firebase.google.com/docs/auth/admin/verify-id-tokens: sub is the uid, 1-128 characters.
MAX_UID_CHARS = 128
MAX_TIER_CHARS = 64


class FirebaseAuthenticator:
    """Verifies ID tokens of one Firebase project.

    ``project`` is the audience; None: every signed token is refused, and the operator's log says
    what to set. ``emulator``: unsigned tokens of the Auth emulator are taken too, with the same
    checks of their claims; settings never allow that on a deployed function.
    ``allow_anonymous`` False: anonymous accounts are refused with 403.
    """

    def __init__(
        self,
        project: str | None,
        certificates: CertificateSource,
        clock: Clock,
        *,
        emulator: bool,
        allow_anonymous: bool,
    ) -> None:
        self._project = project
        self._certificates = certificates
        self._clock = clock
        self._emulator = emulator
        self._allow_anonymous = allow_anonymous
        self._remembered: Remembered[Identity] = Remembered()
        self._log = logging.getLogger("codeex.identity")
        self._said_what_to_set = False

    async def authenticate(self, authorization: str | None) -> Identity:
        """The identity behind ``Authorization: Bearer <ID token>``.

        Raises ``Unauthenticated`` (one wording for a missing token, one for every kind of bad
        one), ``Forbidden`` for an anonymous account that is not admitted, and
        ``StoreUnavailable`` while Google's certificates cannot be had.
        """
        token = bearer_token(authorization)
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            self._refuse("not a token")
        raw = token.encode("ascii")
        key = self._remembered.key(raw)
        known = self._remembered.get(key, self._clock.wall())
        if known is not None:
            return known
        identity, expires = await self._verify(raw)
        self._remembered.put(key, identity, expires)
        return identity

    def remembered(self) -> list[Identity]:
        """Whose tokens are remembered, least recently used first."""
        return self._remembered.values()

    async def _verify(self, token: bytes) -> tuple[Identity, float]:
        """The identity and the Unix time from which the token is no longer good."""
        try:
            jwt = parse(token)
        except ValueError:
            self._refuse("not a token")
        if self._emulator and jwt.header.get("alg") == "none":
            if jwt.signature:
                self._refuse("unsigned token with a signature")
        else:
            await self._check_signature(jwt)
        claims = jwt.claims
        expires = self._check_claims(claims)
        identity = _identity(claims)
        if identity.anonymous and not self._allow_anonymous:
            raise Forbidden(
                "anonymous accounts are not admitted here: sign in with an account, for example "
                "by e-mail or Google"
            )
        return identity, expires

    async def _check_signature(self, jwt: Jwt) -> None:
        """RS256 by a key of Google's."""
        if self._project is None:
            if not self._said_what_to_set:
                self._said_what_to_set = True
                self._log.error(
                    "every ID token is refused: no Firebase project is known; set "
                    "GOOGLE_CLOUD_PROJECT to the project's id"
                )
            self._refuse("no project is set")
        fault = await signature_fault(jwt, self._certificates)
        if fault is not None:
            self._refuse(fault)

    def _check_claims(self, claims: JsonObject) -> float:
        """Audience, issuer, subject and times; gives the Unix time at which the token ends."""
        audience = claims.get("aud")
        if not isinstance(audience, str) or not audience:
            self._refuse("no audience")
        # Without a project only the emulator gets this far: its tokens must agree with themselves.
        if self._project is not None and audience != self._project:
            self._refuse("another project's audience")
        if claims.get("iss") != ISSUER + audience:
            self._refuse("another issuer")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_UID_CHARS:
            self._refuse("no subject")
        now = self._clock.wall()
        for name in ("iat", "auth_time"):
            since = unix_time(claims.get(name))
            if since is None or since > now + CLOCK_SKEW_S:
                self._refuse(f"{name} missing or in the future")
        expires = unix_time(claims.get("exp"))
        if expires is None or now >= expires + CLOCK_SKEW_S:
            self._refuse("expired")
        return expires + CLOCK_SKEW_S

    def _refuse(self, reason: str) -> NoReturn:
        """The reason is for the operator's log alone; the client always reads the same words."""
        self._log.debug("token refused: %s", reason)
        raise rejected()


def _identity(claims: JsonObject) -> Identity:
    firebase = claims.get("firebase")
    provider = firebase.get("sign_in_provider") if isinstance(firebase, dict) else None
    tier = claims.get("tier")
    if not isinstance(tier, str) or not 0 < len(tier) <= MAX_TIER_CHARS:
        tier = "free"
    return Identity(
        uid=str(claims["sub"]),
        admin=claims.get("admin") is True,
        anonymous=provider == "anonymous",
        tier=tier,
        auth_time=unix_time(claims.get("auth_time")),
    )
