"""Cloud Tasks' service over a real socket, as far as it is used: it keeps tasks and sends none.

It checks what Google checks (names, queues, schedules, deadlines, tokens, names used lately), by
https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2. Its clock is moved by hand.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import grpc.aio
from google.cloud.tasks_v2.types import CreateTaskRequest, DeleteTaskRequest, Task

from tests.support.virtual_time import ManualClock

PROJECT, LOCATION = "demo-test", "europe-west1"
QUEUES = ("codeex-interactive", "codeex-bulk")
_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")


class Refused(Exception):
    """A status other than OK."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class CloudTasksServicer:
    """``tasks`` by full name. ``failures`` are answered first, one a call."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.tasks: dict[str, Task] = {}
        self.calls: list[str] = []
        self.failures: list[grpc.StatusCode] = []
        self.lose_answers = 0
        self.address = ""
        self._used: dict[str, float] = {}
        self._server = grpc.aio.server()

    async def __aenter__(self) -> Self:
        handlers = {
            "CreateTask": grpc.unary_unary_rpc_method_handler(
                self._guarded(self._create),
                request_deserializer=CreateTaskRequest.deserialize,
                response_serializer=Task.serialize,
            ),
            "DeleteTask": grpc.unary_unary_rpc_method_handler(
                self._guarded(self._delete),
                request_deserializer=DeleteTaskRequest.deserialize,
                response_serializer=lambda empty: empty,
            ),
        }
        service = grpc.method_handlers_generic_handler("google.cloud.tasks.v2.CloudTasks", handlers)
        self._server.add_generic_rpc_handlers((service,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._server.stop(None)

    def finish(self, name: str) -> None:
        """As if the task had been sent and had succeeded."""
        del self.tasks[name]
        self._used[name] = self.clock.wall()

    def _guarded(
        self, work: Callable[[object], object]
    ) -> Callable[[object, grpc.aio.ServicerContext[object, object]], Awaitable[object]]:
        async def handle(
            request: object, context: grpc.aio.ServicerContext[object, object]
        ) -> object:
            self.calls.append(work.__name__.strip("_"))
            if self.failures:
                await context.abort(self.failures.pop(0), "as the test says")
            try:
                answer = work(request)
            except Refused as refusal:
                await context.abort(refusal.code, refusal.details)
            if self.lose_answers:
                self.lose_answers -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
            return answer

        return handle

    def _create(self, request: object) -> Task:
        assert isinstance(request, CreateTaskRequest)
        _check_queue(request.parent)
        task = request.task
        prefix = f"{request.parent}/tasks/"
        if not task.name:
            task.name = f"{prefix}{len(self.calls):020d}"
        identifier = task.name.removeprefix(prefix)
        if not task.name.startswith(prefix) or not _ID.fullmatch(identifier):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "the name is not of this queue")
        used = self._used.get(task.name)
        if task.name in self.tasks or (used is not None and self.clock.wall() < used + 86_400):
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, "Requested entity already exists")
        self._check(task)
        self.tasks[task.name] = task
        return task

    def _check(self, task: Task) -> None:
        problem = ""
        request = task.http_request
        if not re.match(r"https?://[^/]+", request.url):
            problem = "HttpRequest.url"
        elif not re.fullmatch(r"[^@ ]+@[^@ ]+", request.oidc_token.service_account_email):
            problem = "OidcToken.service_account_email"
        elif not 15 <= task.dispatch_deadline.total_seconds() <= 1_800:
            problem = "Task.dispatch_deadline"
        elif len(Task.serialize(task)) > 1_048_576:
            problem = "the task is larger than 1 MB"
        elif task.schedule_time and task.schedule_time.timestamp() > self.clock.wall() + 2_592_000:
            problem = "Task.schedule_time"
        if problem:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, problem)

    def _delete(self, request: object) -> bytes:
        assert isinstance(request, DeleteTaskRequest)
        _check_queue(request.name.split("/tasks/")[0])
        if request.name not in self.tasks:
            raise Refused(grpc.StatusCode.NOT_FOUND, "Requested entity was not found")
        self.finish(request.name)
        return b""  # google.protobuf.Empty


def _check_queue(parent: str) -> None:
    where = f"projects/{PROJECT}/locations/{LOCATION}/queues/"
    if not parent.startswith(where):
        raise Refused(grpc.StatusCode.PERMISSION_DENIED, "another project")
    if parent.removeprefix(where) not in QUEUES:
        raise Refused(grpc.StatusCode.NOT_FOUND, "Queue does not exist")
