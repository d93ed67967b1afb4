"""The local runner: what arrives when, on virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable

import pytest

from local.tasks_queue import QueueConfig, Retry, TaskQueue
from local.tasks_target import TaskAnswer
from shared.storage.tasks import RELEASED_AFTER_S, TaskExists
from tests.support.task_house import QUEUE, RETRY, House, Sent, house, in_turn
from tests.support.virtual_time import START_WALL, run_virtual


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "codeex.tasks")


def on_virtual_time(test: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with house() as made:
            await test(made)

    run_virtual(main())


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        # The example of Google's own RetryConfig.
        (Retry(100, 0, 10, 300, 3), [10, 20, 40, 80, 160, 240, 300, 300]),
        (Retry(), [0.1, 0.2, 0.4, 0.8]),
        (Retry(100, 0, 10, 300, 0), [10, 20, 30, 40]),
        (Retry(100, 0, 10, 10, 16), [10, 10, 10]),
    ],
)
def test_backoff_doubles_then_grows_evenly_to_its_maximum(
    retry: Retry, expected: list[float]
) -> None:
    assert [retry.backoff_s(n) for n in range(1, len(expected) + 1)] == pytest.approx(expected)
    assert retry.backoff_s(1_000_000) == retry.max_backoff_s


def test_retry_ends_when_attempts_and_time_are_both_used_up() -> None:
    assert not Retry(max_attempts=3).ends(2, 1e9)
    assert Retry(max_attempts=3).ends(3, 0.0)
    assert not Retry(max_attempts=3, max_duration_s=60).ends(7, 59.0)
    assert Retry(max_attempts=3, max_duration_s=60).ends(3, 60.0)
    assert not Retry(max_attempts=-1).ends(1_000, 1e9)


def test_task_is_sent_at_once_with_what_cloud_tasks_says_of_it() -> None:
    async def test(house: House) -> None:
        house.start()
        await asyncio.sleep(1.0)
        task = await house.tasks.enqueue("interactive", "/run?a=1", {"job": "j1"}, name="n")
        await asyncio.sleep(0.1)
        (sent,) = house.sent
        assert (sent.at, sent.path, sent.body) == (1.0, "/run?a=1", b'{"job":"j1"}')
        assert sent.headers["content-type"] == "application/json"
        assert sent.headers["user-agent"] == "Google-Cloud-Tasks"
        assert sent.header("QueueName") == "interactive"
        assert sent.header("TaskName") == task.split("/")[1]
        assert sent.header("TaskRetryCount") == "0"
        assert sent.header("TaskExecutionCount") == "0"
        assert float(sent.header("TaskETA")) == START_WALL + 1.0
        assert "x-cloudtasks-taskpreviousresponse" not in sent.headers
        await asyncio.sleep(7_200)
        assert len(house.sent) == 1
        assert await house.remaining() == 0
        assert not await house.tasks.delete(task)

    on_virtual_time(test)


def test_delayed_task_comes_when_it_is_due() -> None:
    async def test(house: House) -> None:
        house.start()
        await house.tasks.enqueue("interactive", "/late", delay_s=61.5)
        await house.tasks.enqueue("interactive", "/soon", delay_s=0.5)
        await asyncio.sleep(100)
        assert [(sent.path, sent.at) for sent in house.sent] == [("/soon", 0.5), ("/late", 61.5)]

    on_virtual_time(test)


def test_failure_is_retried_with_growing_waits_then_given_up() -> None:
    async def test(house: House) -> None:
        house.answering = in_turn(500, 429, None, 302, 400)
        house.start()
        await house.tasks.enqueue("interactive", "/run", name="n")
        await asyncio.sleep(10_000)
        assert [sent.at for sent in house.sent] == [0, 10, 30, 70, 150]
        assert [sent.header("TaskRetryCount") for sent in house.sent] == ["0", "1", "2", "3", "4"]
        counts = [sent.header("TaskExecutionCount") for sent in house.sent]
        assert counts == ["0", "0", "1", "1", "2"], "5xx and silence are no executions"
        previous = [sent.headers.get("x-cloudtasks-taskpreviousresponse") for sent in house.sent]
        assert previous == [None, "500", "429", None, "302"]
        assert await house.remaining() == 0
        with pytest.raises(TaskExists):
            await house.tasks.enqueue("interactive", "/run", name="n")

    on_virtual_time(test)


def test_worker_may_ask_for_a_longer_wait_not_a_shorter_one() -> None:
    async def test(house: House) -> None:
        house.answering = in_turn(
            TaskAnswer(503, 100.0), TaskAnswer(503, 1.0), TaskAnswer(503, 1e9), 200
        )
        house.start()
        await house.tasks.enqueue("interactive", "/run")
        await asyncio.sleep(10_000)
        assert [sent.at for sent in house.sent] == [0, 100, 120, 3_720]

    on_virtual_time(test)


def test_no_more_than_the_queues_number_are_under_way() -> None:
    async def test(house: House) -> None:
        under_way = most = 0

        async def slow(sent: Sent) -> TaskAnswer:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(5.0)
            under_way -= 1
            return TaskAnswer(200)

        house.answering = slow
        for n in range(10):
            await house.tasks.enqueue("interactive", f"/{n}")
        house.start()
        await asyncio.sleep(60)
        assert most == QUEUE.max_concurrent
        assert sorted(sent.path for sent in house.sent) == [f"/{n}" for n in range(10)]
        assert [sent.at for sent in house.sent] == [0, 0, 0, 5, 5, 5, 10, 10, 10, 15]

    on_virtual_time(test)


def test_full_queue_holds_up_no_other() -> None:
    async def test(house: House) -> None:
        async def stuck(sent: Sent) -> TaskAnswer:
            if sent.path == "/bulk":
                await asyncio.Event().wait()
            return TaskAnswer(200)

        house.answering = stuck
        house.start(QUEUE, QueueConfig("bulk", max_concurrent=1))
        for _ in range(3):
            await house.tasks.enqueue("bulk", "/bulk")
        await house.tasks.enqueue("interactive", "/quick")
        await asyncio.sleep(1)
        assert [sent.path for sent in house.sent] == ["/bulk", "/quick"]

    on_virtual_time(test)


def test_several_runners_send_each_task_once() -> None:
    async def test(house: House) -> None:
        async def slow(sent: Sent) -> TaskAnswer:
            await asyncio.sleep(0.01)
            return TaskAnswer(200)

        house.answering = slow
        for n in range(200):
            await house.tasks.enqueue("interactive", f"/{n}")
        for _ in range(4):
            house.start()
        await asyncio.sleep(60)
        assert sorted(sent.path for sent in house.sent) == sorted(f"/{n}" for n in range(200))
        assert await house.remaining() == 0

    on_virtual_time(test)


def test_task_of_another_process_is_noticed_within_the_poll() -> None:
    async def test(house: House) -> None:
        house.start()
        await asyncio.sleep(1.0)
        runners, house.runners = house.runners, []  # nobody is woken
        await house.tasks.enqueue("interactive", "/run")
        house.runners = runners
        await asyncio.sleep(2.0)
        assert [sent.path for sent in house.sent] == ["/run"]

    on_virtual_time(test)


def test_long_work_keeps_its_lease_however_long() -> None:
    async def test(house: House) -> None:
        async def long(sent: Sent) -> TaskAnswer:
            await asyncio.sleep(1_790)
            return TaskAnswer(200)

        house.answering = long
        house.start()
        house.start()
        await house.tasks.enqueue("interactive", "/run")
        await asyncio.sleep(10_000)
        assert len(house.sent) == 1
        assert await house.remaining() == 0

    on_virtual_time(test)


def test_answer_that_meets_a_sign_of_life_is_noted_all_the_same() -> None:
    async def test(house: House) -> None:
        async def answer(sent: Sent) -> TaskAnswer:
            await asyncio.sleep(10.5)  # the sign of life after 10 s is on its way
            return TaskAnswer(200)

        house.answering = answer
        house.backend.wait_s = 1.0
        house.start()
        await house.tasks.enqueue("interactive", "/run")
        await asyncio.sleep(1_000)
        assert len(house.sent) == 1
        assert await house.remaining() == 0

    on_virtual_time(test)


def test_worker_that_never_answers_is_cut_off_at_the_deadline() -> None:
    async def test(house: House) -> None:
        async def stuck(sent: Sent) -> TaskAnswer:
            if len(house.sent) == 1:
                await asyncio.Event().wait()
            return TaskAnswer(200)

        house.answering = stuck
        house.start()
        await house.tasks.enqueue("interactive", "/run")
        await asyncio.sleep(10_000)
        assert [sent.at for sent in house.sent] == [0, 1_810]

    on_virtual_time(test)


def test_runner_that_vanishes_loses_its_task_to_another_after_the_lease() -> None:
    async def test(house: House) -> None:
        await house.tasks.enqueue("interactive", "/run")
        # What a killed process leaves: a claim, and nobody who renews it.
        queue = TaskQueue(house.store, QUEUE, house.clock)
        (document,) = await queue.upcoming(1)
        assert await queue.claim(document) is not None
        house.start()
        await asyncio.sleep(100)
        (sent,) = house.sent
        assert sent.at == QUEUE.lease_s
        assert sent.header("TaskRetryCount") == "1"

    on_virtual_time(test)


def test_stopped_runner_gives_its_tasks_back_at_once() -> None:
    async def test(house: House) -> None:
        async def stuck(sent: Sent) -> TaskAnswer:
            if len(house.sent) == 1:
                await asyncio.Event().wait()
            return TaskAnswer(200)

        house.answering = stuck
        house.start()
        await house.tasks.enqueue("interactive", "/run")
        await asyncio.sleep(5.0)
        await house.stop()
        house.start()
        await asyncio.sleep(1.0)
        assert [sent.at for sent in house.sent] == [0.0, 5.0]
        assert await house.remaining() == 0

    on_virtual_time(test)


def test_task_deleted_while_it_is_sent_is_not_sent_again() -> None:
    async def test(house: House) -> None:
        async def deleted(sent: Sent) -> TaskAnswer:
            assert await house.tasks.delete(task)
            await asyncio.sleep(60.0)  # past a sign of life
            return TaskAnswer(500)

        house.answering = deleted
        house.start()
        task = await house.tasks.enqueue("interactive", "/run", delay_s=1.0)
        await asyncio.sleep(10_000)
        assert len(house.sent) == 1
        assert await house.remaining() == 0

    on_virtual_time(test)


def test_names_that_are_free_again_are_swept() -> None:
    async def test(house: House) -> None:
        house.start()
        await house.tasks.enqueue("interactive", "/run", name="n")
        await asyncio.sleep(1.0)
        await house.stop()
        await asyncio.sleep(RELEASED_AFTER_S)
        house.start()
        await asyncio.sleep(1.0)
        assert house.store.operations.of("tasks").deletes == 1
        await house.tasks.enqueue("interactive", "/run", name="n")
        await asyncio.sleep(1.0)
        assert len(house.sent) == 2

    on_virtual_time(test)


def test_idle_runner_asks_no_more_often_than_it_says() -> None:
    async def test(house: House) -> None:
        house.start()
        await asyncio.sleep(600)
        assert house.store.operations.total().reads <= 600 / 2.0 + 3
        assert house.store.operations.total().writes == 0

    on_virtual_time(test)


def test_attempts_without_end_go_on() -> None:
    async def test(house: House) -> None:
        house.answering = in_turn(500)
        retry = dataclasses.replace(RETRY, max_attempts=-1)
        house.start(dataclasses.replace(QUEUE, retry=retry))
        await house.tasks.enqueue("interactive", "/run")
        await asyncio.sleep(20_000)
        assert len(house.sent) > 60
        assert await house.remaining() == 1

    on_virtual_time(test)
