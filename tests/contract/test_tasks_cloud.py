"""What goes over the wire to Cloud Tasks, and what becomes of its errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest

from shared.errors import StoreUnavailable
from shared.storage.errors import InvalidArgument
from shared.storage.tasks import TaskExists, Tasks, named
from shared.storage.tasks_cloud import CloudTasks, Dispatch
from tests.support.cloud_tasks_servicer import LOCATION, PROJECT
from tests.support.task_worlds import ACCOUNT, WORKER_URL, CloudTaskWorld, cloud_task_world

Code = grpc.StatusCode


@pytest.fixture
async def world() -> AsyncIterator[CloudTaskWorld]:
    async with cloud_task_world() as made:
        yield made


async def test_request_names_worker_account_audience_and_deadline(world: CloudTaskWorld) -> None:
    await world.tasks.enqueue("bulk", "/run?a=1", {"job": "j1"}, name="n", delay_s=30.0)
    ((name, task),) = world.servicer.tasks.items()
    where = f"projects/{PROJECT}/locations/{LOCATION}/queues/codeex-bulk/tasks/"
    assert name == where + named("bulk", "n").split("/")[1]
    request = task.http_request
    assert request.url == f"{WORKER_URL}/run?a=1"
    assert request.http_method.name == "POST"
    assert request.oidc_token.service_account_email == ACCOUNT
    assert request.oidc_token.audience == WORKER_URL
    assert not request.oauth_token
    assert task.dispatch_deadline == timedelta(seconds=1_800)
    assert task.schedule_time.timestamp() == world.clock.wall() + 30.0


async def test_task_without_a_name_leaves_naming_to_cloud_tasks(world: CloudTaskWorld) -> None:
    assert await world.tasks.enqueue("bulk", "/run") == "bulk/00000000000000000001"


async def test_unreached_service_is_asked_again(world: CloudTaskWorld) -> None:
    world.servicer.failures = [Code.UNAVAILABLE] * 2
    task = await world.tasks.enqueue("bulk", "/run", name="n")
    world.servicer.failures = [Code.UNAVAILABLE] * 2
    assert await world.tasks.delete(task)
    assert world.servicer.calls == ["create"] * 3 + ["delete"] * 3
    world.servicer.failures = [Code.UNAVAILABLE] * 3
    with pytest.raises(StoreUnavailable, match="not reached"):
        await world.tasks.enqueue("bulk", "/run", name="m")


async def test_named_task_whose_answer_was_lost_is_there_once(world: CloudTaskWorld) -> None:
    world.servicer.lose_answers = 1
    with pytest.raises(TaskExists):
        await world.tasks.enqueue("bulk", "/run", name="n")
    assert len(world.servicer.tasks) == 1


@pytest.mark.parametrize(
    "code",
    [
        Code.RESOURCE_EXHAUSTED,
        Code.DEADLINE_EXCEEDED,
        Code.PERMISSION_DENIED,
        Code.UNAUTHENTICATED,
        Code.INVALID_ARGUMENT,
        Code.FAILED_PRECONDITION,
        Code.INTERNAL,
        Code.ABORTED,
        Code.CANCELLED,
        Code.UNKNOWN,
        Code.DATA_LOSS,
    ],
)
async def test_refusal_is_unavailability_with_its_code_and_nothing_more(
    world: CloudTaskWorld, code: grpc.StatusCode
) -> None:
    for call in (
        lambda: world.tasks.enqueue("bulk", "/run"),
        lambda: world.tasks.delete(named("bulk", "n")),
    ):
        world.servicer.failures = [code]
        with pytest.raises(StoreUnavailable) as caught:
            await call()
        assert str(caught.value) == f"Cloud Tasks: {code.name}"
        waits = 10.0 if code is Code.RESOURCE_EXHAUSTED else 1.0
        assert caught.value.retry_after == waits
    assert len(world.servicer.calls) == 2


async def test_queue_that_was_not_made_is_told(world: CloudTaskWorld) -> None:
    with pytest.raises(StoreUnavailable, match="NOT_FOUND"):
        await world.tasks.enqueue("gone", "/run")
    with pytest.raises(InvalidArgument, match="no queue nosuch"):
        await world.tasks.enqueue("nosuch", "/run")


async def test_nobody_listening_is_unavailability(world: CloudTaskWorld) -> None:
    dispatch = Dispatch(PROJECT, LOCATION, {"bulk": "codeex-bulk"}, WORKER_URL, ACCOUNT)
    listening = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    tasks = Tasks(CloudTasks(dispatch, endpoint=f"127.0.0.1:{port}", clock=world.clock))
    with pytest.raises(StoreUnavailable):
        await tasks.enqueue("bulk", "/run", timeout_s=5.0)
    await tasks.close()


async def test_answer_that_does_not_come_ends_in_time() -> None:
    writers: list[asyncio.StreamWriter] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dispatch = Dispatch(PROJECT, LOCATION, {"bulk": "codeex-bulk"}, WORKER_URL, ACCOUNT)
    tasks = Tasks(CloudTasks(dispatch, endpoint=f"127.0.0.1:{port}"))
    with pytest.raises(StoreUnavailable):
        await tasks.enqueue("bulk", "/run", timeout_s=0.1)
    await tasks.close()
    server.close()
    await server.wait_closed()
    for writer in writers:
        writer.close()
        await writer.wait_closed()
