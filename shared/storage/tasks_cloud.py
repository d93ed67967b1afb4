"""Tasks in Cloud Tasks (https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2).

Google's client takes 0.4 s to import: it is loaded in a thread by the first call, and made in the
loop that makes that call.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from shared.clock import Clock, SystemClock
from shared.errors import StoreUnavailable
from shared.storage.errors import InvalidArgument
from shared.storage.tasks import NewTask

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from shared.storage.tasks_client import Client

T = TypeVar("T")
_ATTEMPTS = 3
_FIRST_WAIT_S = 0.1


class Dispatch(Struct, frozen=True):
    """Where tasks go. ``queues``: our names to the ids of queues.

    Cloud Tasks calls ``worker_url`` as ``service_account``, by a token whose audience is that
    address; whoever enqueues needs ``actAs`` on the account.
    """

    project: str
    location: str
    queues: Mapping[str, str]
    worker_url: str
    service_account: str


class CloudTasks:
    """Stands behind ``Tasks``.

    ``endpoint`` (``host:port``) is a stand-in asked in clear text; without it Google is asked, with
    ``credentials`` or the default ones.
    """

    __slots__ = ("_client", "_clock", "_credentials", "_dispatch", "_endpoint", "_lock", "_random")

    def __init__(
        self,
        dispatch: Dispatch,
        *,
        endpoint: str | None = None,
        credentials: Credentials | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._dispatch = dispatch
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock: Clock = clock or SystemClock()
        self._random = rng or random.Random()
        self._lock = asyncio.Lock()
        self._client: Client | None = None

    async def create(self, task: NewTask, timeout_s: float) -> str:
        """CreateTask; asked again where Cloud Tasks was not reached."""
        parent = self._parent(task.queue)
        return await self._ask(lambda client: client.create(parent, task, timeout_s))

    async def delete(self, queue: str, identifier: str, timeout_s: float) -> bool:
        """DeleteTask; asked again where Cloud Tasks was not reached.

        If the first of two attempts did take the task away, the second says it was not there.
        """
        name = f"{self._parent(queue)}/tasks/{identifier}"
        return await self._ask(lambda client: client.delete(name, timeout_s))

    async def close(self) -> None:
        """Close the channel."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _parent(self, queue: str) -> str:
        found = self._dispatch.queues.get(queue)
        if found is None:
            raise InvalidArgument(f"there is no queue {queue}")
        where = f"projects/{self._dispatch.project}/locations/{self._dispatch.location}"
        return f"{where}/queues/{found}"

    async def _ask(self, call: Callable[[Client], Awaitable[T]]) -> T:
        client = await self._connected()
        from shared.storage.tasks_client import NotReached

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await call(client)
            except NotReached:
                if attempt < _ATTEMPTS:
                    await self._clock.sleep(_FIRST_WAIT_S * 2**attempt * self._random.random())
        raise StoreUnavailable("Cloud Tasks is not reached", retry_after=1.0)

    async def _connected(self) -> Client:
        async with self._lock:
            if self._client is None:
                credentials = await asyncio.to_thread(self._load)
                from shared.storage.tasks_client import Client

                self._client = Client(
                    self._dispatch.worker_url,
                    self._dispatch.service_account,
                    self._endpoint,
                    credentials,
                )
            return self._client

    def _load(self) -> Credentials | None:
        from shared.storage.tasks_client import default_credentials

        if self._endpoint is not None or self._credentials is not None:
            return self._credentials
        return default_credentials()
