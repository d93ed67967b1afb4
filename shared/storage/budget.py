"""A time budget for one call of a store."""

from __future__ import annotations

import asyncio

from shared.errors import StoreUnavailable


class Within:
    """Turns the end of ``timeout_s`` into ``StoreUnavailable``: ``async with Within(5.0): ...``."""

    __slots__ = ("_scope", "_timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._scope = asyncio.timeout(timeout_s)

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()

    async def __aexit__(self, *raised: object) -> None:
        try:
            await self._scope.__aexit__(*raised)  # type: ignore[arg-type]
        except TimeoutError:
            if self._scope.expired():
                message = f"the store did not finish within {self._timeout_s:g} s"
                raise StoreUnavailable(message, retry_after=1.0) from None
            raise
