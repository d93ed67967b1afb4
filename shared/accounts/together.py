"""One look-up for all who want the same thing at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import Struct, field

from shared.errors import StoreUnavailable

T = TypeVar("T")


class _Asking(Struct, Generic[T]):
    """A look-up under way. Before it is over one of the two is set, or none: who asked has left."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    found: list[T] = field(default_factory=list)
    failure: StoreUnavailable | None = None


class Together(Generic[T]):
    """Look-ups by key. The first to come asks, in its own task, so nothing outlives a request; the
    others wait for its answer, or ask themselves where it was cancelled."""

    __slots__ = ("_asking",)

    def __init__(self) -> None:
        self._asking: dict[str, _Asking[T]] = {}

    async def ask(self, key: str, look_up: Callable[[], Awaitable[T]]) -> T:
        """What ``look_up`` finds. Raises what it raises; ``StoreUnavailable`` to all who wait."""
        while (asking := self._asking.get(key)) is not None:
            await asking.over.wait()
            if asking.failure is not None:
                raise asking.failure
            if asking.found:
                return asking.found[0]
        asking = self._asking[key] = _Asking()
        try:
            found = await look_up()
            asking.found.append(found)
            return found
        except StoreUnavailable as failure:
            asking.failure = failure
            raise
        finally:
            del self._asking[key]
            asking.over.set()
