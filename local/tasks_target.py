"""Where the local runner posts tasks to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from yarl import URL


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """``status`` None: there was none. ``retry_after_s`` is what the answer asked for, or 0."""

    status: int | None
    retry_after_s: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Any 2xx; all else means another attempt."""
        return self.status is not None and 200 <= self.status <= 299


class Target(Protocol):
    """Takes tasks. Waits for the answer as long as it is let."""

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> TaskAnswer:
        """Never raises for what happens on the way: that is an answer with no status."""
        ...


class HttpTarget:
    """A worker at ``base_url`` (``http://127.0.0.1:8080``, or with a path before every task's).

    ``headers`` go with every task, as Cloud Tasks' token does. The session is its owner's to close.
    """

    __slots__ = ("_base_url", "_headers", "_session")

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> TaskAnswer:
        """Redirects are followed by nobody here; what is cut off counts as no answer."""
        try:
            async with self._session.post(
                URL(self._base_url + path, encoded=True),
                data=body,
                headers={**headers, **self._headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
            ) as response:
                # Read and let go: an answer counts once it is whole.
                async for _ in response.content.iter_chunked(65_536):
                    continue
                asked = response.headers.get("Retry-After", "")
                wait_s = float(asked) if asked.isascii() and asked.isdigit() else 0.0
                return TaskAnswer(response.status, wait_s)
        except (aiohttp.ClientError, OSError):
            return TaskAnswer(None)
