"""``/v1/me/preferences``: what the user prefers wherever a request does not say it itself."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.types import Send

from shared.accounts.known_preferences import KnownPreferences
from shared.accounts.preferences import (
    MAX_PROVIDERS,
    NAMES,
    NOTHING,
    WISHES,
    Preferences,
    PreferenceStore,
    is_language,
)
from shared.edge.asgi import HttpRequest, refuse_form_bodies, send_json
from shared.edge.call import Call
from shared.edge.json_body import array, load_object, one_of, shown_key, string, wrong
from shared.errors import Conflict
from shared.messages import JsonObject, JsonValue
from shared.storage.documents import TIMEOUT_S
from shared.storage.errors import VersionConflict

PATH = "/v1/me/preferences"
_FIELDS = ("preferred_providers", "avoid_providers", "prioritize", "language")


class PreferencesEndpoint:
    """``known`` is what this instance's chats go by; it hears at once of what is written here."""

    __slots__ = ("_known", "_store")

    def __init__(self, store: PreferenceStore, known: KnownPreferences) -> None:
        self._store = store
        self._known = known

    async def show(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``GET``: as they are stored now."""
        uid = call.identity.uid
        await self._answer(send, call, await self._store.read(uid, TIMEOUT_S))

    async def replace(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``PUT``: these and nothing else. Raises ``InvalidRequest``."""
        preferences = _changed(NOTHING, await _body(http))
        await self._store.replace(call.identity.uid, preferences)
        await self._answer(send, call, preferences)

    async def patch(self, http: HttpRequest, send: Send, call: Call) -> None:
        """``PATCH``: a JSON merge patch (RFC 7396). Raises ``InvalidRequest``, and ``Conflict``
        where others write all the time."""
        body = await _body(http)
        _changed(NOTHING, body)  # what is wrong costs no read
        try:
            preferences = await self._store.change(
                call.identity.uid, lambda stored: _changed(stored, body)
            )
        except VersionConflict:
            raise Conflict("the preferences are being changed elsewhere: try again") from None
        await self._answer(send, call, preferences)

    async def _answer(self, send: Send, call: Call, preferences: Preferences) -> None:
        self._known.take(call.identity.uid, preferences)
        await send_json(send, 200, call.headers(), preferences.to_json())


async def _body(http: HttpRequest) -> JsonObject:
    refuse_form_bodies(http)
    return load_object(await http.body())


def _changed(stored: Preferences, body: JsonObject) -> Preferences:
    """``stored`` with the fields of ``body``; null takes one back."""
    for name, value in body.items():
        match name:
            case "preferred_providers":
                stored = replace(stored, preferred_providers=_providers(value, name))
            case "avoid_providers":
                stored = replace(stored, avoid_providers=_providers(value, name))
            case "prioritize":
                stored = replace(stored, prioritize=_wish(value))
            case "language":
                stored = replace(stored, language=_language(value))
            case _:
                wrong(
                    shown_key(name) or "the body",
                    f"is no preference: the fields are {', '.join(_FIELDS)}",
                )
    return stored


def _providers(value: JsonValue, param: str) -> tuple[str, ...]:
    """Known names, each once, in the order given."""
    if value is None:
        return ()
    names = array(value, param)
    if len(names) > MAX_PROVIDERS:
        wrong(param, f"may name {MAX_PROVIDERS} providers at most")
    known = [one_of(name, f"{param}[{index}]", NAMES) for index, name in enumerate(names)]
    return tuple(dict.fromkeys(known))


def _wish(value: JsonValue) -> str | None:
    return None if value is None else one_of(value, "prioritize", WISHES)


def _language(value: JsonValue) -> str | None:
    if value is None:
        return None
    tag = string(value, "language")
    if not is_language(tag):
        wrong("language", "must be a language tag such as de, pt-BR or zh-Hant-TW, or null")
    return tag
