"""Who is asking: the one thing the edge needs to know about a caller, and the part that finds out.

Everything behind the edge sees an ``Identity`` and never a token. Which kind of token is taken
(Firebase ID token, API key, the dev tokens of ``make run``) is the authenticator's business.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from shared.errors import Unauthenticated

# R18, decision of the house: one wording for whatever is wrong with a token (forged, expired,
# foreign, garbled), so that an attacker learns nothing from comparing answers.
REJECTED = (
    "the token is not valid here: sign in again and send Authorization: Bearer "
    "<Firebase ID token> with the fresh token, or an API key (ck_...) that is not revoked"
)
MISSING = (
    "this path needs a signed-in user: send Authorization: Bearer <Firebase ID token>, or an API "
    "key (ck_...)"
)

_SCHEME = "bearer "


class Identity(Struct, frozen=True):
    """A verified caller (contract, Identity).

    ``admin``: the custom claim ``admin: true``. ``anonymous``: signed in without an account; such
    callers count under their address for client limits. ``tier``: the claim behind the rule
    condition USER_TIER (R4). ``by_key``: with an API key, as servers and tools call; they have no
    app to attest for. ``auth_time``: Unix seconds of the sign-in behind an ID token, None for other
    ways in.
    """

    uid: str
    admin: bool = False
    anonymous: bool = False
    tier: str = "free"
    by_key: bool = False
    auth_time: float | None = None


class Authenticator(Protocol):
    """Turns the ``Authorization`` header into an identity."""

    async def authenticate(self, authorization: str | None) -> Identity:
        """The caller's identity; ``authorization`` is the header's value, None where absent.

        Raises ``Unauthenticated`` (401) without a valid token and ``Forbidden`` (403) for a valid
        token whose kind of account is not admitted.
        """
        ...


def bearer_token(authorization: str | None) -> str:
    """The token of a ``Bearer`` header.

    Raises ``Unauthenticated`` with the wording for a missing token: no header, another scheme, or
    nothing behind the scheme.
    """
    if authorization is None or authorization[:7].lower() != _SCHEME:
        raise Unauthenticated(MISSING)
    token = authorization[7:].strip()
    if not token:
        raise Unauthenticated(MISSING)
    return token


def rejected() -> Unauthenticated:
    """The error for a token that was sent but is not valid, for whatever reason."""
    return Unauthenticated(REJECTED)
