"""What both homes of tasks do alike when tasks are made and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.storage.errors import InvalidArgument
from shared.storage.tasks import BODY_LIMIT, RELEASED_AFTER_S, TaskExists, named
from tests.support.task_worlds import TaskWorld, cloud_task_world, local_task_world


@pytest.fixture(params=["cloud", "local"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[TaskWorld]:
    if request.param == "cloud":
        async with cloud_task_world() as cloud:
            yield cloud
    else:
        async with local_task_world() as local:
            yield local


async def test_task_is_kept_as_it_was_given(world: TaskWorld) -> None:
    task = await world.tasks.enqueue(
        "interactive", "/v1/run?step=2", b"\x00\xff", headers={"X-Job": "j1"}
    )
    (kept,) = await world.kept()
    assert kept.task == task
    assert (kept.path, kept.body, kept.at) == ("/v1/run?step=2", b"\x00\xff", None)
    assert kept.headers == {"x-job": "j1", "content-type": "application/octet-stream"}


async def test_object_is_sent_as_json(world: TaskWorld) -> None:
    await world.tasks.enqueue("interactive", "/run", {"job": "j1", "n": [1, None]})
    (kept,) = await world.kept()
    assert kept.body == b'{"job":"j1","n":[1,null]}'
    assert kept.headers == {"content-type": "application/json"}


async def test_tasks_without_a_name_are_as_many_as_were_made(world: TaskWorld) -> None:
    made = [await world.tasks.enqueue("interactive", "/run", b"same") for _ in range(5)]
    assert len(set(made)) == 5
    assert {kept.task for kept in await world.kept()} == set(made)


async def test_delay_is_a_time_to_the_microsecond(world: TaskWorld) -> None:
    await world.tasks.enqueue("interactive", "/run", delay_s=61.25)
    (kept,) = await world.kept()
    assert kept.at == pytest.approx(world.clock.wall() + 61.25, abs=1e-6)


async def test_name_is_taken_once(world: TaskWorld) -> None:
    name = "users/u 1/jobs/ä/step 2"
    task = await world.tasks.enqueue("interactive", "/run", b"1", name=name)
    assert task == named("interactive", name)
    with pytest.raises(TaskExists):
        await world.tasks.enqueue("interactive", "/run", b"2", name=name)
    assert [kept.body for kept in await world.kept()] == [b"1"]
    await world.tasks.enqueue("bulk", "/run", b"2", name=name)


async def test_of_many_who_take_a_name_at_once_one_does(world: TaskWorld) -> None:
    results = await asyncio.gather(
        *(world.tasks.enqueue("interactive", "/run", b"same", name="n") for _ in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, str) for each in results) == 1
    assert sum(isinstance(each, TaskExists) for each in results) == 9
    assert len(await world.kept()) == 1


async def test_names_become_ids_with_nothing_in_common(world: TaskWorld) -> None:
    tasks = [
        await world.tasks.enqueue("interactive", "/run", name=f"2026-11-23T12:00:0{n}")
        for n in range(5)
    ]
    ids = [task.split("/")[1] for task in tasks]
    assert len({identifier[:4] for identifier in ids}) == 5
    assert all(identifier.isalnum() for identifier in ids)


async def test_delete_says_whether_the_task_was_there(world: TaskWorld) -> None:
    task = await world.tasks.enqueue("interactive", "/run", name="n", delay_s=60.0)
    assert await world.tasks.delete(task)
    assert not await world.tasks.delete(task)
    assert not await world.tasks.delete(named("interactive", "never"))
    assert await world.kept() == []


@pytest.mark.parametrize("how", ["deleted", "done"])
async def test_name_stays_taken_for_a_day(world: TaskWorld, how: str) -> None:
    task = await world.tasks.enqueue("interactive", "/run", name="n")
    if how == "deleted":
        await world.tasks.delete(task)
    else:
        await world.finish(task)
    assert not await world.tasks.delete(task)
    for wait_s in (0, RELEASED_AFTER_S - 1):
        world.clock.advance(wait_s)
        with pytest.raises(TaskExists):
            await world.tasks.enqueue("interactive", "/run", name="n")
    world.clock.advance(1)
    assert await world.tasks.enqueue("interactive", "/run", name="n") == task
    assert len(await world.kept()) == 1


async def test_calls_are_counted(world: TaskWorld) -> None:
    await world.tasks.enqueue("interactive", "/run")
    await world.tasks.delete(named("interactive", "n"))
    assert world.tasks.operations == {"enqueue": 1, "delete": 1}


@pytest.mark.parametrize(
    ("queue", "path"),
    [
        ("", "/run"),
        ("Upper", "/run"),
        ("a/b", "/run"),
        ("interactive", ""),
        ("interactive", "run"),
        ("interactive", "//evil.example/run"),
        ("interactive", "https://evil.example/run"),
        ("interactive", "/a b"),
        ("interactive", "/a\r\nHost: x"),
        ("interactive", "/ä"),
        ("interactive", "/" + "x" * 1_000),
    ],
)
async def test_queue_or_path_that_is_none_is_refused(
    world: TaskWorld, queue: str, path: str
) -> None:
    with pytest.raises(InvalidArgument):
        await world.tasks.enqueue(queue, path)
    assert not world.tasks.operations


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"authorization": "Bearer x"},
        {"X-CloudTasks-TaskRetryCount": "0"},
        {"X-Google-Anything": "1"},
        {"a b": "c"},
        {"a": "b\r\nc: d"},
        {"a": "ä"},
    ],
)
async def test_header_a_task_cannot_carry_is_refused(
    world: TaskWorld, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidArgument):
        await world.tasks.enqueue("interactive", "/run", headers=headers)


async def test_payload_and_delay_have_limits(world: TaskWorld) -> None:
    await world.tasks.enqueue("interactive", "/run", b"x" * BODY_LIMIT, delay_s=2_591_000.0)
    with pytest.raises(InvalidArgument):
        await world.tasks.enqueue("interactive", "/run", b"x" * (BODY_LIMIT + 1))
    for delay_s in (-1.0, 2_592_001.0, float("nan")):
        with pytest.raises(InvalidArgument):
            await world.tasks.enqueue("interactive", "/run", delay_s=delay_s)
    for task in ("", "interactive", "interactive/", "a/b/c", "interactive/ä"):
        with pytest.raises(InvalidArgument):
            await world.tasks.delete(task)


async def test_closed_opens_again(world: TaskWorld) -> None:
    await world.tasks.enqueue("interactive", "/run")
    await world.tasks.close()
    await world.tasks.enqueue("interactive", "/run")
    assert len(await world.kept()) == 2
