"""A user's own preferences: ``users/{uid}/settings/preferences`` (R4.6, P22).

The user's page may write the document by itself, past every function, so what is read here is
whatever is there: each field counts where it is one, and is nothing where it is not. The security
rules let through the same as ``/v1/me/preferences``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from shared.messages import JsonObject, RequestOptions
from shared.settings import PROVIDERS
from shared.storage.document import Document
from shared.storage.documents import DocumentStore
from shared.storage.paths import folder_of
from shared.storage.values import Input, Value

# ``local`` is the user's own OpenAI-compatible server (contract, Environment).
NAMES = (*PROVIDERS, "local")
MAX_PROVIDERS = 5
WISHES = ("speed", "quality")
MAX_LANGUAGE_CHARS = 35
# A tag as BCP 47 forms them.
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


class Preferences(Struct, frozen=True):
    """What a user prefers; ``prioritize`` is "speed", "quality" or None, ``language`` a tag."""

    preferred_providers: tuple[str, ...] = ()
    avoid_providers: tuple[str, ...] = ()
    prioritize: str | None = None
    language: str | None = None

    def to_json(self) -> JsonObject:
        """All four fields."""
        return {
            "preferred_providers": [*self.preferred_providers],
            "avoid_providers": [*self.avoid_providers],
            "prioritize": self.prioritize,
            "language": self.language,
        }

    def to_data(self) -> dict[str, Input]:
        """The document: what is set."""
        return {name: value for name, value in self.to_json().items() if value}

    def stand_in(self, options: RequestOptions) -> None:
        """Fill in what the request itself does not say (contract, Chat: its own fields win; what
        is avoided here is soft). A provider in both lists is avoided."""
        said = options.said
        if "avoid_providers" not in said and self.avoid_providers:
            own = options.preferred_providers
            options.shunned_providers = frozenset(self.avoid_providers).difference(own)
        if "preferred_providers" not in said and self.preferred_providers:
            options.preferred_providers = tuple(
                name for name in self.preferred_providers if name not in options.shunned_providers
            )
        if "prioritize" not in said:
            options.prioritize = self.prioritize


NOTHING = Preferences()


class PreferenceStore:
    """Reads and writes them. Every call can raise ``StoreUnavailable``."""

    __slots__ = ("_documents",)

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def read(self, uid: str, timeout_s: float) -> Preferences:
        """What is stored of them."""
        return _read(await self._documents.get(_path(uid), timeout_s=timeout_s))

    async def replace(self, uid: str, preferences: Preferences) -> None:
        """Store these and nothing else."""
        await self._documents.set(_path(uid), preferences.to_data())

    async def change(self, uid: str, change: Callable[[Preferences], Preferences]) -> Preferences:
        """Store what ``change`` makes of what is stored, which is returned. It may be called again
        for a writer that came first. Raises what it raises, and ``VersionConflict``."""
        made = NOTHING

        def decide(document: Document | None) -> dict[str, Input]:
            nonlocal made
            made = change(_read(document))
            return made.to_data()

        await self._documents.change(_path(uid), decide)
        return made


def _path(uid: str) -> str:
    return f"users/{folder_of(uid)}/settings/preferences"


def _read(document: Document | None) -> Preferences:
    if document is None:
        return NOTHING
    data = document.data
    wish, language = data.get("prioritize"), data.get("language")
    return Preferences(
        _providers(data.get("preferred_providers")),
        _providers(data.get("avoid_providers")),
        wish if isinstance(wish, str) and wish in WISHES else None,
        language if isinstance(language, str) and is_language(language) else None,
    )


def _providers(value: Value) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    known = [name for name in names if isinstance(name, str) and name in NAMES]
    return tuple(dict.fromkeys(known))[:MAX_PROVIDERS]


def is_language(tag: str) -> bool:
    """Whether ``tag`` is one as BCP 47 forms them: de, pt-BR, zh-Hant-TW."""
    return len(tag) <= MAX_LANGUAGE_CHARS and LANGUAGE.fullmatch(tag) is not None
