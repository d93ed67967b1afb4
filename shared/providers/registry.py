"""Which providers this instance can ask: built once from the settings, one that cannot start is
left out and says why, the others start (R22.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from shared.providers.base import ChatProvider
from shared.providers.cerebras import cerebras
from shared.providers.elevenlabs import ElevenLabsProvider
from shared.providers.google import GoogleProvider
from shared.providers.groq import groq
from shared.providers.http import HttpPool
from shared.providers.huggingface import huggingface
from shared.providers.local_server import local_server
from shared.providers.openai_profile import CannotStart
from shared.settings import ProviderSettings

Wall = Callable[[], float]
Builder = Callable[[ProviderSettings, HttpPool, Wall], ChatProvider]

# A new provider is one file and one line here.
BUILDERS: Mapping[str, Builder] = {
    "groq": groq,
    "cerebras": cerebras,
    "google": GoogleProvider,
    "huggingface": huggingface,
    "elevenlabs": ElevenLabsProvider,
    "local": local_server,
}


class ProviderSet(Struct):
    """The providers of this instance. ``disabled`` maps the others to the reason why."""

    providers: dict[str, ChatProvider] = field(default_factory=dict)
    disabled: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> ChatProvider | None:
        """The adapter; None where it is disabled or unknown."""
        return self.providers.get(name)

    def enabled(self, name: str) -> bool:
        """Whether it can be asked."""
        return name in self.providers

    def __iter__(self) -> Iterator[ChatProvider]:
        return iter(self.providers.values())


def build_providers(
    settings: Mapping[str, ProviderSettings], pool: HttpPool, wall: Wall
) -> ProviderSet:
    """Every provider that ``settings`` let start, on one shared pool. ``wall`` is Unix time, for
    waits told as dates. Never raises; opens no connection."""
    built = ProviderSet()
    for name, own in settings.items():
        builder = BUILDERS.get(name)
        if builder is None:
            built.disabled[name] = f"no adapter for a provider called {name!r}"
        elif own.state == "disabled":
            built.disabled[name] = own.reason or "disabled"
        else:
            try:
                built.providers[name] = builder(own, pool, wall)
            except (CannotStart, ValueError) as error:
                built.disabled[name] = str(error) or "cannot start"
    return built
