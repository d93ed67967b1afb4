"""``/v1/me/keys``: the user's API keys for servers and tools (contract, One address).

A key opens everything its owner may do but this: who has stolen one can make no second, and can
neither see nor take away the owner's others.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import Send

from shared.accounts.api_keys import KeyStore
from shared.edge.api_key_tokens import ApiKeyAuthenticator
from shared.edge.asgi import HttpRequest, refuse_form_bodies, send_json
from shared.edge.call import Call
from shared.edge.json_body import integer_in, load_object, string, wrong
from shared.errors import Forbidden
from shared.messages import JsonObject, JsonValue

PATH = "/v1/me/keys"
MAX_NAME_CHARS = 64
MAX_DAYS = 3650
UNNAMED = "API key"


class KeysEndpoint:
    """Another user's key is not there (404). ``authenticator`` hears of what is revoked here."""

    __slots__ = ("_authenticator", "_keys")

    def __init__(self, keys: KeyStore, authenticator: ApiKeyAuthenticator) -> None:
        self._keys = keys
        self._authenticator = authenticator

    async def create(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``POST``: a new key, whose text (``key``) is told this once. Raises ``Forbidden``, and
        ``Conflict`` for one too many."""
        _refuse_others(call)
        refuse_form_bodies(http)
        body = load_object(await http.body())
        name = _name(body.get("name"))
        days = body.get("expires_in_days")
        if days is not None:
            days = integer_in(days, "expires_in_days", 1, MAX_DAYS)
        who = call.identity
        text, key = await self._keys.create(who.uid, name, who.tier, days)
        headers = [*call.headers(), (b"cache-control", b"no-store")]
        await send_json(send, 200, headers, {**key.to_json(), "key": text})

    async def listing(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``GET``: newest first, without the keys themselves. Raises ``Forbidden``."""
        _refuse_others(call)
        data: list[JsonValue] = [key.to_json() for key in await self._keys.of(call.identity.uid)]
        await send_json(send, 200, call.headers(), {"object": "list", "data": data})

    async def revoke(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``DELETE /v1/me/keys/{id}``: refused from now on here, and within 60 s everywhere.

        Raises ``Forbidden`` and ``NotFound``.
        """
        _refuse_others(call)
        identifier = unquote(http.path.removeprefix(f"{PATH}/"))
        key = await self._keys.revoke(call.identity.uid, identifier)
        self._authenticator.forget(key)
        body: JsonObject = {"id": key.id, "object": "api_key", "deleted": True}
        await send_json(send, 200, call.headers(), body)


def _refuse_others(call: Call) -> None:
    """Keys are their owner's business, signed in with an account that lasts."""
    if call.identity.by_key:
        raise Forbidden(
            "an API key cannot see, create or revoke API keys: sign in and send your "
            "Firebase ID token"
        )
    if call.identity.anonymous:
        raise Forbidden(
            "an anonymous account cannot have API keys: sign in with an account that lasts "
            "(e-mail, Google or another provider)"
        )


def _name(value: JsonValue) -> str:
    if value is None:
        return UNNAMED
    name = string(value, "name").strip()
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        wrong("name", f"must be 1 to {MAX_NAME_CHARS} printable characters, for you to know it by")
    return name
