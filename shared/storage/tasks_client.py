"""What needs Google's client for Cloud Tasks: imported by the first call, in a thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import google.auth
import grpc.aio
from google.api_core.exceptions import (
    AlreadyExists,
    GoogleAPICallError,
    NotFound,
    ResourceExhausted,
    ServiceUnavailable,
)
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.tasks_v2 import CloudTasksAsyncClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
from google.cloud.tasks_v2.types import HttpMethod, HttpRequest, OidcToken, Task

from shared.errors import StoreUnavailable
from shared.storage.tasks import DISPATCH_DEADLINE_S, NewTask, TaskExists

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
# A queue takes 1,000 tasks a second and more by and by (docs, "Manage scaling risks").
_CROWDED_S = 10.0


class NotReached(Exception):
    """UNAVAILABLE: most likely nothing was done, and asking again is right."""


def default_credentials() -> Credentials:
    """The environment's own; reads files and asks the metadata server, so: in a thread."""
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except GoogleAuthError:
        raise StoreUnavailable("no credentials for Cloud Tasks") from None
    found: Credentials = credentials
    return found


class Client:
    """Google's client in the running loop. ``worker_url`` is address and audience."""

    __slots__ = ("_account", "_client", "_worker_url")

    def __init__(
        self,
        worker_url: str,
        service_account: str,
        endpoint: str | None,
        credentials: Credentials | None,
    ) -> None:
        self._worker_url = worker_url.rstrip("/")
        self._account = service_account
        transport = CloudTasksGrpcAsyncIOTransport(
            channel=None if endpoint is None else grpc.aio.insecure_channel(endpoint),
            credentials=credentials,
        )
        self._client = CloudTasksAsyncClient(transport=transport)

    async def create(self, parent: str, task: NewTask, timeout_s: float) -> str:
        """CreateTask; the task's id. Raises ``TaskExists``, ``NotReached``."""
        message = Task(
            name=None if task.id is None else f"{parent}/tasks/{task.id}",
            http_request=HttpRequest(
                url=self._worker_url + task.path,
                http_method=HttpMethod.POST,
                headers=dict(task.headers),
                body=task.body,
                oidc_token=OidcToken(
                    service_account_email=self._account, audience=self._worker_url
                ),
            ),
            dispatch_deadline=timedelta(seconds=DISPATCH_DEADLINE_S),
            schedule_time=None if task.at is None else datetime.fromtimestamp(task.at, UTC),
        )
        try:
            made = await self._client.create_task(
                parent=parent, task=message, retry=None, timeout=timeout_s
            )
        except AlreadyExists:
            raise TaskExists(f"there is a task of that name in {task.queue}") from None
        except (GoogleAPICallError, GoogleAuthError) as error:
            raise _translated(error) from None
        return str(made.name).rsplit("/", 1)[1]

    async def delete(self, name: str, timeout_s: float) -> bool:
        """DeleteTask; whether there was such a task. Raises ``NotReached``."""
        try:
            await self._client.delete_task(name=name, retry=None, timeout=timeout_s)
        except NotFound:
            return False
        except (GoogleAPICallError, GoogleAuthError) as error:
            raise _translated(error) from None
        return True

    async def close(self) -> None:
        """Close the channel."""
        await self._client.transport.close()  # type: ignore[no-untyped-call]


def _translated(error: GoogleAPICallError | GoogleAuthError) -> Exception:
    """The port's error. Google's own text stays out: it holds addresses and accounts."""
    if isinstance(error, ServiceUnavailable):
        return NotReached()
    wait_s = _CROWDED_S if isinstance(error, ResourceExhausted) else 1.0
    code = getattr(error, "grpc_status_code", None)
    reason = type(error).__name__ if code is None else code.name
    return StoreUnavailable(f"Cloud Tasks: {reason}", retry_after=wait_s)
